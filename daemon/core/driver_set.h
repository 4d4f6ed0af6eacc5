// The drivers of this host and whether they can be used.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/driver/driver.h"

namespace vx::core {

// What a driver is wanted for.
enum class Use {
  kLookAfter,  // stop, remove, observe: any driver that was loaded
  kRun,        // make and start: one whose host can
};

// Thread-safe. Drivers are added before anything else is called, and live as long
// as the set.
class DriverSet {
 public:
  void Add(std::unique_ptr<driver::Driver> driver);
  // A driver that could not be loaded: its kind is refused with this reason.
  void AddMissing(const std::string& name, v1::Kind kind, const absl::Status& why);

  // All that were added and loaded.
  std::vector<driver::Driver*> Loaded() const;
  // As GetInfo shows them.
  std::vector<v1::DriverInfo> Infos() const;

  // The driver of a kind, ready or not; null when there is none.
  driver::Driver* Find(v1::Kind kind) const;
  // Fails at once where the kind is known not to be of that use: FAILED_PRECONDITION
  // (DRIVER_UNAVAILABLE). Fine while it is still probing.
  absl::Status Check(v1::Kind kind, Use use) const;
  // Waits until the driver has been probed; fails as Check does.
  absl::StatusOr<driver::Driver*> Await(v1::Kind kind, Use use) const;

  // Waits until no driver is probing any more, or Close.
  void AwaitAll() const;

  // What a probe found; a state other than PROBING releases Await.
  void SetInfo(v1::Kind kind, const v1::DriverInfo& info);
  // Releases every Await with UNAVAILABLE: the daemon stops.
  void Close();

 private:
  struct Entry {
    std::unique_ptr<driver::Driver> driver;
    v1::DriverInfo info;
  };
  absl::Status Usable(v1::Kind kind, Use use) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::map<v1::Kind, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// "container", "vm".
std::string KindName(v1::Kind kind);

}  // namespace vx::core
