#include "daemon/store/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::store {
namespace {

constexpr int kPagesAtOnce = 256;

absl::Status Damaged(absl::string_view what) {
  return Error(absl::StatusCode::kDataLoss, "DATABASE_CORRUPT",
               absl::StrCat("the inventory is damaged: ", what));
}

// Not every write that finds no room is told as SQLITE_FULL.
bool NoRoom(sqlite3* db, int code) {
  if (code == SQLITE_FULL) return true;
  const int error = code == SQLITE_IOERR && db != nullptr ? sqlite3_system_errno(db) : 0;
  return error == ENOSPC || error == EDQUOT;
}

absl::Status SqliteError(sqlite3* db, int code) {
  const char* message = db == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(db);
  if (NoRoom(db, code & 0xff)) return DiskFull();
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Damaged(message);
    case SQLITE_CONSTRAINT:
      return absl::AlreadyExistsError(message);
    default:
      return Error(absl::StatusCode::kInternal, "DATABASE_ERROR",
                   absl::StrCat("database: ", message));
  }
}

}  // namespace

absl::Status DiskFull() {
  return Error(absl::StatusCode::kResourceExhausted, "DISK_FULL",
               "the disk that holds the inventory is full, so nothing new is begun; what runs "
               "goes on",
               "make room on the disk of the state directory, and repeat the command; stop and rm "
               "still work");
}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), stmt_(std::exchange(other.stmt_, nullptr)) {}

Statement::~Statement() {
  if (stmt_ == nullptr) return;
  sqlite3_reset(stmt_);
  sqlite3_clear_bindings(stmt_);
}

Statement& Statement::Bind(int parameter, int64_t value) {
  sqlite3_bind_int64(stmt_, parameter, value);
  return *this;
}

Statement& Statement::Bind(int parameter, absl::string_view text) {
  sqlite3_bind_text64(stmt_, parameter, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::BindBlob(int parameter, absl::string_view bytes) {
  sqlite3_bind_blob64(stmt_, parameter, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(stmt_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return SqliteError(db_, code);
}

absl::Status Statement::Run() { return Step().status(); }

int64_t Statement::Int(int column) const { return sqlite3_column_int64(stmt_, column); }

std::string Statement::Bytes(int column) const {
  const void* data = sqlite3_column_blob(stmt_, column);
  const int size = sqlite3_column_bytes(stmt_, column);
  return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
}

absl::StatusOr<Database> Database::Open(const std::string& path) {
  return OpenWith(path, SQLITE_OPEN_CREATE);
}

absl::StatusOr<Database> Database::OpenExisting(const std::string& path) {
  return OpenWith(path, 0);
}

absl::StatusOr<Database> Database::OpenWith(const std::string& path, int more_flags) {
  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | more_flags;
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  Database database(handle);
  if (code != SQLITE_OK) return Annotate(SqliteError(handle, code), path);
  // The folder may let others pass. SQLite gives new files beside it the same mode.
  for (const char* file : {"", "-wal", "-shm"}) chmod((path + file).c_str(), 0600);
  sqlite3_busy_timeout(handle, 5000);
  return database;
}

Database::Database(Database&& other) noexcept
    : db_(std::exchange(other.db_, nullptr)), statements_(std::move(other.statements_)) {
  other.statements_.clear();
}

Database::~Database() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(db_);
}

absl::StatusOr<Statement> Database::Prepare(absl::string_view sql) {
  auto [it, missing] = statements_.try_emplace(std::string(sql), nullptr);
  if (missing) {
    const int code = sqlite3_prepare_v3(db_, it->first.c_str(), -1, SQLITE_PREPARE_PERSISTENT,
                                        &it->second, nullptr);
    if (code != SQLITE_OK) {
      statements_.erase(it);
      return SqliteError(db_, code);
    }
  }
  return Statement(db_, it->second);
}

absl::Status Database::Execute(const std::string& sql) {
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : SqliteError(db_, code);
}

int64_t Database::LastInsertRowid() const { return sqlite3_last_insert_rowid(db_); }

void Database::CheckpointOnClose(bool wanted) {
  sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, wanted ? 0 : 1, nullptr);
}

absl::Status Database::CheckIntegrity() {
  VX_ASSIGN_OR_RETURN(Statement check, Prepare("PRAGMA integrity_check(1)"));
  VX_ASSIGN_OR_RETURN(bool row, check.Step());
  const std::string finding = row ? check.Bytes(0) : "it can't be read";
  return finding == "ok" ? absl::OkStatus() : Damaged(finding);
}

Copier::Copier(Database& from, Database& to)
    : to_(to.db_), backup_(sqlite3_backup_init(to.db_, "main", from.db_, "main")) {}

Copier::~Copier() { sqlite3_backup_finish(backup_); }

absl::StatusOr<bool> Copier::Step() {
  if (backup_ == nullptr) return SqliteError(to_, sqlite3_errcode(to_));
  const int code = sqlite3_backup_step(backup_, kPagesAtOnce);
  if (code == SQLITE_DONE) return true;
  if (code == SQLITE_OK) return false;
  return SqliteError(to_, code);
}

}  // namespace vx::store
