// Users at once over one vxd with the fake driver: what they were told is noted the
// moment they are told it.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/lib/connection.h"
#include "tests/system/chaos/dice.h"
#include "tests/system/chaos/gate.h"
#include "vx/v1/operation.pb.h"
#include "vx/v1/workload.pb.h"

namespace vx::system_test {

// What users were told up to one moment.
struct Told {
  // Each operation as it was told last: recorded, or ended. Oldest first; only as
  // many as vxd is sure to remember.
  std::deque<v1::Operation> operations;
  // Workloads that nobody is changing at that moment.
  struct Workload {
    // STATE_UNSPECIFIED: there is none.
    v1::State state = v1::STATE_UNSPECIFIED;
    int64_t memory_bytes = 0;
  };
  std::map<std::string, Workload> workloads;
};

class FakeLoad {
 public:
  // Begins at once. Whatever fails, fails the test.
  FakeLoad(const std::string& socket, uint64_t seed, int users);
  // Ends it.
  ~FakeLoad();
  FakeLoad(const FakeLoad&) = delete;
  FakeLoad& operator=(const FakeLoad&) = delete;

  // Thread-safe.
  Told Snapshot() const ABSL_LOCKS_EXCLUDED(mutex_);
  int changes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Begun = absl::StatusOr<v1::Operation>;

  void Use(const std::string& socket, Dice dice, const std::string& user);
  // One change of the workload, to its end; false when it failed.
  bool Change(client::Connection& connection, Dice& dice, const std::string& name);
  Begun Begin(client::Connection& connection, Dice& dice, const std::string& name,
              Told::Workload& workload);
  void Note(const v1::Operation& operation) ABSL_LOCKS_EXCLUDED(mutex_);

  Gate gate_;
  mutable absl::Mutex mutex_;
  Told told_ ABSL_GUARDED_BY(mutex_);
  int changes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_;
};

}  // namespace vx::system_test
