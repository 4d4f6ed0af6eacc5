#include "daemon/store/backup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/migrations.h"

namespace vx::store {
namespace {

// Above what an inventory that can't be read may have given out.
constexpr int64_t kRevisionsOfUnreadable = 1'000'000;
constexpr char kUnfinished[] = ".tmp-copy";

std::string BackupDir(const std::string& path) { return ParentOf(path) + "/backups"; }
std::string StagedPath(const std::string& path) { return path + ".restored"; }

std::string TimeStamp(absl::Time time) {
  return absl::FormatTime("%Y%m%dT%H%M%E3SZ", time, absl::UTCTimeZone());
}

absl::Status SyncFile(const std::string& path) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  return fsync(fd.get()) == 0 ? absl::OkStatus() : ErrnoError(errno, "fsync " + path);
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("rename ", from, " to ", to));
}

absl::StatusOr<int64_t> ReadNumber(Database& database, const std::string& sql) {
  VX_ASSIGN_OR_RETURN(Statement statement, database.Prepare(sql));
  VX_ASSIGN_OR_RETURN(bool row, statement.Step());
  return row ? statement.Int(0) : 0;
}

absl::StatusOr<int64_t> LastRevision(Database& database) {
  return ReadNumber(database, "SELECT seq FROM sqlite_sequence WHERE name = 'events'");
}

absl::StatusOr<BackupFacts> ReadFacts(Database& database) {
  VX_RETURN_IF_ERROR(database.CheckIntegrity());
  BackupFacts facts;
  VX_ASSIGN_OR_RETURN(facts.schema, ReadNumber(database, "PRAGMA user_version"));
  if (facts.schema == 0) return absl::NotFoundError("it is an empty database");
  VX_ASSIGN_OR_RETURN(Statement meta,
                      database.Prepare("SELECT value FROM meta WHERE key = 'instance'"));
  VX_ASSIGN_OR_RETURN(bool row, meta.Step());
  if (row) facts.instance_id = meta.Bytes(0);
  VX_ASSIGN_OR_RETURN(Statement workloads, database.Prepare("SELECT uid FROM workloads"));
  while (true) {
    VX_ASSIGN_OR_RETURN(bool more, workloads.Step());
    if (!more) return facts;
    facts.uids.insert(workloads.Bytes(0));
  }
}

absl::Status CopyAll(Database& from, const std::string& file, std::mutex& mutex) {
  VX_ASSIGN_OR_RETURN(Database to, Database::Open(file));
  std::unique_lock<std::mutex> lock(mutex);
  Copier copier(from, to);
  while (true) {
    VX_ASSIGN_OR_RETURN(bool done, copier.Step());
    if (done) return absl::OkStatus();
    lock.unlock();
    lock.lock();
  }
}

absl::Status LeaveWal(const std::string& file) {
  VX_ASSIGN_OR_RETURN(Database database, Database::OpenExisting(file));
  return database.Execute("PRAGMA journal_mode = DELETE");
}

// When the copy was staged: what it replaces is kept under that name, also by who goes
// on where another was cut off.
absl::Status NoteStaged(const std::string& file) {
  VX_ASSIGN_OR_RETURN(Database database, Database::OpenExisting(file));
  VX_ASSIGN_OR_RETURN(Statement note,
                      database.Prepare("INSERT OR REPLACE INTO meta VALUES ('staged', ?1)"));
  return note.Bind(1, TimeStamp(absl::Now())).Run();
}

// Of who was killed.
void RemoveUnfinished(const std::string& dir) {
  auto names = ListDir(dir);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    if (absl::StrContains(name, kUnfinished)) unlink(absl::StrCat(dir, "/", name).c_str());
  }
}

void Prune(const std::string& dir, const std::string& kind) {
  auto names = ListDir(dir);
  if (!names.ok()) return;
  std::vector<std::string> own;
  for (const std::string& name : *names) {
    if (absl::StartsWith(name, kind + "-") && absl::EndsWith(name, ".db")) own.push_back(name);
  }
  // Sorted by name, and so by time.
  for (size_t i = 0; i + kBackupsKept < own.size(); ++i) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      unlink(absl::StrCat(dir, "/", own[i], suffix).c_str());
    }
  }
}

// Returns when the copy was staged.
absl::StatusOr<std::string> GoOnFrom(const std::string& staged, const std::string& path) {
  VX_ASSIGN_OR_RETURN(Database database, Database::OpenExisting(staged));
  VX_ASSIGN_OR_RETURN(int64_t last, LastRevision(database));
  auto old = Database::OpenExisting(path);
  auto given_out = old.ok() ? LastRevision(*old) : absl::StatusOr<int64_t>(old.status());
  last = given_out.ok() ? std::max(last, *given_out) : last + kRevisionsOfUnreadable;
  VX_RETURN_IF_ERROR(database.Execute(absl::StrCat(
      "BEGIN IMMEDIATE; DELETE FROM events; DELETE FROM sqlite_sequence WHERE name = 'events';",
      "INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ", last + 1, "); COMMIT")));
  VX_ASSIGN_OR_RETURN(Statement note,
                      database.Prepare("SELECT value FROM meta WHERE key = 'staged'"));
  VX_ASSIGN_OR_RETURN(bool noted, note.Step());
  return noted ? note.Bytes(0) : "unknown";
}

}  // namespace

absl::StatusOr<BackupFacts> ReadBackup(const std::string& file) {
  VX_ASSIGN_OR_RETURN(UniqueFd readable, OpenFile(file, O_RDONLY));
  auto read = [&]() -> absl::StatusOr<BackupFacts> {
    VX_ASSIGN_OR_RETURN(Database database, Database::OpenExisting(file));
    return ReadFacts(database);
  };
  absl::StatusOr<BackupFacts> facts = read();
  if (!facts.ok()) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_BACKUP",
                 absl::StrCat("this is no backup of an inventory that can be read: ",
                              std::string(facts.status().message())),
                 "give a file that vxctl system backup wrote");
  }
  VX_RETURN_IF_ERROR(CheckSchema(facts->schema, file));
  return facts;
}

absl::Status WriteBackup(Database& from, const std::string& file) {
  std::mutex mutex;
  return WriteBackup(from, file, mutex);
}

absl::Status WriteBackup(Database& from, const std::string& file, std::mutex& mutex) {
  const std::string temporary = file + kUnfinished;
  auto write = [&]() -> absl::Status {
    VX_ASSIGN_OR_RETURN(UniqueFd made, OpenFile(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600));
    VX_RETURN_IF_ERROR(CopyAll(from, temporary, mutex));
    VX_RETURN_IF_ERROR(LeaveWal(temporary));
    VX_RETURN_IF_ERROR(SyncFile(temporary));
    VX_RETURN_IF_ERROR(Rename(temporary, file));
    return SyncDir(ParentOf(file));
  };
  absl::Status written = write();
  if (!written.ok()) unlink(temporary.c_str());
  return written;
}

absl::Status KeepBackup(Database& from, const std::string& path, const std::string& kind) {
  const std::string dir = BackupDir(path);
  VX_RETURN_IF_ERROR(MakeDirs(dir, 0700));
  VX_RETURN_IF_ERROR(
      WriteBackup(from, absl::StrCat(dir, "/", kind, "-", TimeStamp(absl::Now()), ".db")));
  Prune(dir, kind);
  return absl::OkStatus();
}

absl::Status StageRestore(const std::string& file, const std::string& path) {
  VX_ASSIGN_OR_RETURN(Database from, Database::OpenExisting(file));
  const std::string ready = StagedPath(path) + kUnfinished;
  VX_RETURN_IF_ERROR(WriteBackup(from, ready));
  VX_RETURN_IF_ERROR(NoteStaged(ready));
  VX_RETURN_IF_ERROR(Rename(ready, StagedPath(path)));
  return SyncDir(ParentOf(path));
}

absl::Status TakeStaged(const std::string& path) {
  const std::string staged = StagedPath(path);
  RemoveUnfinished(ParentOf(path));
  RemoveUnfinished(BackupDir(path));
  if (!PathExists(staged)) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(std::string time, GoOnFrom(staged, path));
  const std::string dir = BackupDir(path);
  VX_RETURN_IF_ERROR(MakeDirs(dir, 0700));
  const std::string kept = absl::StrCat(dir, "/replaced-", time, ".db");
  // The journal first: without it, the old inventory would be one of an earlier time.
  for (const char* suffix : {"-wal", "-shm", ""}) {
    VX_RETURN_IF_ERROR(Rename(path + suffix, kept + suffix));
  }
  VX_RETURN_IF_ERROR(SyncDir(dir));
  VX_RETURN_IF_ERROR(Rename(staged, path));
  VX_RETURN_IF_ERROR(SyncDir(ParentOf(path)));
  Prune(dir, "replaced");
  return absl::OkStatus();
}

std::string NewestBackup(const std::string& path) {
  const std::string dir = BackupDir(path);
  auto names = ListDir(dir);
  std::string newest;
  absl::Time time = absl::InfinitePast();
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    struct stat st{};
    const std::string file = absl::StrCat(dir, "/", name);
    if (!absl::EndsWith(name, ".db") || stat(file.c_str(), &st) < 0) continue;
    if (absl::TimeFromTimespec(st.st_mtim) > time) {
      time = absl::TimeFromTimespec(st.st_mtim);
      newest = file;
    }
  }
  return newest;
}

}  // namespace vx::store
