// Turns SIGINT and SIGTERM into calls on a thread of their own.
#pragma once

#include <signal.h>

#include <array>
#include <functional>
#include <thread>

#include "daemon/base/unique_fd.h"

namespace vx::cli {

// While one exists, the two signals don't end the process; `on_signal` is called
// with the number of each that arrives, one at a time. At most one at a time.
class SignalWatcher {
 public:
  explicit SignalWatcher(std::function<void(int)> on_signal);
  // Gives the signals their old meaning and waits for a call under way.
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  void Run();

  std::function<void(int)> on_signal_;
  UniqueFd read_end_;
  UniqueFd write_end_;
  std::array<struct sigaction, 2> old_ = {};
  std::thread thread_;
};

}  // namespace vx::cli
