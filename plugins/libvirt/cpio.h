// Writes a cpio archive in the "newc" form, as the kernel unpacks initramfs
// images. The same calls give the same bytes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace vx::libvirt {

class CpioWriter {
 public:
  // Paths have no leading slash; parents come first. `mode` is the permissions.
  void AddDirectory(const std::string& path, mode_t mode);
  void AddFile(const std::string& path, mode_t mode, absl::string_view content);
  void AddCharDevice(const std::string& path, mode_t mode, uint32_t major, uint32_t minor);

  // Ends the archive and gives it up.
  std::string Finish();

 private:
  void Add(const std::string& path, mode_t mode, absl::string_view content, uint32_t major,
           uint32_t minor);
  void Pad();

  std::string archive_;
  uint32_t next_inode_ = 1;
};

}  // namespace vx::libvirt
