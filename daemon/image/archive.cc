#include "daemon/image/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::image {
namespace {

constexpr size_t kMaxPiece = 256 << 10;

// libarchive converts names between the tar's UTF-8 and the locale's; in the C
// locale it would mangle all that is not ASCII.
class Utf8Locale {
 public:
  Utf8Locale() : previous_(uselocale(Shared())) {}
  ~Utf8Locale() { uselocale(previous_); }
  Utf8Locale(const Utf8Locale&) = delete;

 private:
  static locale_t Shared() {
    static const locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
    return locale;
  }
  locale_t previous_;
};

la_ssize_t Pull(archive* a, void* data, const void** buffer) {
  auto* input = static_cast<ArchiveInput*>(data);
  absl::StatusOr<absl::string_view> piece = input->source->Next();
  if (!piece.ok()) {
    input->error = piece.status();
    archive_set_error(a, EIO, "the stream failed");
    return -1;
  }
  *buffer = piece->data();
  return piece->size();
}

la_ssize_t Push(archive* a, void* data, const void* buffer, size_t size) {
  return static_cast<TarWriter*>(data)->Emit({static_cast<const char*>(buffer), size});
}

absl::Status ReadFailure(const ArchiveInput& input, archive* a) {
  if (!input.error.ok()) return input.error;
  const char* text = archive_error_string(a);
  return BadArchive(absl::StrCat("the archive can't be read: ", text ? text : "unknown reason"));
}

}  // namespace

absl::Status BadArchive(absl::string_view message, absl::string_view hint) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_ARCHIVE", message, hint);
}

void FreeArchiveReader::operator()(archive* a) const { archive_read_free(a); }

DecompressedSource::DecompressedSource(ByteSource* source)
    : input_{source, {}}, archive_(archive_read_new()) {
  archive_read_support_filter_gzip(archive_.get());
  archive_read_support_filter_zstd(archive_.get());
  archive_read_support_format_raw(archive_.get());
  archive_read_support_format_empty(archive_.get());
}

// False when the stream is empty.
absl::StatusOr<bool> DecompressedSource::OpenStream() {
  open_ = true;
  if (archive_read_open(archive_.get(), &input_, nullptr, Pull, nullptr) != ARCHIVE_OK) {
    return ReadFailure(input_, archive_.get());
  }
  archive_entry* entry;
  int result = archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) return false;
  if (result < ARCHIVE_WARN) return ReadFailure(input_, archive_.get());
  return true;
}

absl::StatusOr<absl::string_view> DecompressedSource::Next() {
  if (!open_) {
    VX_ASSIGN_OR_RETURN(bool any, OpenStream());
    if (!any) return absl::string_view();
  }
  const void* data = nullptr;
  size_t size = 0;
  int64_t offset;
  int result = archive_read_data_block(archive_.get(), &data, &size, &offset);
  if (result == ARCHIVE_EOF) return absl::string_view();
  if (result < ARCHIVE_WARN) return ReadFailure(input_, archive_.get());
  return absl::string_view(static_cast<const char*>(data), size);
}

TarReader::TarReader(ByteSource* source) : input_{source, {}}, archive_(archive_read_new()) {
  archive_read_support_format_tar(archive_.get());
  archive_read_support_format_empty(archive_.get());
}

absl::Status TarReader::Failure() const { return ReadFailure(input_, archive_.get()); }

absl::StatusOr<archive_entry*> TarReader::Next() {
  Utf8Locale locale;
  if (!open_) {
    open_ = true;
    if (archive_read_open(archive_.get(), &input_, nullptr, Pull, nullptr) != ARCHIVE_OK) {
      return Failure();
    }
  }
  archive_entry* entry = nullptr;
  int result = archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) return nullptr;
  if (result < ARCHIVE_WARN) return Failure();
  return entry;
}

absl::StatusOr<TarReader::Piece> TarReader::Read() {
  Piece piece;
  while (true) {
    const void* data = nullptr;
    size_t size = 0;
    int result = archive_read_data_block(archive_.get(), &data, &size, &piece.offset);
    if (result == ARCHIVE_EOF) return piece;
    if (result < ARCHIVE_WARN) return Failure();
    piece.data = absl::string_view(static_cast<const char*>(data), size);
    if (!piece.data.empty()) return piece;
  }
}

TarWriter::TarWriter(Sink sink, int64_t mtime)
    : sink_(std::move(sink)), mtime_(mtime), archive_(archive_write_new()) {
  archive_write_set_format_pax_restricted(archive_);
  archive_write_add_filter_none(archive_);
  archive_write_set_bytes_per_block(archive_, 64 << 10);
  archive_write_set_bytes_in_last_block(archive_, 1);
  if (archive_write_open(archive_, this, nullptr, Push, nullptr) != ARCHIVE_OK) {
    error_ = absl::InternalError("the archive writer can't be opened");
  }
}

TarWriter::~TarWriter() {
  // What was not finished must not be ended by libarchive on the way out.
  if (error_.ok()) error_ = absl::CancelledError("the archive was given up");
  archive_write_free(archive_);
}

int64_t TarWriter::Emit(absl::string_view data) {
  for (absl::string_view rest = data; !rest.empty() && error_.ok();) {
    error_ = sink_(rest.substr(0, kMaxPiece));
    rest.remove_prefix(std::min(rest.size(), kMaxPiece));
  }
  return error_.ok() ? static_cast<int64_t>(data.size()) : -1;
}

absl::Status TarWriter::Check(bool ok) {
  if (!ok && error_.ok()) {
    const char* text = archive_error_string(archive_);
    error_ = absl::InternalError(absl::StrCat("write the archive: ", text ? text : "failed"));
  }
  return error_;
}

absl::Status TarWriter::AddHeader(const std::string& name, int type, int mode, int64_t size,
                                  const std::string& target) {
  VX_RETURN_IF_ERROR(error_);
  Utf8Locale locale;
  std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(),
                                                                 archive_entry_free);
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), type);
  archive_entry_set_perm(entry.get(), mode);
  archive_entry_set_size(entry.get(), size);
  archive_entry_set_mtime(entry.get(), mtime_, 0);
  if (!target.empty()) archive_entry_set_symlink(entry.get(), target.c_str());
  return Check(archive_write_header(archive_, entry.get()) == ARCHIVE_OK);
}

absl::Status TarWriter::AddContent(absl::string_view content) {
  la_ssize_t size = content.size();
  return Check(archive_write_data(archive_, content.data(), content.size()) == size);
}

absl::Status TarWriter::AddDir(const std::string& name, int mode) {
  return AddHeader(name, AE_IFDIR, mode, 0, "");
}

absl::Status TarWriter::AddFile(const std::string& name, int mode, absl::string_view content) {
  VX_RETURN_IF_ERROR(AddHeader(name, AE_IFREG, mode, content.size(), ""));
  return AddContent(content);
}

absl::Status TarWriter::AddFileFrom(const std::string& name, int mode, const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", path));
  VX_ASSIGN_OR_RETURN(FileSource file, FileSource::Open(path));
  VX_RETURN_IF_ERROR(AddHeader(name, AE_IFREG, mode, st.st_size, ""));
  while (true) {
    VX_ASSIGN_OR_RETURN(absl::string_view piece, file.Next());
    if (piece.empty()) return absl::OkStatus();
    VX_RETURN_IF_ERROR(AddContent(piece));
  }
}

absl::Status TarWriter::AddSymlink(const std::string& name, const std::string& target) {
  return AddHeader(name, AE_IFLNK, 0777, 0, target);
}

absl::Status TarWriter::Finish() {
  VX_RETURN_IF_ERROR(error_);
  return Check(archive_write_close(archive_) == ARCHIVE_OK);
}

}  // namespace vx::image
