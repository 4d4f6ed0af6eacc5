// Tar archives, by libarchive: reading (plain, gzip, zstd) and writing.
//
// What libarchive finds wrong is INVALID_ARGUMENT (BAD_ARCHIVE). Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/image/byte_source.h"

struct archive;
struct archive_entry;

namespace vx::image {

// INVALID_ARGUMENT (BAD_ARCHIVE).
absl::Status BadArchive(absl::string_view message, absl::string_view hint = "");

struct FreeArchiveReader {
  void operator()(archive* a) const;
};

// libarchive's way to pull from a ByteSource, keeping the error that it met.
struct ArchiveInput {
  ByteSource* source;
  absl::Status error;
};

// What a gzip or zstd stream unpacks to; any other stream passes as it is.
class DecompressedSource : public ByteSource {
 public:
  // `source` is borrowed.
  explicit DecompressedSource(ByteSource* source);
  DecompressedSource(const DecompressedSource&) = delete;
  absl::StatusOr<absl::string_view> Next() override;

 private:
  absl::StatusOr<bool> OpenStream();

  ArchiveInput input_;
  std::unique_ptr<archive, FreeArchiveReader> archive_;
  bool open_ = false;
};

// Walks the entries of a plain tar (ustar, pax, GNU).
class TarReader {
 public:
  // A piece of a file: its bytes, and where they belong (sparse files have holes).
  struct Piece {
    int64_t offset = 0;
    absl::string_view data;  // empty: the end
  };

  // `source` is borrowed.
  explicit TarReader(ByteSource* source);
  TarReader(const TarReader&) = delete;

  // The next entry's header, valid until the next call; null at the end.
  absl::StatusOr<archive_entry*> Next();
  // The current entry's content, valid until the next call.
  absl::StatusOr<Piece> Read();

 private:
  absl::Status Failure() const;

  ArchiveInput input_;
  std::unique_ptr<archive, FreeArchiveReader> archive_;
  bool open_ = false;
};

// Writes a tar whose bytes depend on nothing but what is added: owner root, one
// time for all, no compression.
class TarWriter {
 public:
  using Sink = std::function<absl::Status(absl::string_view)>;

  // The sink is given at most 256 KiB at once; its first error ends the writing
  // and is what every later call returns. `mtime` is in seconds since 1970.
  TarWriter(Sink sink, int64_t mtime);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;

  absl::Status AddDir(const std::string& name, int mode);
  absl::Status AddFile(const std::string& name, int mode, absl::string_view content);
  absl::Status AddFileFrom(const std::string& name, int mode, const std::string& path);
  absl::Status AddSymlink(const std::string& name, const std::string& target);
  // Writes the end; nothing may be added after it.
  absl::Status Finish();

  // For libarchive only.
  int64_t Emit(absl::string_view data);

 private:
  absl::Status AddHeader(const std::string& name, int type, int mode, int64_t size,
                         const std::string& target);
  absl::Status AddContent(absl::string_view content);
  absl::Status Check(bool ok);

  Sink sink_;
  int64_t mtime_;
  archive* archive_;
  absl::Status error_;
};

}  // namespace vx::image
