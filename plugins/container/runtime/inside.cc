#include "plugins/container/runtime/inside.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::container {
namespace {

// As many links as the kernel follows, and folders as deep as a path is long.
constexpr int kMaxSteps = 64;
constexpr int kTries = 32;

std::string LastOf(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string WithoutSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// "" where it is no link.
std::string LinkTarget(int dir, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t n = readlinkat(dir, name.c_str(), target, sizeof target);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : "";
}

bool MakeEntry(int dir, const std::string& name, bool is_dir) {
  if (is_dir) return mkdirat(dir, name.c_str(), 0755) == 0;
  return UniqueFd(
             openat(dir, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644))
      .valid();
}

absl::StatusOr<UniqueFd> MakePlace(int root, const std::string& path, bool is_dir, int steps) {
  auto place = OpenInside(root, path, O_PATH);
  if (!absl::IsNotFound(place.status())) return place;
  if (steps <= 0) return ErrnoError(ELOOP, absl::StrCat("make ", path));
  const std::string parent = ParentOf(path);
  VX_ASSIGN_OR_RETURN(UniqueFd dir, MakePlace(root, parent, /*is_dir=*/true, steps - 1));
  const std::string name = LastOf(path);
  if (MakeEntry(dir.get(), name, is_dir)) return OpenInside(root, path, O_PATH);
  if (errno != EEXIST) return ErrnoError(errno, absl::StrCat("make ", path));
  const std::string target = LinkTarget(dir.get(), name);
  if (target.empty()) return OpenInside(root, path, O_PATH);
  return MakePlace(root,
                   WithoutSlashes(target[0] == '/' ? target : absl::StrCat(parent, "/", target)),
                   is_dir, steps - 1);
}

}  // namespace

absl::StatusOr<UniqueFd> OpenInside(int root, const std::string& path, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int i = 0; i < kTries; ++i) {
    UniqueFd fd(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
    if (fd.valid()) return fd;
    // Something was renamed meanwhile, anywhere on the host.
    if (errno != EAGAIN) break;
  }
  if (errno == ELOOP) {
    return Error(absl::StatusCode::kFailedPrecondition, "BAD_LINK",
                 absl::StrCat(path, " leads through a link of /proc or too many links"));
  }
  const absl::Status status = ErrnoError(errno, absl::StrCat("open ", path));
  return errno == ENOTDIR ? absl::NotFoundError(status.message()) : status;
}

absl::StatusOr<UniqueFd> MakePlaceInside(int root, const std::string& path, bool is_dir) {
  return MakePlace(root, WithoutSlashes(path), is_dir, kMaxSteps);
}

}  // namespace vx::container
