// Turns signals into calls on a thread of their own.
#pragma once

#include <signal.h>

#include <functional>
#include <thread>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace vx::cli {

// While one exists, the signals don't end the process; `on_signal` is called with the
// number of each that arrives, one at a time. At most one watcher at a time.
class SignalWatcher {
 public:
  explicit SignalWatcher(std::function<void(int)> on_signal,
                         std::vector<int> signals = {SIGINT, SIGTERM});
  // Gives the signals their old meaning and waits for a call under way.
  ~SignalWatcher();
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

 private:
  void Run();

  std::function<void(int)> on_signal_;
  UniqueFd read_end_;
  UniqueFd write_end_;
  const std::vector<int> signals_;
  std::vector<struct sigaction> old_;
  std::thread thread_;
};

}  // namespace vx::cli
