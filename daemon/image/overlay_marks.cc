#include "daemon/image/overlay_marks.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <cerrno>
#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"

namespace vx::image {
namespace {

constexpr const char* kOpaqueNames[] = {"trusted.overlay.opaque", "user.overlay.opaque"};

std::string PathOf(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

}  // namespace

bool IsWhiteout(const struct stat& st) {
  return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
}

absl::Status SetOpaque(int fd) {
  bool any = false;
  int error = 0;
  for (const char* name : kOpaqueNames) {
    if (setxattr(PathOf(fd).c_str(), name, "y", 1, 0) == 0) {
      any = true;
    } else {
      error = errno;
    }
  }
  return any ? absl::OkStatus() : ErrnoError(error, "mark a folder of the layer as opaque");
}

bool IsOpaque(int fd) {
  for (const char* name : kOpaqueNames) {
    char value[2];
    if (getxattr(PathOf(fd).c_str(), name, value, sizeof value) == 1 && value[0] == 'y')
      return true;
  }
  return false;
}

}  // namespace vx::image
