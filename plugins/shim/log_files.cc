#include "plugins/shim/log_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/shim/log_format.h"

namespace vx::shim {
namespace {

constexpr size_t kReadSize = 64 * 1024;
constexpr int kMostFiles = 1000;
// Where the writer was killed between two renames, one number is missing.
constexpr int kMostMissing = 1;
// Each is a rotation that came in between, or one that its writer is in the middle of and
// has no processor for: then it is given time.
constexpr int kOpenAttempts = 500;
constexpr int kHastyAttempts = 20;
constexpr absl::Duration kPause = absl::Milliseconds(1);

bool IsSameFile(int fd, const std::string& path) {
  struct stat a{}, b{};
  return fstat(fd, &a) == 0 && stat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

bool IsSameFile(int one, int other) {
  struct stat a{}, b{};
  return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

absl::StatusOr<std::deque<UniqueFd>> OpenAll(const std::string& path) {
  std::deque<UniqueFd> files;
  VX_ASSIGN_OR_RETURN(UniqueFd newest, OpenFile(path, O_RDONLY));
  files.push_front(std::move(newest));
  for (int i = 1, missing = 0; i < kMostFiles && missing <= kMostMissing; ++i) {
    auto older = OpenFile(absl::StrCat(path, ".", i), O_RDONLY);
    if (!older.ok() && !absl::IsNotFound(older.status())) return older.status();
    if (!older.ok()) {
      ++missing;
      continue;
    }
    files.push_front(*std::move(older));
  }
  return files;
}

// What a part of a log ends with.
struct Tail {
  int64_t start = 0;
  int64_t lines = 0;
};

// Where the last `count` lines of the file's first `size` bytes begin, and how many
// there are. Parts at the very end count as a line of their own.
absl::StatusOr<Tail> FindTail(int fd, int64_t size, int64_t count) {
  if (count <= 0) return Tail{size, 0};
  std::string chunk;  // the file from `begin` on, as far as it is looked at
  int64_t begin = size;
  int64_t start = size;  // of the earliest line known to be wanted
  int64_t found = 0;
  size_t unseen = 0;  // bytes of `chunk` before the earliest line start seen
  while (true) {
    // Lines within chunk[0, unseen), backwards.
    while (unseen > 0) {
      const size_t newline = unseen < 2 ? std::string::npos : chunk.rfind('\n', unseen - 2);
      if (newline == std::string::npos && begin > 0) break;
      const size_t line_begin = newline == std::string::npos ? 0 : newline + 1;
      const bool last = begin + static_cast<int64_t>(unseen) == size;
      if (last || IsFullLine(absl::string_view(chunk).substr(line_begin, unseen - line_begin))) {
        if (found == count) return Tail{start, found};
        ++found;
      }
      start = begin + static_cast<int64_t>(line_begin);
      unseen = line_begin;
    }
    if (begin == 0) return Tail{0, found};
    const int64_t step = std::min<int64_t>(begin, kReadSize);
    std::string piece(static_cast<size_t>(step), 0);
    if (pread(fd, piece.data(), piece.size(), begin - step) != step) {
      return ErrnoError(errno, "read a log");
    }
    chunk = piece + chunk.substr(0, unseen);
    begin -= step;
    unseen = chunk.size();
  }
}

absl::StatusOr<int64_t> SeekTo(int fd, int64_t offset, int whence) {
  const int64_t at = lseek(fd, offset, whence);
  if (at < 0) return ErrnoError(errno, "seek in a log");
  return at;
}

}  // namespace

absl::StatusOr<LogFiles> LogFiles::Open(const std::string& path) {
  for (int attempt = 0;; ++attempt) {
    auto files = OpenAll(path);
    const bool whole = files.ok() && IsSameFile(files->back().get(), path);
    const bool between = absl::IsNotFound(files.status()) && PathExists(absl::StrCat(path, ".1"));
    if (whole || attempt == kOpenAttempts || !(files.ok() || between)) {
      if (!files.ok()) return files.status();
      return LogFiles(*std::move(files));
    }
    if (attempt >= kHastyAttempts) absl::SleepFor(kPause);
  }
}

absl::StatusOr<bool> LogFiles::Advance(const std::string& path) {
  if (files_.size() > 1) {
    files_.pop_front();
    return true;
  }
  if (IsSameFile(front(), path)) return false;
  auto all = LogFiles::Open(path);
  // The next one is not there yet, or the log is gone.
  if (absl::IsNotFound(all.status())) return false;
  VX_RETURN_IF_ERROR(all.status());
  std::deque<UniqueFd>& found = all->files_;
  auto own = std::find_if(found.begin(), found.end(),
                          [this](const UniqueFd& f) { return IsSameFile(f.get(), front()); });
  if (own != found.end()) found.erase(found.begin(), own + 1);
  if (found.empty()) return false;
  // What was written before it became another's place: read once more before that.
  VX_ASSIGN_OR_RETURN(int64_t at, SeekTo(front(), 0, SEEK_CUR));
  struct stat st{};
  const bool more = fstat(front(), &st) == 0 && st.st_size > at;
  for (UniqueFd& file : found) files_.push_back(std::move(file));
  if (!more) files_.pop_front();
  return true;
}

absl::Status LogFiles::SeekTail(int64_t count) {
  size_t index = files_.size();
  for (int64_t left = count; index > 0;) {
    const int fd = files_[--index].get();
    VX_ASSIGN_OR_RETURN(int64_t size, SeekTo(fd, 0, SEEK_END));
    VX_ASSIGN_OR_RETURN(Tail tail, FindTail(fd, size, left));
    VX_RETURN_IF_ERROR(SeekTo(fd, tail.start, SEEK_SET).status());
    left -= tail.lines;
    if (left <= 0) break;
  }
  files_.erase(files_.begin(), files_.begin() + static_cast<std::ptrdiff_t>(index));
  return absl::OkStatus();
}

absl::Status LogFiles::SeekEnd() {
  files_.erase(files_.begin(), files_.end() - 1);
  return SeekTo(front(), 0, SEEK_END).status();
}

}  // namespace vx::shim
