#include "plugins/agent/command.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "plugins/agent/file.h"
#include "plugins/shim/protocol.h"

namespace vx::agent {
namespace {

// As a container's terminal has it.
constexpr winsize kUsualSize = {24, 80, 0, 0};

struct Pipe {
  int read = -1;
  int write = -1;
};

Pipe MakePipe() {
  int fds[2];
  return pipe2(fds, O_CLOEXEC) < 0 ? Pipe() : Pipe{fds[0], fds[1]};
}

void CloseIfOpen(int fd) {
  if (fd >= 0) close(fd);
}

// What a command has of its streams, and what is ours.
struct Streams {
  int theirs[3] = {-1, -1, -1};
  Command ours;

  void CloseTheirs() {
    CloseIfOpen(theirs[0]);
    if (theirs[1] != theirs[0]) CloseIfOpen(theirs[1]);
    if (theirs[2] != theirs[1]) CloseIfOpen(theirs[2]);
  }
  void CloseOurs() {
    CloseIfOpen(ours.in);
    CloseIfOpen(ours.out);
    CloseIfOpen(ours.err);
    ours = {};
  }
};

void OpenPipes(const CommandSpec& spec, Streams& streams) {
  if (spec.stdin) {
    const Pipe in = MakePipe();
    streams.theirs[0] = in.read;
    streams.ours.in = in.write;
  } else {
    streams.theirs[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  if (!spec.output) {
    streams.theirs[1] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    streams.theirs[2] = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return;
  }
  const Pipe out = MakePipe(), err = MakePipe();
  streams.theirs[1] = out.write;
  streams.theirs[2] = err.write;
  streams.ours.out = out.read;
  streams.ours.err = err.read;
}

bool OpenTerminal(const CommandSpec& spec, Streams& streams) {
  const int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || unlockpt(master) < 0) return false;
  const int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) {
    close(master);
    return false;
  }
  fchown(slave, spec.identity.uid, 5);
  fchmod(slave, 0620);
  const bool known = spec.columns > 0 && spec.rows > 0;
  const winsize size = known ? winsize{spec.rows, spec.columns, 0, 0} : kUsualSize;
  ioctl(master, TIOCSWINSZ, &size);
  streams.theirs[0] = streams.theirs[1] = streams.theirs[2] = slave;
  streams.ours.out = master;
  streams.ours.in = fcntl(master, F_DUPFD_CLOEXEC, 0);
  return true;
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

// What is executed: made before there is a child, which may not allocate.
struct Program {
  explicit Program(const CommandSpec& spec)
      : argv(Pointers(spec.argv)), env(Env(spec)), files(Files(spec)) {}

  // A terminal is of some kind.
  static std::vector<char*> Env(const CommandSpec& spec) {
    static char usual[] = "TERM=xterm";
    std::vector<char*> env = Pointers(spec.env);
    const bool known = std::any_of(spec.env.begin(), spec.env.end(), [](const std::string& v) {
      return v.compare(0, 5, "TERM=") == 0;
    });
    if (spec.tty && !known) env.insert(env.begin(), usual);
    return env;
  }

  // An empty name is no file's.
  static std::vector<std::string> Files(const CommandSpec& spec) {
    const std::string& name = spec.argv[0];
    if (name.empty()) return {};
    if (name.find('/') != std::string::npos) return {name};
    std::vector<std::string> files;
    const std::string path = PathVariable(spec.env);
    for (size_t begin = 0; begin <= path.size();) {
      size_t end = path.find(':', begin);
      if (end == std::string::npos) end = path.size();
      const std::string dir = path.substr(begin, end - begin);
      files.push_back((dir.empty() ? "." : dir) + "/" + name);
      begin = end + 1;
    }
    return files;
  }

  const std::vector<char*> argv, env;
  // To try, in this order.
  const std::vector<std::string> files;
};

// Returns the errno of the attempt that says most: a file that is there and can't
// be run beats one that is not there.
int Exec(const Program& program, bool searched) {
  int error = ENOENT;
  for (const std::string& file : program.files) {
    // An attempt to execute makes an address space before it looks for the file.
    if (access(file.c_str(), F_OK) == 0) {
      execve(file.c_str(), program.argv.data(), program.env.data());
    }
    if (!searched || (errno != ENOENT && errno != ENOTDIR)) error = errno;
  }
  return error;
}

// By the kernel's own calls: the library's would have other threads do the same, and in a
// child that shares our memory there is none to be found.
bool BecomeUser(const Identity& identity) {
  return syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) == 0 &&
         syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) == 0 &&
         syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) == 0;
}

// We block signals, and neither ignore nor handle any.
void ResetProcess() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const rlimit files = {1024, 524288};
  setrlimit(RLIMIT_NOFILE, &files);
  umask(022);
  setsid();
}

void TakeStreams(const Streams& streams) {
  for (int i = 0; i < 3; ++i) dup2(streams.theirs[i], i);
}

[[noreturn]] void RunChild(const CommandSpec& spec, const Program& program, const Streams& streams,
                           int status) {
  ResetProcess();
  if (spec.tty) ioctl(streams.theirs[0], TIOCSCTTY, 0);
  TakeStreams(streams);
  // A pipe made by root is to be opened anew by whoever runs (/dev/stdout).
  for (int i = 0; i < 3 && !spec.tty; ++i) {
    if (i > 0 || spec.stdin) fchown(i, spec.identity.uid, spec.identity.gid);
  }
  int error;
  if (chdir(spec.working_dir.c_str()) < 0) {
    error = shim::kErrnoWorkingDir;
  } else if (!BecomeUser(spec.identity)) {
    error = shim::kErrnoNoUser;
  } else {
    error = Exec(program, spec.argv[0].find('/') == std::string::npos);
  }
  if (write(status, &error, sizeof error) < 0) _exit(125);
  _exit(126);
}

// The child has our memory until its exec, while we wait: a copy of it would cost most of
// what a short command takes where the guest is emulated. Signals have no handlers here.
pid_t Spawn(const CommandSpec& spec, const Program& program, const Streams& streams, int status) {
  const pid_t pid = vfork();
  if (pid == 0) RunChild(spec, program, streams, status);
  return pid;
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

Command Started(Streams& streams, pid_t pid) {
  for (int fd : {streams.ours.in, streams.ours.out, streams.ours.err}) {
    if (fd >= 0) SetNonBlocking(fd, true);
  }
  streams.ours.pid = pid;
  return streams.ours;
}

}  // namespace

Command StartCommand(const CommandSpec& spec) {
  Streams streams;
  if (!spec.tty) {
    OpenPipes(spec, streams);
  } else if (!OpenTerminal(spec, streams)) {
    return Failed(errno);
  }
  const Pipe status = MakePipe();
  const Program program(spec);
  const pid_t pid = Spawn(spec, program, streams, status.write);
  const int problem = errno;
  streams.CloseTheirs();
  close(status.write);
  const int error = pid < 0 ? problem : ReadStatus(status.read);
  close(status.read);
  if (error == 0) return Started(streams, pid);
  if (pid > 0) waitpid(pid, nullptr, 0);
  streams.CloseOurs();
  return Failed(error);
}

Command StartWorker(const std::function<int()>& work) {
  Streams streams;
  CommandSpec spec;
  spec.stdin = true;
  OpenPipes(spec, streams);
  const pid_t pid = fork();
  const int problem = errno;
  if (pid == 0) {
    ResetProcess();
    TakeStreams(streams);
    _exit(work());
  }
  streams.CloseTheirs();
  if (pid > 0) return Started(streams, pid);
  streams.CloseOurs();
  return Failed(problem);
}

}  // namespace vx::agent
