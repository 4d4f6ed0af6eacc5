// vxctl as a child process.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "daemon/base/subprocess.h"
#include "daemon/base/unique_fd.h"
#include "tests/unit/client/cli/fake_vxd.h"

namespace vx::cli {

inline CommandResult Vxctl(const FakeVxd& vxd, std::vector<std::string> words) {
  words.insert(words.begin(), {VXCTL, "--host", vxd.target()});
  auto result = RunCommand(std::move(words), absl::Seconds(60));
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : CommandResult{-1, "", ""};
}

// One that is sent signals while it runs. Its streams go into pipes.
class RunningVxctl {
 public:
  // `unread`: its stdout is a pipe that nobody reads.
  RunningVxctl(const FakeVxd& vxd, std::vector<std::string> words, bool unread = false) {
    int out[2];
    int err[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(err, O_CLOEXEC), 0);
    out_.reset(out[0]);
    err_.reset(err[0]);
    if (unread) out_.reset();
    UniqueFd out_end(out[1]);
    UniqueFd err_end(err[1]);
    SpawnOptions options;
    options.argv = std::move(words);
    options.argv.insert(options.argv.begin(), {VXCTL, "--host", vxd.target()});
    options.fds = {{out_end.get(), 1}, {err_end.get(), 2}};
    auto pid = Spawn(options);
    EXPECT_TRUE(pid.ok()) << pid.status();
    pid_ = pid.ok() ? *pid : -1;
  }
  ~RunningVxctl() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  void Signal(int signal) const { kill(pid_, signal); }

  CommandResult End() {
    CommandResult result;
    if (out_.valid()) result.out = Drain(out_.get());
    result.err = Drain(err_.get());
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return result;
  }

 private:
  static std::string Drain(int fd) {
    std::string text;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(fd, buffer, sizeof(buffer))) > 0;) text.append(buffer, n);
    return text;
  }

  pid_t pid_ = -1;
  UniqueFd out_;
  UniqueFd err_;
};

}  // namespace vx::cli
