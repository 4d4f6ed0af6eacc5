#include "daemon/store/store.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/backup.h"
#include "daemon/store/migrations.h"

namespace vx::store {
namespace {

// Free for the ends of what was begun, for what is observed, and for stop and rm: others
// may take it before us, which the ballast is for.
constexpr int64_t kReserveBytes = int64_t{8} << 20;
// What a transaction takes at most, and a checkpoint after it.
constexpr int64_t kTransactionBytes = int64_t{512} << 10;

absl::Status Damaged(const absl::Status& why, const std::string& path) {
  const std::string newest = NewestBackup(path);
  return Error(absl::StatusCode::kDataLoss, "DATABASE_CORRUPT",
               absl::StrCat(path, ": ", std::string(why.message()), "; it is left as it is"),
               newest.empty()
                   ? absl::StrCat("restore a backup: vxd --restore FILE; without one, save what "
                                  "can be read: sqlite3 ",
                                  path,
                                  " .recover | sqlite3 saved.db, "
                                  "then vxd --restore saved.db")
                   : absl::StrCat("restore a backup: vxd --restore FILE; the newest in the state "
                                  "directory is ",
                                  newest));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const std::string& path) {
  auto open = [&]() -> absl::StatusOr<Database> {
    VX_ASSIGN_OR_RETURN(Database database, Database::Open(path));
    // What is refused is left as it is.
    database.CheckpointOnClose(false);
    VX_RETURN_IF_ERROR(database.CheckIntegrity());
    VX_RETURN_IF_ERROR(Migrate(database, path));
    database.CheckpointOnClose(true);
    VX_RETURN_IF_ERROR(database.Execute(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
        "PRAGMA cache_size = -2048"));
    return database;
  };
  absl::StatusOr<Database> database = open();
  if (absl::IsDataLoss(database.status())) return Damaged(database.status(), path);
  VX_RETURN_IF_ERROR(database.status());
  VX_ASSIGN_OR_RETURN(Database reader, Database::OpenExisting(path));
  VX_RETURN_IF_ERROR(reader.Execute("PRAGMA query_only = ON; PRAGMA cache_size = -2048"));
  VX_ASSIGN_OR_RETURN(Ballast ballast, Ballast::Open(ParentOf(path) + "/ballast"));
  auto store = std::unique_ptr<Store>(
      new Store(*std::move(database), std::move(reader), std::move(ballast), path));
  VX_RETURN_IF_ERROR(store->Tidy());
  return store;
}

absl::Status Store::Tidy() {
  VX_ASSIGN_OR_RETURN(Transaction tx, Begin(Durability::kObservation));
  VX_RETURN_IF_ERROR(tx.PruneOperations());
  return tx.Commit();
}

absl::Status Store::Backup(const std::string& file) { return WriteBackup(database_, file, mutex_); }

absl::Status Store::StageRestore(const std::string& file) {
  return store::StageRestore(file, path_);
}

absl::StatusOr<int64_t> Store::FreeBytes() const {
  struct statvfs fs{};
  if (statvfs(path_.c_str(), &fs) < 0) return ErrnoError(errno, absl::StrCat("statvfs ", path_));
  return static_cast<int64_t>(uint64_t{fs.f_bavail} * fs.f_frsize);
}

// What is missing of the ballast is owed, whoever has the room meanwhile.
absl::Status Store::CheckRoom() {
  std::lock_guard<std::mutex> lock(mutex_);
  VX_ASSIGN_OR_RETURN(int64_t free, FreeBytes());
  if (free < kReserveBytes + ballast_.missing()) return DiskFull();
  ballast_.Fill();
  return absl::OkStatus();
}

// Others may be quicker to take what is given back: then more is.
void Store::KeepRoom() {
  absl::StatusOr<int64_t> free = FreeBytes();
  while (free.ok() && *free < kTransactionBytes && ballast_.Release()) free = FreeBytes();
}

absl::StatusOr<Transaction> Store::Begin(Durability durability) {
  Transaction transaction(*this);
  KeepRoom();
  if (durability != durability_) {
    VX_RETURN_IF_ERROR(database_.Execute(durability == Durability::kPromise
                                             ? "PRAGMA synchronous = FULL"
                                             : "PRAGMA synchronous = NORMAL"));
    durability_ = durability;
  }
  VX_RETURN_IF_ERROR(database_.Execute("BEGIN IMMEDIATE"));
  transaction.open_ = true;
  return transaction;
}

View::View(Store& store) : View(store, store.reader_, store.reader_mutex_) {
  snapshot_ = db().Execute("BEGIN").ok();
}

View::~View() {
  // One that was moved from has no lock.
  if (snapshot_ && lock_.owns_lock()) (void)db().Execute("COMMIT");
}

Transaction::Transaction(Store& store) : View(store, store.database_, store.mutex_) {}

Transaction::Transaction(Transaction&& other) noexcept
    : View(std::move(other)),
      open_(std::exchange(other.open_, false)),
      events_(std::move(other.events_)) {}

Transaction::~Transaction() {
  if (open_) (void)db().Execute("ROLLBACK");
}

absl::Status Transaction::Commit() {
  VX_RETURN_IF_ERROR(db().Execute("COMMIT"));
  open_ = false;
  if (store_->listener_ && !events_.empty()) store_->listener_(events_);
  return absl::OkStatus();
}

absl::StatusOr<std::string> View::GetMeta(const std::string& key) const {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("SELECT value FROM meta WHERE key = ?1"));
  VX_ASSIGN_OR_RETURN(bool row, s.Bind(1, key).Step());
  return row ? s.Bytes(0) : std::string();
}

absl::Status Transaction::SetMeta(const std::string& key, const std::string& value) {
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("INSERT INTO meta VALUES (?1, ?2) "
                                   "ON CONFLICT (key) DO UPDATE SET value = excluded.value"));
  return s.Bind(1, key).Bind(2, value).Run();
}

}  // namespace vx::store
