#include "daemon/core/instance.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"

namespace vx::core {
namespace {

constexpr int kIdDigits = 8;

absl::StatusOr<std::string> ReadOrMakeId(const std::string& path) {
  auto text = ReadFile(path);
  if (text.ok()) {
    std::string id(absl::StripAsciiWhitespace(*text));
    if (id.size() == kIdDigits) return id;
    return Error(absl::StatusCode::kDataLoss, "BAD_INSTANCE_ID",
                 absl::StrCat(path, " does not hold an instance id"),
                 "restore the file: names on the host derive from it");
  }
  if (!absl::IsNotFound(text.status())) return text.status();
  std::string id = RandomHex(kIdDigits);
  VX_RETURN_IF_ERROR(WriteFileAtomic(path, absl::StrCat(id, "\n"), 0600, Durability::kDurable));
  return id;
}

// By a lock of the process: one of the open file would live on in a child that a
// killed vxd had forked and that has not come to its exec.
absl::Status Lock(int fd, const std::string& state_dir) {
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(fd, F_SETLK, &lock) == 0) return absl::OkStatus();
  if (errno != EAGAIN && errno != EACCES) {
    return ErrnoError(errno, absl::StrCat("lock ", state_dir));
  }
  lock.l_pid = 0;
  fcntl(fd, F_GETLK, &lock);
  const std::string holder = lock.l_pid > 0 ? absl::StrCat(" (pid ", lock.l_pid, ")") : "";
  return Error(absl::StatusCode::kFailedPrecondition, "STATE_DIR_IN_USE",
               absl::StrCat("another vxd", holder, " uses the state directory ", state_dir),
               "stop it, or give this one another --state-dir and --runtime-dir");
}

}  // namespace

absl::StatusOr<Instance> OpenInstance(const std::string& state_dir) {
  VX_RETURN_IF_ERROR(MakeDirs(state_dir, 0700));
  Instance instance;
  VX_ASSIGN_OR_RETURN(instance.lock,
                      OpenFile(absl::StrCat(state_dir, "/lock"), O_RDWR | O_CREAT, 0600));
  VX_RETURN_IF_ERROR(Lock(instance.lock.get(), state_dir));
  RemoveTemporaries(state_dir);
  VX_ASSIGN_OR_RETURN(instance.id, ReadOrMakeId(absl::StrCat(state_dir, "/instance-id")));
  return instance;
}

}  // namespace vx::core
