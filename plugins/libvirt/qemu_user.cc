#include "plugins/libvirt/qemu_user.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/access_list.h"
#include "daemon/base/error.h"

namespace vx::libvirt {
namespace {

constexpr char kUser[] = "libvirt-qemu";
constexpr char kKvm[] = "/dev/kvm";

}  // namespace

absl::StatusOr<gid_t> QemuGroup(bool kvm) {
  struct stat st;
  if (kvm && stat(kKvm, &st) == 0 && !(st.st_mode & S_IWOTH)) return st.st_gid;
  const passwd* user = getpwnam(kUser);
  if (user != nullptr) return user->pw_gid;
  return Error(absl::StatusCode::kFailedPrecondition, "NO_LIBVIRT_USER",
               absl::StrCat("libvirt needs the user ", kUser, ", which is not there"),
               "run: useradd --system --user-group libvirt-qemu");
}

absl::Status LetPass(const std::string& dir, gid_t group) {
  return vx::LetPass(dir, {Passer::Kind::kGroup, group, "QEMU"});
}

absl::Status GiveTo(const std::string& path, const QemuUser& user) {
  if (lchown(path.c_str(), user.uid, user.gid) == 0 && chmod(path.c_str(), 0600) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("hand over ", path));
}

absl::Status TakeBack(const std::string& path) {
  if (lchown(path.c_str(), 0, 0) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("take back ", path));
}

}  // namespace vx::libvirt
