// Tells the service manager that vxd is alive, where it asks for that (WATCHDOG_USEC,
// sd_watchdog_enabled(3)): at half of the time that it gives, and only while work gets
// through. A vxd that hangs is ended and started again by the manager, and its
// workloads don't notice.
#pragma once

#include <functional>
#include <memory>
#include <thread>

namespace vx {

class Watchdog {
 public:
  // Is to call its argument, once and from any thread, when work got through what a
  // hang would hold up. It may do so after the watchdog's end.
  using Proof = std::function<void(std::function<void()> passed)>;

  // Begins at once, in a thread of its own. Leaves the environment as it is: a vxd
  // that execs itself is watched on, and of children WATCHDOG_PID says that they are
  // not meant. Does nothing where nobody asks.
  // A proof that is not back when the next is due is waited for: no other is asked
  // for, and nobody is told anything.
  explicit Watchdog(Proof proof);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;  // shared with proofs under way
  std::thread thread_;
};

}  // namespace vx
