#include "plugins/shim/log_reader.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/shim/client.h"
#include "plugins/shim/log_format.h"

namespace vx::shim {
namespace {

constexpr size_t kReadSize = 64 * 1024;
constexpr size_t kMaxJoined = 64 * 1024;
bool ParseNumber(absl::string_view text, size_t at, size_t size, int64_t& number) {
  return absl::SimpleAtoi(text.substr(at, size), &number);
}

// By hand: absl::ParseTime takes microseconds, and logs have millions of lines.
bool ParseLogTime(absl::string_view text, absl::Time& time) {
  int64_t year, month, day, hour, minute, second, nanos;
  if (text[10] != 'T' || text[kTimeSize - 1] != 'Z' || !ParseNumber(text, 0, 4, year) ||
      !ParseNumber(text, 5, 2, month) || !ParseNumber(text, 8, 2, day) ||
      !ParseNumber(text, 11, 2, hour) || !ParseNumber(text, 14, 2, minute) ||
      !ParseNumber(text, 17, 2, second) || !ParseNumber(text, 20, 9, nanos)) {
    return false;
  }
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  time = absl::FromCivil(civil, absl::UTCTimeZone()) + absl::Nanoseconds(nanos);
  return true;
}

absl::StatusOr<UniqueFd> OpenInotify() {
  UniqueFd fd(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (fd.valid()) return fd;
  if (errno != EMFILE) return ErrnoError(errno, "inotify_init1");
  return Error(absl::StatusCode::kResourceExhausted, "TOO_MANY_WATCHES",
               "too many logs are being read at once", "raise fs.inotify.max_user_instances");
}

// Of the newest file: that it grows, and that it is that no more.
absl::Status WatchNewest(int inotify, const std::string& path) {
  constexpr uint32_t kEvents = IN_MODIFY | IN_MOVE_SELF | IN_ATTRIB;
  // Between two files for a moment there is none.
  if (inotify_add_watch(inotify, path.c_str(), kEvents) >= 0 || errno == ENOENT) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("watch ", path));
}

}  // namespace

bool ParseLogLine(absl::string_view line, driver::LogEntry& entry) {
  if (line.size() < kContentOffset || line[kTimeSize] != ' ' || line[kTagOffset + 1] != ' ') {
    return false;
  }
  const absl::string_view stream = line.substr(kTimeSize + 1, 6);
  const char tag = line[kTagOffset];
  if ((stream != "stdout" && stream != "stderr") || (tag != 'F' && tag != 'P')) return false;
  if (!ParseLogTime(line, entry.time)) return false;
  entry.stream = stream == "stderr" ? 2 : 1;
  const absl::string_view content = line.substr(kContentOffset);
  entry.data.assign(content.data(), content.size());
  if (tag == 'F') entry.data.push_back('\n');
  return true;
}

absl::StatusOr<std::unique_ptr<FileLogReader>> FileLogReader::Open(
    const std::string& path, const driver::LogPosition& position) {
  VX_ASSIGN_OR_RETURN(UniqueFd inotify, OpenInotify());
  VX_RETURN_IF_ERROR(WatchNewest(inotify.get(), path));
  VX_ASSIGN_OR_RETURN(LogFiles files, LogFiles::Open(path));
  auto reader = std::unique_ptr<FileLogReader>(
      new FileLogReader(path, std::move(files), std::move(inotify), position.since));
  VX_RETURN_IF_ERROR(reader->Seek(position));
  return reader;
}

absl::Status FileLogReader::Seek(const driver::LogPosition& position) {
  if (position.from_end) return files_.SeekEnd();
  return position.tail.has_value() ? files_.SeekTail(*position.tail) : absl::OkStatus();
}

absl::StatusOr<bool> FileLogReader::Next(driver::LogEntry& entry) {
  while (true) {
    absl::string_view line;
    VX_ASSIGN_OR_RETURN(bool there, NextLine(line));
    if (!there) return false;
    // A torn line, as a crash of the host leaves it, is skipped.
    if (!ParseLogLine(line, entry) || entry.time < since_) continue;
    if (!IsFullLine(line)) VX_RETURN_IF_ERROR(JoinParts(entry));
    return true;
  }
}

// A line that reached the shim in pieces is put together again as far as its rest
// is there already.
absl::Status FileLogReader::JoinParts(driver::LogEntry& entry) {
  driver::LogEntry part;
  while (entry.data.size() < kMaxJoined) {
    absl::string_view line;
    VX_ASSIGN_OR_RETURN(bool there, NextLine(line));
    if (!there) return absl::OkStatus();
    if (!ParseLogLine(line, part) || part.stream != entry.stream) {
      offset_ = scanned_ = offset_ - line.size() - 1;
      return absl::OkStatus();
    }
    entry.data += part.data;
    if (IsFullLine(line)) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FileLogReader::NextLine(absl::string_view& line) {
  bool woken = false;
  while (true) {
    const size_t newline = buffer_.find('\n', scanned_);
    if (newline != std::string::npos) {
      line = absl::string_view(buffer_).substr(offset_, newline - offset_);
      offset_ = scanned_ = newline + 1;
      return true;
    }
    scanned_ = buffer_.size();
    VX_ASSIGN_OR_RETURN(bool more, Fill());
    if (more) continue;
    VX_ASSIGN_OR_RETURN(bool next, Advance());
    if (next) continue;
    // What came between the last read and taking the readiness away is read now.
    if (woken) return false;
    TakeWakeUps();
    woken = true;
  }
}

absl::StatusOr<bool> FileLogReader::Fill() {
  buffer_.erase(0, offset_);
  scanned_ -= offset_;
  offset_ = 0;
  const size_t old = buffer_.size();
  buffer_.resize(old + kReadSize);
  const ssize_t n = read(files_.front(), buffer_.data() + old, kReadSize);
  buffer_.resize(old + static_cast<size_t>(std::max<ssize_t>(n, 0)));
  if (n < 0 && errno != EINTR) return ErrnoError(errno, "read a log");
  return n != 0;
}

absl::StatusOr<bool> FileLogReader::Advance() {
  VX_ASSIGN_OR_RETURN(bool next, files_.Advance(path_));
  if (!next) return false;
  VX_RETURN_IF_ERROR(WatchNewest(inotify_.get(), path_));
  // A line that a full disk cut off.
  if (!buffer_.empty()) buffer_.push_back('\n');
  return true;
}

void FileLogReader::TakeWakeUps() {
  char events[4096];
  while (read(inotify_.get(), events, sizeof events) > 0) {
  }
}

absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenLog(const std::string& path,
                                                           const driver::LogPosition& position) {
  VX_ASSIGN_OR_RETURN(std::unique_ptr<driver::LogReader> reader,
                      FileLogReader::Open(path, position));
  return reader;
}

}  // namespace vx::shim
