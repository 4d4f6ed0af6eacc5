#include "daemon/core/instance.h"

#include <fcntl.h>
#include <sys/file.h>

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

}  // namespace

absl::StatusOr<Instance> OpenInstance(const std::string& state_dir) {
  VX_RETURN_IF_ERROR(MakeDirs(state_dir, 0700));
  Instance instance;
  VX_ASSIGN_OR_RETURN(instance.lock,
                      OpenFile(absl::StrCat(state_dir, "/lock"), O_RDWR | O_CREAT, 0600));
  if (flock(instance.lock.get(), LOCK_EX | LOCK_NB) < 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "STATE_DIR_IN_USE",
                 absl::StrCat("another vxd uses the state directory ", state_dir),
                 "stop it, or give this one another --state-dir and --runtime-dir");
  }
  RemoveTemporaries(state_dir);
  VX_ASSIGN_OR_RETURN(instance.id, ReadOrMakeId(absl::StrCat(state_dir, "/instance-id")));
  return instance;
}

}  // namespace vx::core
