#include "plugins/agent/command.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "plugins/agent/file.h"
#include "plugins/agent/system.h"
#include "plugins/shim/protocol.h"

namespace vx::agent {
namespace {

struct Pipe {
  int read = -1;
  int write = -1;
};

Pipe MakePipe() {
  int fds[2];
  return pipe2(fds, O_CLOEXEC) < 0 ? Pipe() : Pipe{fds[0], fds[1]};
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::string PathVariable(const std::vector<std::string>& env) {
  for (const std::string& variable : env) {
    if (variable.compare(0, 5, "PATH=") == 0) return variable.substr(5);
  }
  return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

// Returns the errno of the attempt that says most: a file that is there and can't
// be run beats one that is not there.
int ExecInPath(const BootConfig& config, char* const argv[], char* const env[]) {
  const std::string& name = config.argv[0];
  if (name.find('/') != std::string::npos) {
    execve(name.c_str(), argv, env);
    return errno;
  }
  int error = ENOENT;
  const std::string path = PathVariable(config.env);
  for (size_t begin = 0; begin <= path.size();) {
    size_t end = path.find(':', begin);
    if (end == std::string::npos) end = path.size();
    std::string dir = path.substr(begin, end - begin);
    execve(((dir.empty() ? "." : dir) + "/" + name).c_str(), argv, env);
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
    begin = end + 1;
  }
  return error;
}

bool BecomeUser(const Identity& identity) {
  return setgroups(identity.groups.size(), identity.groups.data()) == 0 &&
         setresgid(identity.gid, identity.gid, identity.gid) == 0 &&
         setresuid(identity.uid, identity.uid, identity.uid) == 0;
}

void ResetProcess() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const rlimit files = {1024, 524288};
  setrlimit(RLIMIT_NOFILE, &files);
  umask(022);
  setsid();
}

[[noreturn]] void RunChild(const BootConfig& config, const Identity& identity, int out, int err,
                           int status) {
  ResetProcess();
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(err, STDERR_FILENO);
  std::vector<char*> argv = Pointers(config.argv), env = Pointers(config.env);
  int error;
  // A pipe made by root is to be opened anew by whoever runs (/dev/stdout).
  fchown(out, identity.uid, identity.gid);
  fchown(err, identity.uid, identity.gid);
  if (chdir(config.working_dir.c_str()) < 0) {
    error = shim::kErrnoWorkingDir;
  } else if (!BecomeUser(identity)) {
    error = shim::kErrnoNoUser;
  } else {
    error = ExecInPath(config, argv.data(), env.data());
  }
  if (write(status, &error, sizeof error) < 0) _exit(125);
  _exit(126);
}

// 0 once the exec has closed the pipe.
int ReadStatus(int fd) {
  int error = 0;
  ssize_t n;
  while ((n = read(fd, &error, sizeof error)) < 0 && errno == EINTR) {
  }
  return n == sizeof error ? error : 0;
}

Command Failed(int error) {
  Command command;
  command.error = error;
  return command;
}

}  // namespace

Command StartCommand(const BootConfig& config, const Identity& identity) {
  if (!MakeDirs(config.working_dir)) {
    Complain("working directory %s: %s", config.working_dir.c_str(), strerror(errno));
    return Failed(shim::kErrnoWorkingDir);
  }
  const Pipe out = MakePipe(), err = MakePipe(), status = MakePipe();
  const pid_t pid = fork();
  if (pid < 0) return Failed(errno);
  if (pid == 0) RunChild(config, identity, out.write, err.write, status.write);
  close(out.write);
  close(err.write);
  close(status.write);
  Command command = {pid, out.read, err.read, ReadStatus(status.read)};
  close(status.read);
  if (command.error != 0) waitpid(pid, nullptr, 0);
  SetNonBlocking(out.read, true);
  SetNonBlocking(err.read, true);
  return command;
}

}  // namespace vx::agent
