// Who keeps volumes on disk.
//
// A backend keeps each volume in a folder of its own, named by the volume's uid, and
// knows nothing of names, of the inventory or of who uses a volume. What it makes is
// there at once and whole, or not at all: after a crash at any moment, Make and Remove
// of the same uid put things right.
//
// Threads: all methods may be called from several at once, for several uids; never for
// one uid. Errors: absl::Status with a reason (base/error.h).
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vx/v1/volume.pb.h"

namespace vx::volume {

class Backend {
 public:
  virtual ~Backend() = default;

  // "dir", "btrfs": VolumeSpec.backend.
  virtual std::string name() const = 0;

  // Whether it can make such a volume here; makes nothing. FAILED_PRECONDITION:
  // NO_QUOTA, NO_BTRFS. UNIMPLEMENTED (NO_SUCH_TYPE).
  virtual absl::Status Check(const v1::VolumeSpec& spec) const = 0;

  // Makes an empty volume; it is on disk when this returns. Fine when it is there.
  virtual absl::Status Make(const std::string& uid, const v1::VolumeSpec& spec) = 0;

  // Removes the volume with all that is in it. Fine when it is not there.
  virtual absl::Status Remove(const std::string& uid) = 0;

  // Where its data is: a folder whose owners are those that workloads see, or the
  // image of a block volume. Only root reaches it.
  virtual std::string PathOf(const std::string& uid, v1::VolumeType type) const = 0;

  // Bytes that it takes; -1: the filesystem does not count them. Quick.
  virtual int64_t UsedBytes(const std::string& uid, v1::VolumeType type) const = 0;
};

}  // namespace vx::volume
