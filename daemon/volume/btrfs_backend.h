// Volumes as subvolumes of btrfs, in the same folders as the dir backend's: `data` is a
// subvolume, whose quota group keeps it to its size and counts it.
//
// The first volume with a size has quotas switched on for the whole filesystem, which
// costs it some speed.
#pragma once

#include <memory>
#include <string>

#include "daemon/volume/dir_backend.h"

namespace vx::volume {

class BtrfsBackend final : public DirBackend {
 public:
  static absl::StatusOr<std::unique_ptr<BtrfsBackend>> Open(const std::string& root);

  std::string name() const override { return "btrfs"; }
  // FAILED_PRECONDITION (NO_BTRFS) names the folder that is on another filesystem.
  absl::Status Check(const v1::VolumeSpec& spec) const override;

 private:
  using DirBackend::DirBackend;

  absl::Status CheckSize() const override { return absl::OkStatus(); }
  absl::Status MakeData(const std::string& data, const std::string& uid,
                        int64_t size_bytes) const override;
  absl::Status ClearData(const std::string& data) const override;
  int64_t DataBytes(const std::string& data) const override;
};

}  // namespace vx::volume
