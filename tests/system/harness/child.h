// A program that a test runs: never waited for without an end.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"

namespace vx::system_test {

// How a program ended and all that it wrote.
struct Result {
  // As a shell would say: 128 + N when signal N ended it.
  int code = -1;
  std::string out;
  std::string err;
};

// So that a failed expectation shows the whole of it.
std::ostream& operator<<(std::ostream& stream, const Result& result);

class Child {
 public:
  // Starts argv[0] (searched for in PATH) with pipes for stdout and stderr; `env`
  // ("K=V") is added to the test's environment. Aborts the test program when it
  // can't be started.
  explicit Child(const std::vector<std::string>& argv, const std::vector<std::string>& env = {});
  // Kills it if it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Waits until stdout (so far, all of it) holds `text`; false when the program
  // ends or `timeout` is over first.
  bool WaitForOutput(const std::string& text, absl::Duration timeout = absl::Seconds(60));
  // Waits for the end. When `timeout` is over first, the program is killed and
  // the code is -1.
  Result Wait(absl::Duration timeout = absl::Seconds(120));
  void Signal(int signal);
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }

 private:
  // Reads what is there, waiting at most until `deadline`; false at the end of
  // both streams.
  bool Pump(absl::Time deadline);

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  UniqueFd out_;
  UniqueFd err_;
  Result result_;
};

// Starts, waits.
Result RunProgram(const std::vector<std::string>& argv, const std::vector<std::string>& env = {},
                  absl::Duration timeout = absl::Seconds(120));

}  // namespace vx::system_test
