#include "daemon/base/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/pipe.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"

namespace vx {
namespace {

constexpr size_t kMaxOutput = 4 << 20;

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// The C structures of posix_spawn, freed with it.
class SpawnSetup {
 public:
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;

  void MapFds(const std::vector<FdMapping>& fds) {
    for (int target : {0, 1, 2}) {
      bool mapped = std::any_of(fds.begin(), fds.end(), [&](auto& m) { return m.to == target; });
      if (!mapped) posix_spawn_file_actions_addopen(&actions_, target, "/dev/null", O_RDWR, 0);
    }
    for (const FdMapping& m : fds) posix_spawn_file_actions_adddup2(&actions_, m.from, m.to);
  }

  // All but the targets; `highest` is the highest of them.
  void CloseOthers(const std::vector<FdMapping>& fds, int highest) {
    for (int fd = 3; fd < highest; ++fd) {
      bool mapped = std::any_of(fds.begin(), fds.end(), [&](auto& m) { return m.to == fd; });
      if (!mapped) posix_spawn_file_actions_addclose(&actions_, fd);
    }
    posix_spawn_file_actions_addclosefrom_np(&actions_, highest + 1);
  }

  void ResetSignals(bool new_session) {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    if (new_session) flags |= POSIX_SPAWN_SETSID;
    posix_spawnattr_setflags(&attributes_, flags);
  }

  posix_spawn_file_actions_t* actions() { return &actions_; }
  posix_spawnattr_t* attributes() { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

void AppendBounded(std::string& out, const char* data, size_t n) {
  out.append(data, std::min(n, kMaxOutput - std::min(kMaxOutput, out.size())));
}

// Reads what is ready of both pipes; those that ended are negative afterwards.
void ReadReady(pollfd* fds, CommandResult& result) {
  std::string* sinks[2] = {&result.out, &result.err};
  char buffer[16384];
  for (int i = 0; i < 2; ++i) {
    if (fds[i].fd < 0 || fds[i].revents == 0) continue;
    ssize_t n = read(fds[i].fd, buffer, sizeof buffer);
    if (n > 0) AppendBounded(*sinks[i], buffer, n);
    if (n == 0 || (n < 0 && errno != EINTR)) fds[i].fd = -1;
  }
}

// Reads both pipes until the process has ended; false when the deadline comes
// first. A pipe may stay open longer, in a child that the program left behind, or
// end earlier.
bool Drain(int pidfd, int out_fd, int err_fd, CommandResult& result, absl::Time deadline) {
  pollfd fds[3] = {{out_fd, POLLIN, 0}, {err_fd, POLLIN, 0}, {pidfd, POLLIN, 0}};
  while (true) {
    const bool ended = fds[2].fd < 0;
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return ended;
    const int n = poll(fds, 3, ended ? 0 : static_cast<int>(std::min<int64_t>(left, 1 << 30)));
    if (n < 0) continue;
    if (n == 0 && ended) return true;
    ReadReady(fds, result);
    if (fds[2].revents != 0) fds[2].fd = -1;
  }
}

int ReapExitCode(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string LastLine(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  size_t newline = text.rfind('\n');
  return std::string(newline == absl::string_view::npos ? text : text.substr(newline + 1));
}

// `input` is read as its standard input; negative: there is none.
absl::StatusOr<CommandResult> Run(std::vector<std::string> argv, int input,
                                  absl::Duration timeout) {
  VX_ASSIGN_OR_RETURN(Pipe out, MakePipe());
  VX_ASSIGN_OR_RETURN(Pipe err, MakePipe());
  const absl::Time deadline = absl::Now() + timeout;
  const std::string program = argv[0];
  std::vector<FdMapping> fds = {{out.write.get(), 1}, {err.write.get(), 2}};
  if (input >= 0) fds.push_back({input, 0});
  VX_ASSIGN_OR_RETURN(pid_t pid, Spawn({.argv = std::move(argv), .fds = std::move(fds)}));
  out.write.reset();
  err.write.reset();
  auto pidfd = OpenPidfd(pid);
  CommandResult result;
  const bool finished =
      pidfd.ok() && Drain(pidfd->get(), out.read.get(), err.read.get(), result, deadline);
  if (!finished) kill(pid, SIGKILL);
  result.exit_code = ReapExitCode(pid);
  VX_RETURN_IF_ERROR(pidfd.status());
  if (finished) return result;
  return Error(absl::StatusCode::kDeadlineExceeded, "COMMAND_TIMED_OUT",
               absl::StrCat(program, " did not end within ", absl::FormatDuration(timeout)));
}

}  // namespace

absl::StatusOr<pid_t> Spawn(const SpawnOptions& options) {
  SpawnSetup setup;
  // A source that is a target too would be overwritten before its turn: move all
  // sources above the targets first.
  int above = 2;
  for (const FdMapping& m : options.fds) above = std::max(above, m.to);
  std::vector<UniqueFd> moved;
  std::vector<FdMapping> fds;
  for (const FdMapping& m : options.fds) {
    moved.emplace_back(fcntl(m.from, F_DUPFD_CLOEXEC, above + 1));
    if (!moved.back().valid()) return ErrnoError(errno, "duplicate a descriptor");
    fds.push_back({moved.back().get(), m.to});
  }
  setup.MapFds(fds);
  setup.CloseOthers(fds, above);
  setup.ResetSignals(options.new_session);
  std::vector<char*> argv = Pointers(options.argv);
  std::vector<char*> env = Pointers(options.env);
  pid_t pid = 0;
  int error = posix_spawnp(&pid, argv[0], setup.actions(), setup.attributes(), argv.data(),
                           options.env.empty() ? environ : env.data());
  if (error != 0) return ErrnoError(error, absl::StrCat("run ", options.argv[0]));
  return pid;
}

absl::StatusOr<CommandResult> RunCommand(std::vector<std::string> argv, absl::Duration timeout) {
  return Run(std::move(argv), -1, timeout);
}

absl::StatusOr<CommandResult> RunCommandWithInput(std::vector<std::string> argv,
                                                  absl::string_view input,
                                                  absl::Duration timeout) {
  const UniqueFd file(memfd_create("input", MFD_CLOEXEC));
  if (!file.valid()) return ErrnoError(errno, "make a file in memory");
  VX_RETURN_IF_ERROR(WriteAll(file.get(), input, "write a command's input"));
  lseek(file.get(), 0, SEEK_SET);
  return Run(std::move(argv), file.get(), timeout);
}

absl::StatusOr<std::string> RunCommandOk(std::vector<std::string> argv, absl::Duration timeout) {
  const std::string program = argv[0];
  VX_ASSIGN_OR_RETURN(CommandResult result, RunCommand(std::move(argv), timeout));
  if (result.exit_code == 0) return std::move(result.out);
  return Error(absl::StatusCode::kInternal, "COMMAND_FAILED",
               absl::StrCat(program, " failed (", result.exit_code, "): ", LastLine(result.err)));
}

std::string FindProgram(const std::string& name) {
  const char* path = getenv("PATH");
  for (absl::string_view dir : absl::StrSplit(path == nullptr ? "/usr/sbin:/usr/bin" : path, ':')) {
    std::string candidate = absl::StrCat(dir, "/", name);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

}  // namespace vx
