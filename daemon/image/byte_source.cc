#include "daemon/image/byte_source.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::image {
namespace {

constexpr size_t kPiece = 256 << 10;
constexpr int64_t kBlock = 512;

}  // namespace

FileSource::FileSource(UniqueFd fd, std::string path)
    : fd_(std::move(fd)), path_(std::move(path)), buffer_(kPiece) {}

absl::StatusOr<FileSource> FileSource::Open(const std::string& path) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  return FileSource(std::move(fd), path);
}

absl::StatusOr<absl::string_view> FileSource::Next() {
  ssize_t n;
  do {
    n = read(fd_.get(), buffer_.data(), buffer_.size());
  } while (n < 0 && errno == EINTR);
  if (n < 0) return ErrnoError(errno, absl::StrCat("read ", path_));
  return absl::string_view(buffer_.data(), n);
}

absl::Status Budget::Spend(int64_t bytes) {
  int64_t left = left_.load();
  while (bytes >= 0 && bytes <= left) {
    if (left_.compare_exchange_weak(left, left - bytes)) return absl::OkStatus();
  }
  return Error(absl::StatusCode::kResourceExhausted, "IMAGE_TOO_LARGE",
               absl::StrCat("the image is larger than ", key_, " (", total_, " bytes)"),
               absl::StrCat("raise ", key_, " in vxd.toml if you trust the image"));
}

absl::StatusOr<absl::string_view> BlockSource::Next() {
  static constexpr char kZeros[kBlock] = {};
  VX_ASSIGN_OR_RETURN(absl::string_view piece, source_->Next());
  if (piece.empty()) piece = absl::string_view(kZeros, (kBlock - bytes_ % kBlock) % kBlock);
  bytes_ += piece.size();
  return piece;
}

absl::StatusOr<absl::string_view> MeteredSource::Next() {
  if (cancellation_ != nullptr) VX_RETURN_IF_ERROR(cancellation_->Check());
  VX_ASSIGN_OR_RETURN(absl::string_view piece, source_->Next());
  if (budget_ != nullptr) VX_RETURN_IF_ERROR(budget_->Spend(piece.size()));
  hash_.Update(piece);
  bytes_ += piece.size();
  return piece;
}

absl::StatusOr<std::string> MeteredSource::Finish() {
  while (true) {
    VX_ASSIGN_OR_RETURN(absl::string_view piece, Next());
    if (piece.empty()) return hash_.Finish();
  }
}

}  // namespace vx::image
