#include "daemon/core/state_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/backup.h"

namespace vx::core {
namespace {

constexpr int kIdDigits = 8;

std::string InventoryPath(const std::string& state_dir) { return state_dir + "/vx.db"; }
std::string IdPath(const std::string& state_dir) { return state_dir + "/instance-id"; }

// Empty where there is none.
absl::StatusOr<std::string> ReadId(const std::string& path) {
  auto text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return "";
  VX_RETURN_IF_ERROR(text.status());
  std::string id(absl::StripAsciiWhitespace(*text));
  if (id.size() == kIdDigits) return id;
  return Error(absl::StatusCode::kDataLoss, "BAD_INSTANCE_ID",
               absl::StrCat(path, " does not hold an instance id"),
               "remove the file: the inventory knows the id too");
}

absl::Status NoteId(store::Store& store, const std::string& id) {
  VX_ASSIGN_OR_RETURN(store::Transaction tx, store.Begin(store::Durability::kPromise));
  VX_RETURN_IF_ERROR(tx.SetMeta(kInstanceKey, id));
  return tx.Commit();
}

// An id is made when there is an inventory, so with it there was one.
absl::Status CheckNotMissing(const std::string& state_dir) {
  const std::string path = InventoryPath(state_dir);
  struct stat st{};
  const bool there = stat(path.c_str(), &st) == 0 && st.st_size > 0;
  if (there || !PathExists(IdPath(state_dir))) return absl::OkStatus();
  const std::string newest = store::NewestBackup(path);
  return Error(
      absl::StatusCode::kDataLoss, "DATABASE_MISSING",
      absl::StrCat("the inventory ", path,
                   " is gone or empty, but the state directory "
                   "was in use"),
      absl::StrCat("put it back, or restore a backup: vxd --restore ",
                   newest.empty() ? "FILE" : newest, "; to begin anew, use another --state-dir"));
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

absl::StatusOr<UniqueFd> LockStateDir(const std::string& state_dir) {
  VX_RETURN_IF_ERROR(MakeDirs(state_dir, 0700));
  VX_ASSIGN_OR_RETURN(UniqueFd lock,
                      OpenFile(absl::StrCat(state_dir, "/lock"), O_RDWR | O_CREAT, 0600));
  VX_RETURN_IF_ERROR(Lock(lock.get(), state_dir));
  RemoveTemporaries(state_dir);
  return lock;
}

absl::StatusOr<std::unique_ptr<store::Store>> OpenInventory(const std::string& state_dir) {
  VX_RETURN_IF_ERROR(store::TakeStaged(InventoryPath(state_dir)));
  VX_RETURN_IF_ERROR(CheckNotMissing(state_dir));
  return store::Store::Open(InventoryPath(state_dir));
}

absl::Status RestoreInventory(const std::string& state_dir, const std::string& file) {
  VX_RETURN_IF_ERROR(store::ReadBackup(file).status());
  VX_RETURN_IF_ERROR(store::StageRestore(file, InventoryPath(state_dir)));
  return store::TakeStaged(InventoryPath(state_dir));
}

absl::StatusOr<std::string> InstanceId(const std::string& state_dir, store::Store& store) {
  VX_ASSIGN_OR_RETURN(std::string noted, store.Read().GetMeta(kInstanceKey));
  VX_ASSIGN_OR_RETURN(std::string id, ReadId(IdPath(state_dir)));
  if (id.empty()) {
    id = noted.empty() ? RandomHex(kIdDigits) : noted;
    VX_RETURN_IF_ERROR(
        WriteFileAtomic(IdPath(state_dir), absl::StrCat(id, "\n"), 0600, Durability::kDurable));
  }
  if (noted != id) VX_RETURN_IF_ERROR(NoteId(store, id));
  return id;
}

}  // namespace vx::core
