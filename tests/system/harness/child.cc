#include "tests/system/harness/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <ostream>

#include "absl/time/clock.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/subprocess.h"

extern char** environ;

namespace vx::system_test {
namespace {

struct Pipe {
  UniqueFd read, write;
};

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "test harness: " << what << "\n";
  std::abort();
}

Pipe MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) Die("pipe2 failed");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::vector<std::string> Environment(const std::vector<std::string>& added) {
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  env.insert(env.end(), added.begin(), added.end());
  return env;
}

// Reads once; closes the descriptor at the stream's end.
void ReadSome(UniqueFd& fd, std::string& text) {
  char buffer[65536];
  ssize_t n = read(fd.get(), buffer, sizeof buffer);
  if (n > 0) {
    text.append(buffer, static_cast<size_t>(n));
  } else if (n == 0 || errno != EINTR) {
    fd.reset();
  }
}

int ShellCode(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const Result& result) {
  return stream << "exit " << result.code << "\nstdout: " << result.out
                << "\nstderr: " << result.err << "\n";
}

Child::Child(const std::vector<std::string>& argv, const std::vector<std::string>& env) {
  Pipe out = MakePipe(), err = MakePipe();
  SpawnOptions options;
  options.argv = argv;
  options.env = Environment(env);
  options.fds = {{out.write.get(), 1}, {err.write.get(), 2}};
  absl::StatusOr<pid_t> pid = Spawn(options);
  if (!pid.ok()) Die(std::string(pid.status().message()));
  pid_ = *pid;
  absl::StatusOr<UniqueFd> pidfd = OpenPidfd(pid_);
  if (!pidfd.ok()) Die(std::string(pidfd.status().message()));
  pidfd_ = *std::move(pidfd);
  out_ = std::move(out.read);
  err_ = std::move(err.read);
}

Child::~Child() {
  if (!running()) return;
  Signal(SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Child::Signal(int signal) {
  if (running()) SignalPidfd(pidfd_.get(), signal).IgnoreError();
}

bool Child::Pump(absl::Time deadline) {
  if (!out_.valid() && !err_.valid()) return false;
  pollfd fds[] = {{out_.get(), POLLIN, 0}, {err_.get(), POLLIN, 0}};
  absl::Duration left = std::max(deadline - absl::Now(), absl::ZeroDuration());
  if (poll(fds, 2, static_cast<int>(absl::ToInt64Milliseconds(left))) <= 0) return true;
  if (fds[0].revents != 0) ReadSome(out_, result_.out);
  if (fds[1].revents != 0) ReadSome(err_, result_.err);
  return true;
}

bool Child::WaitForOutput(const std::string& text, absl::Duration timeout) {
  absl::Time deadline = absl::Now() + timeout;
  while (result_.out.find(text) == std::string::npos) {
    if (absl::Now() >= deadline || !Pump(deadline)) return false;
  }
  return true;
}

Result Child::Wait(absl::Duration timeout) {
  absl::Time deadline = absl::Now() + timeout;
  while (absl::Now() < deadline && Pump(deadline)) {
  }
  bool ended = WaitPidfd(pidfd_.get(), std::max(deadline - absl::Now(), absl::ZeroDuration()));
  if (!ended) Signal(SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  result_.code = ended ? ShellCode(status) : -1;
  if (!ended) result_.err += "\n(killed by the test: it did not end in time)";
  return result_;
}

Result RunProgram(const std::vector<std::string>& argv, const std::vector<std::string>& env,
                  absl::Duration timeout) {
  return Child(argv, env).Wait(timeout);
}

}  // namespace vx::system_test
