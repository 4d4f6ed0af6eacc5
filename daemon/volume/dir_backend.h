// Volumes as plain folders, on whatever filesystem vxd's state is.
//
//   ROOT/UID/data   the volume; its root is 0:0, mode 0755
//   ROOT/UID/disk   a block volume: a raw or qcow2 image with an empty ext4
//   ROOT/.new-UID   one that is being made
//   ROOT/.gone-UID  one that is being removed
#pragma once

#include <memory>
#include <string>

#include "daemon/volume/backend.h"

namespace vx::volume {

// A size is kept to by a project quota (project_quota.h). What makes the folder `data`
// itself can be another's; the rest is the same for all that keep volumes in folders.
class DirBackend : public Backend {
 public:
  // `root` is made where it is missing, mode 0700: nobody but root gets further.
  static absl::StatusOr<std::unique_ptr<DirBackend>> Open(const std::string& root);

  std::string name() const override { return "dir"; }
  absl::Status Check(const v1::VolumeSpec& spec) const override;
  absl::Status Make(const std::string& uid, const v1::VolumeSpec& spec) override;
  absl::Status Remove(const std::string& uid) override;
  std::string PathOf(const std::string& uid, v1::VolumeType type) const override;
  int64_t UsedBytes(const std::string& uid, v1::VolumeType type) const override;

 protected:
  explicit DirBackend(std::string root) : root_(std::move(root)) {}
  const std::string& root() const { return root_; }

  // Whether a folder can be kept to a size.
  virtual absl::Status CheckSize() const;
  // Makes the folder, owned by root; 0: of any size.
  virtual absl::Status MakeData(const std::string& data, const std::string& uid,
                                int64_t size_bytes) const;
  // Takes what holds for the folder and is not in it. Fine when it is not there.
  virtual absl::Status ClearData(const std::string& data) const;
  virtual int64_t DataBytes(const std::string& data) const;

 private:
  // What is in the folder `dir`, which is new.
  absl::Status Fill(const std::string& dir, const std::string& uid,
                    const v1::VolumeSpec& spec) const;

  const std::string root_;
};

}  // namespace vx::volume
