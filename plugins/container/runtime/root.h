// Init's view of the filesystem, made from the stage (stage.h).
//
// The new root becomes "/" first and everything else is mounted after that, on places
// that are looked up inside of it alone and held by descriptor (inside.h): so no path of
// an image leads out of it, whatever links it holds and whoever changes them meanwhile.
#pragma once

#include <string>
#include <vector>

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
  // A mount that is to be read-only once all that lies on it is there.
  struct Sealed {
    UniqueFd mount;
    std::string what;
  };

  Root(const Config& config, UniqueFd old_root, UniqueFd stage, UniqueFd root)
      : config_(config),
        old_root_(std::move(old_root)),
        stage_(std::move(stage)),
        root_(std::move(root)) {}

  absl::Status MountOne(size_t index);
  absl::StatusOr<UniqueFd> MakeMount(size_t index) const;
  absl::StatusOr<UniqueFd> MakeCgroupMount(size_t index) const;
  absl::StatusOr<UniqueFd> FromStage(const std::string& name, bool recursive) const;
  absl::Status WriteSysctl(const std::string& key, const std::string& value) const;
  absl::Status MakeReadOnly(const std::string& path) const;
  absl::Status Mask(const std::string& path) const;
  absl::Status DropOldRoot();
  absl::Status Seal();

  const Config& config_;
  UniqueFd old_root_;
  UniqueFd stage_;
  UniqueFd root_;
  std::vector<Sealed> sealed_;
};

}  // namespace vx::container
