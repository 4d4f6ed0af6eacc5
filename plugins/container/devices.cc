#include "plugins/container/devices.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"

namespace vx::container {
namespace {

constexpr char kAllAccess[] = "rwm";

constexpr const char* kOwnFolders[] = {"pts", "shm", "mqueue", "fd", "console", "ptmx"};
// Deeper than any that there is.
constexpr int kMaxDepth = 8;

HostDevice ToDevice(const struct stat& st, const std::string& path, const std::string& access) {
  HostDevice device;
  device.path = path;
  device.type = S_ISBLK(st.st_mode) ? 'b' : 'c';
  device.major = major(st.st_rdev);
  device.minor = minor(st.st_rdev);
  device.mode = st.st_mode & 0777;
  device.uid = st.st_uid;
  device.gid = st.st_gid;
  device.access = access;
  return device;
}

bool IsDevice(const struct stat& st) { return S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode); }

void Collect(const std::string& dir, int depth, std::vector<HostDevice>& devices) {
  auto names = ListDir(dir);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    struct stat st{};
    const std::string path = absl::StrCat(dir, "/", name);
    const bool own = depth == 0 && std::find(std::begin(kOwnFolders), std::end(kOwnFolders),
                                             name) != std::end(kOwnFolders);
    if (own || lstat(path.c_str(), &st) < 0) continue;
    if (IsDevice(st)) devices.push_back(ToDevice(st, path, kAllAccess));
    if (S_ISDIR(st.st_mode) && depth < kMaxDepth) Collect(path, depth + 1, devices);
  }
}

}  // namespace

absl::StatusOr<HostDevice> FindDevice(const v1::Device& wanted) {
  struct stat st{};
  if (stat(wanted.source().c_str(), &st) < 0 || !IsDevice(st)) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_DEVICE",
                 absl::StrCat(wanted.source(), " is no device of this host"),
                 "name a character or block device below /dev");
  }
  return ToDevice(st, wanted.target().empty() ? wanted.source() : wanted.target(),
                  wanted.access().empty() ? kAllAccess : wanted.access());
}

std::vector<HostDevice> AllDevices() {
  std::vector<HostDevice> devices;
  Collect("/dev", 0, devices);
  return devices;
}

}  // namespace vx::container
