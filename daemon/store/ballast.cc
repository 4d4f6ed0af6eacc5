#include "daemon/store/ballast.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::store {

absl::StatusOr<Ballast> Ballast::Open(const std::string& path) {
  VX_ASSIGN_OR_RETURN(UniqueFd file, OpenFile(path, O_RDWR | O_CREAT, 0600));
  struct stat st{};
  if (fstat(file.get(), &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", path));
  Ballast ballast(std::move(file));
  // A file that was copied may have its size and none of its blocks.
  const bool sparse = int64_t{st.st_blocks} * 512 < st.st_size;
  if (sparse && ftruncate(ballast.file_.get(), 0) < 0) return ErrnoError(errno, "empty " + path);
  ballast.bytes_ = sparse ? 0 : std::min<int64_t>(st.st_size, kBallastBytes);
  return ballast;
}

// In pieces, so that some is better than none. Where a filesystem can't set blocks aside,
// there is no ballast.
void Ballast::Fill() {
  while (!full()) {
    if (fallocate(file_.get(), 0, bytes_, kBallastPiece) < 0) return;
    bytes_ += kBallastPiece;
  }
}

bool Ballast::Release() {
  if (bytes_ <= 0) return false;
  bytes_ = std::max<int64_t>(bytes_ - kBallastPiece, 0);
  return ftruncate(file_.get(), bytes_) == 0;
}

}  // namespace vx::store
