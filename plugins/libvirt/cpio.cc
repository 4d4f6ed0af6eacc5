#include "plugins/libvirt/cpio.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace vx::libvirt {
namespace {

constexpr char kMagic[] = "070701";
constexpr char kTrailer[] = "TRAILER!!!";

void AppendHex(std::string& out, uint32_t value) {
  absl::StrAppend(&out, absl::Hex(value, absl::kZeroPad8));
}

}  // namespace

void CpioWriter::AddDirectory(const std::string& path, mode_t mode) {
  Add(path, S_IFDIR | mode, "", 0, 0);
}

void CpioWriter::AddFile(const std::string& path, mode_t mode, absl::string_view content) {
  Add(path, S_IFREG | mode, content, 0, 0);
}

void CpioWriter::AddCharDevice(const std::string& path, mode_t mode, uint32_t major,
                               uint32_t minor) {
  Add(path, S_IFCHR | mode, "", major, minor);
}

std::string CpioWriter::Finish() {
  Add(kTrailer, 0, "", 0, 0);
  next_inode_ = 1;
  return std::exchange(archive_, "");
}

void CpioWriter::Add(const std::string& path, mode_t mode, absl::string_view content,
                     uint32_t major, uint32_t minor) {
  archive_ += kMagic;
  const uint32_t fields[] = {next_inode_++,
                             mode,
                             /*uid=*/0,
                             /*gid=*/0,
                             /*links=*/S_ISDIR(mode) ? 2u : 1u,
                             /*mtime=*/0,
                             static_cast<uint32_t>(content.size()),
                             /*device=*/0,
                             0,
                             major,
                             minor,
                             static_cast<uint32_t>(path.size() + 1),
                             /*check=*/0};
  for (uint32_t field : fields) AppendHex(archive_, field);
  archive_.append(path.c_str(), path.size() + 1);
  Pad();
  absl::StrAppend(&archive_, content);
  Pad();
}

void CpioWriter::Pad() { archive_.resize((archive_.size() + 3) / 4 * 4, '\0'); }

}  // namespace vx::libvirt
