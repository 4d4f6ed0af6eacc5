// What vxd asks of the guest as a whole, each answered at once.
#pragma once

#include <functional>

#include "plugins/agent/loop.h"
#include "vx/agent/v1/agent.pb.h"

namespace vx::agent {

class Tasks {
 public:
  // `shutdown` ends the workload's command. Borrows the loop.
  Tasks(Loop& loop, std::function<void()> shutdown);
  ~Tasks();
  Tasks(const Tasks&) = delete;
  Tasks& operator=(const Tasks&) = delete;

  // ENOSYS for what is none of these.
  v1::Reply Do(const v1::Request& request);

  // Lets the guest write again, if Freeze had stopped it.
  void Thaw();

 private:
  int Freeze(uint32_t timeout_millis);

  Loop& loop_;
  const std::function<void()> shutdown_;
  int frozen_ = -1;  // the root's descriptor, while nobody may write
  int timer_;
};

}  // namespace vx::agent
