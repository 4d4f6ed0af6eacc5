// Init's view of the filesystem, made from the stage (stage.h).
//
// The new root becomes "/" first and everything else is mounted after that: so no
// path of an image is ever resolved outside of it, whatever links it holds.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "plugins/container/runtime/config.h"

namespace vx::container {

class Root {
 public:
  // With the stage as the working directory, in a mount namespace of its own:
  // mounts the root and makes it "/".
  static absl::StatusOr<Root> Enter(const Config& config);

  // What config.json's "mounts" says, sysctls, masked and read-only paths; then
  // drops the host's tree. The working directory is "/".
  absl::Status Furnish();

 private:
  Root(const Config& config, UniqueFd old_root, UniqueFd stage)
      : config_(config), old_root_(std::move(old_root)), stage_(std::move(stage)) {}

  absl::Status MountOne(size_t index) const;
  absl::Status AttachFromStage(const std::string& name, const MountConfig& mount) const;
  absl::Status MountCgroup(const MountConfig& mount) const;
  absl::Status WriteSysctls() const;
  absl::Status MakeReadOnly(const std::string& path) const;
  absl::Status Mask(const std::string& path) const;
  absl::Status DropOldRoot();

  const Config& config_;
  UniqueFd old_root_;
  UniqueFd stage_;
};

}  // namespace vx::container
