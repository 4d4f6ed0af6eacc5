// Init's view of the filesystem, made from the stage (stage.h).
//
// All mounts are made first, detached, while the host's tree is there; then the new root
// becomes "/" and the host's tree is dropped; then the mounts are attached, on places that
// are looked up inside of the root alone and held by descriptor (inside.h). So no path of
// an image leads out of it, whatever links it holds and whoever changes them meanwhile:
// not even by "/..", above which the host's tree lies for as long as it is there.
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
  // mounts the root, makes it "/" and drops the host's tree. The working directory is
  // "/".
  static absl::StatusOr<Root> Enter(const Config& config);

  // What config.json's "mounts" says, sysctls, masked and read-only paths.
  absl::Status Furnish();

 private:
  // A mount that is to be read-only once all that lies on it is there.
  struct Sealed {
    UniqueFd mount;
    std::string what;
  };
  // What masked paths are covered with. A detached mount can be attached once, and one
  // that is attached can be copied.
  struct Cover {
    UniqueFd mount;
    bool is_attached = false;
  };

  explicit Root(const Config& config) : config_(config) {}

  absl::Status Prepare();
  absl::Status Pivot();
  absl::StatusOr<UniqueFd> MakeMount(size_t index) const;
  absl::StatusOr<UniqueFd> MakeCgroupMount(size_t index) const;
  absl::Status Attach(size_t index);
  // Gives a new volume what is at `place`.
  absl::Status Fill(const MountConfig& mount, int place, int tree) const;
  absl::Status WriteSysctl(const std::string& key, const std::string& value) const;
  absl::Status MakeReadOnly(const std::string& path) const;
  absl::Status Mask(const std::string& path);
  absl::Status PutCover(Cover& cover, int place, const std::string& path);
  absl::Status Seal();

  const Config& config_;
  // Of config.mounts, detached.
  std::vector<UniqueFd> mounts_;
  Cover empty_;
  Cover null_;
  UniqueFd root_;
  std::vector<Sealed> sealed_;
};

}  // namespace vx::container
