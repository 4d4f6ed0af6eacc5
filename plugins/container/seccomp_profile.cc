#include "plugins/container/seccomp_profile.h"

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::container {
namespace {

// FNV-1a: names a file, protects nothing.
uint64_t Hash(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

absl::StatusOr<std::string> KeepSeccompProfile(const std::string& dir, absl::string_view profile) {
  const uint64_t hash = Hash(absl::StrCat(VX_BUILD_ID, "\n", profile));
  const std::string path = absl::StrCat(dir, "/", absl::Hex(hash, absl::kZeroPad16), ".json");
  VX_RETURN_IF_ERROR(MakeDirs(dir, 0700));
  if (!PathExists(path)) VX_RETURN_IF_ERROR(WriteFileAtomic(path, profile, 0600));
  return path;
}

absl::StatusOr<std::string> SeccompProfile::File() {
  absl::MutexLock lock(&mutex_);
  if (!file_.empty()) return file_;
  std::string profile(DefaultSeccompProfile());
  if (!override_file_.empty()) {
    VX_ASSIGN_OR_RETURN(profile, ReadFile(override_file_));
  }
  VX_ASSIGN_OR_RETURN(file_, KeepSeccompProfile(dir_, profile));
  return file_;
}

}  // namespace vx::container
