// SQLite with RAII and absl::Status; nothing of the project.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_backup;

namespace vx::store {

// RESOURCE_EXHAUSTED (DISK_FULL).
absl::Status DiskFull();

// A prepared statement, borrowed from its Database's cache and given back (reset)
// at the end of its life. Parameters count from 1, columns from 0.
class Statement {
 public:
  Statement(sqlite3* db, sqlite3_stmt* stmt) : db_(db), stmt_(stmt) {}
  Statement(Statement&& other) noexcept;
  ~Statement();

  Statement& Bind(int parameter, int64_t value);
  // Copies the bytes.
  Statement& Bind(int parameter, absl::string_view text);
  Statement& BindBlob(int parameter, absl::string_view bytes);

  // True: a row is there. False: the statement is done.
  absl::StatusOr<bool> Step();
  // Step of a statement that returns no rows.
  absl::Status Run();

  int64_t Int(int column) const;
  // Text or blob.
  std::string Bytes(int column) const;

 private:
  sqlite3* db_;
  sqlite3_stmt* stmt_;
};

// One connection. Not thread-safe: its owner locks.
class Database {
 public:
  // Opens the file, or makes it; its owner alone may read it.
  static absl::StatusOr<Database> Open(const std::string& path);
  // Opens a file that is there.
  static absl::StatusOr<Database> OpenExisting(const std::string& path);
  Database(Database&& other) noexcept;
  ~Database();

  // One statement at a time of the same text.
  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  // Any number of statements without parameters.
  absl::Status Execute(const std::string& sql);
  int64_t LastInsertRowid() const;
  // Whether the journal is taken into the file when this closes it, which is so at
  // first: without it nothing that only reads changes the file.
  void CheckpointOnClose(bool wanted);
  // Reads all of it. DATA_LOSS (DATABASE_CORRUPT) with the first thing that is wrong.
  absl::Status CheckIntegrity();

 private:
  friend class Copier;
  explicit Database(sqlite3* db) : db_(db) {}
  static absl::StatusOr<Database> OpenWith(const std::string& path, int more_flags);

  sqlite3* db_;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

// Copies a database into another, a few pages at a time, by SQLite's online backup:
// the source may be written to in between, through the same connection. Both outlive
// it.
class Copier {
 public:
  Copier(Database& from, Database& to);
  Copier(const Copier&) = delete;
  Copier& operator=(const Copier&) = delete;
  ~Copier();

  // True when all is copied.
  absl::StatusOr<bool> Step();

 private:
  sqlite3* to_;
  sqlite3_backup* backup_;
};

}  // namespace vx::store
