// Where the suite runs drivers that act on the host.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "tests/leftovers/leftovers.h"

namespace vx::contract {

// Mount and network namespaces of our own, loopback up, and the part of vxd that
// reaps what loses its parent. Call while single-threaded.
absl::Status EnterSandbox();

// The part alone that is a matter of the process, for a child of the suite.
absl::Status BecomeSubreaper();

// What is in the namespaces of EnterSandbox.
std::set<leftovers::Finding> LookAround();

// What is still there of an instance, whose folders are in `work_dir`, after its
// driver was destroyed; one line each. In a sandbox also whatever there was not
// `before`. Waits for what is on its way out.
std::vector<std::string> FindLeftovers(const std::string& work_dir, const std::string& instance_id,
                                       const std::optional<std::set<leftovers::Finding>>& before);

// Removes what a driver, or a test that failed, left of an instance: cgroups with
// their processes, claimed ids.
void SweepInstance(const std::string& instance_id);
// Reaps what a driver that died left to us, as the init of a host does: QEMUs, for
// whose end the next driver waits.
class Init {
 public:
  Init();
  ~Init();
  Init(const Init&) = delete;
  Init& operator=(const Init&) = delete;

 private:
  absl::Notification stop_;
  std::thread thread_;
};

// How many of our children ended and were not waited for.
size_t ZombieChildren();
// Ends and reaps what is still a child of ours.
void SweepChildren();

}  // namespace vx::contract
