#include "plugins/shim/log_writer.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "plugins/shim/sys.h"

namespace vx::shim {
namespace {

constexpr int kMaxPieces = 128;

// "00", "000000000": fixed width.
template <size_t N>
void AppendDigits(Text<N>& text, int64_t number, int width) {
  char digits[12];
  for (int i = width; i-- > 0; number /= 10) digits[i] = static_cast<char>('0' + number % 10);
  text.Append(digits, static_cast<size_t>(width));
}

struct Date {
  int64_t year;
  int64_t month;
  int64_t day;
};

// Days since 1970 to a civil date, counting years from March so that the leap
// day is a year's last.
Date ToDate(int64_t days) {
  const int64_t shifted = days + 719468;
  const int64_t era = shifted / 146097;
  const int64_t day_of_era = shifted % 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * month + 2) / 5 + 1;
  const bool next_year = month >= 10;
  return {year_of_era + era * 400 + (next_year ? 1 : 0), next_year ? month - 9 : month + 3, day};
}

using Prefix = Text<64>;

Prefix MakePrefix(int64_t now, int stream, const char* tag) {
  const int64_t seconds = now / 1000000000;
  const Date date = ToDate(seconds / 86400);
  const int64_t of_day = seconds % 86400;
  Prefix text;
  AppendDigits(text, date.year, 4);
  AppendDigits(text.Append("-"), date.month, 2);
  AppendDigits(text.Append("-"), date.day, 2);
  AppendDigits(text.Append("T"), of_day / 3600, 2);
  AppendDigits(text.Append(":"), of_day / 60 % 60, 2);
  AppendDigits(text.Append(":"), of_day % 60, 2);
  AppendDigits(text.Append("."), now % 1000000000, 9);
  text.Append(stream == 2 ? "Z stderr " : "Z stdout ").Append(tag);
  return text;
}

void Skip(iovec*& pieces, int& count, size_t written) {
  while (count > 0 && written >= pieces->iov_len) {
    written -= pieces->iov_len;
    ++pieces;
    --count;
  }
  if (count == 0) return;
  pieces->iov_base = static_cast<char*>(pieces->iov_base) + written;
  pieces->iov_len -= written;
}

iovec Piece(const char* data, size_t size) { return {const_cast<char*>(data), size}; }

}  // namespace

bool LogWriter::Open(const char* path, const LogBounds& bounds) {
  const char* slash = strrchr(path, '/');
  Text<4096> dir;
  dir.Append(path, slash == nullptr ? 0 : static_cast<size_t>(slash - path) + 1);
  bounds_ = bounds;
  name_ = slash == nullptr ? path : slash + 1;
  dir_ = open(dir.size() == 0 ? "." : dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  return dir_ >= 0 && OpenFile();
}

bool LogWriter::OpenFile() {
  fd_ = openat(dir_, name_, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) return false;
  size_ = lseek(fd_, 0, SEEK_END);
  char last = '\n';
  torn_ = size_ > 0 && pread(fd_, &last, 1, size_ - 1) == 1 && last != '\n';
  return true;
}

// Keeps on with the full file where there can't be a new one.
void LogWriter::Rotate() {
  const int full = fd_;
  for (int32_t i = bounds_.files - 1; i >= 1; --i) {
    Text<300> from, to;
    from.Append(name_);
    if (i > 1) from.Append(".").Append(i - 1);
    to.Append(name_).Append(".").Append(i);
    renameat(dir_, from.c_str(), dir_, to.c_str());
  }
  if (bounds_.files <= 1) unlinkat(dir_, name_, 0);
  if (OpenFile()) {
    close(full);
  } else {
    fd_ = full;
  }
}

void LogWriter::WritePieces(iovec* pieces, int count) {
  while (count > 0) {
    const ssize_t n = writev(fd_, pieces, count);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    size_ += n;
    Skip(pieces, count, static_cast<size_t>(n));
    torn_ = count > 0;
  }
  for (int i = 0; i < count; ++i) lost_ += static_cast<int64_t>(pieces[i].iov_len);
}

void LogWriter::WriteLoss() {
  Text<128> line;
  line.Append("vx: about ").Append(lost_).Append(" bytes of output found no room on the disk\n");
  lost_ = 0;
  WriteEntries(2, line.c_str(), line.size());
}

void LogWriter::Write(int stream, const char* data, size_t size) {
  if (torn_ && !WriteAll(fd_, "\n", 1)) {
    lost_ += static_cast<int64_t>(size);
    return;
  }
  torn_ = false;
  if (lost_ > 0) WriteLoss();
  WriteEntries(stream, data, size);
  // At the end of a line, unless none comes.
  const bool at_end = size > 0 && data[size - 1] == '\n';
  if (bounds_.size > 0 && size_ >= bounds_.size * (at_end ? 1 : 2)) Rotate();
}

void LogWriter::WriteEntries(int stream, const char* data, size_t size) {
  const int64_t now = NowNanos();
  const Prefix full = MakePrefix(now, stream, "F ");
  iovec pieces[kMaxPieces];
  int count = 0;
  while (size > 0) {
    if (count + 3 > kMaxPieces) {
      WritePieces(pieces, count);
      count = 0;
    }
    const char* newline = static_cast<const char*>(memchr(data, '\n', size));
    if (newline == nullptr) break;
    const size_t line = static_cast<size_t>(newline - data) + 1;
    pieces[count++] = Piece(full.c_str(), full.size());
    pieces[count++] = Piece(data, line);
    data += line;
    size -= line;
  }
  const Prefix part = MakePrefix(now, stream, "P ");
  if (size > 0) {
    pieces[count++] = Piece(part.c_str(), part.size());
    pieces[count++] = Piece(data, size);
    pieces[count++] = Piece("\n", 1);
  }
  WritePieces(pieces, count);
}

}  // namespace vx::shim
