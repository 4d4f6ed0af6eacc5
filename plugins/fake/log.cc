#include "plugins/fake/log.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/base/file.h"

namespace vx::fake {
namespace {

constexpr char kPartMark[] = "\\";

std::string ToLine(const driver::LogEntry& entry) {
  absl::string_view data = entry.data;
  const bool whole = absl::ConsumeSuffix(&data, "\n");
  return absl::StrCat(absl::ToUnixNanos(entry.time), " ", entry.stream, " ", data,
                      whole ? "" : kPartMark, "\n");
}

driver::LogEntry FromLine(absl::string_view line) {
  std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(' ', 2));
  driver::LogEntry entry;
  int64_t nanos = 0;
  if (fields.size() == 3 && absl::SimpleAtoi(fields[0], &nanos)) {
    entry.time = absl::FromUnixNanos(nanos);
    entry.stream = fields[1] == "2" ? 2 : 1;
    const bool part = absl::ConsumeSuffix(&fields[2], kPartMark);
    entry.data = absl::StrCat(fields[2], part ? "" : "\n");
  }
  return entry;
}

}  // namespace

class Reader : public driver::LogReader {
 public:
  Reader(std::shared_ptr<Log> log, UniqueFd wake, size_t next, absl::Time since)
      : log_(std::move(log)), wake_(std::move(wake)), next_(next), since_(since) {}

  ~Reader() override {
    absl::MutexLock lock(&log_->mutex_);
    log_->wake_fds_.erase(wake_.get());
  }

  absl::StatusOr<bool> Next(driver::LogEntry& entry) override {
    absl::MutexLock lock(&log_->mutex_);
    while (next_ < log_->entries_.size() && log_->entries_[next_].time < since_) ++next_;
    if (next_ < log_->entries_.size()) {
      entry = log_->entries_[next_++];
      return true;
    }
    eventfd_t ignored;
    eventfd_read(wake_.get(), &ignored);
    return false;
  }

  int wake_fd() const override { return wake_.get(); }

 private:
  std::shared_ptr<Log> log_;
  UniqueFd wake_;
  size_t next_;
  absl::Time since_;
};

Log::Log(std::string path) : path_(std::move(path)) { Load(); }

void Log::Load() {
  absl::MutexLock lock(&mutex_);
  const std::string text = ReadFile(path_).value_or("");
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    entries_.push_back(FromLine(line));
  }
}

void Log::Append(driver::LogEntry entry) {
  absl::MutexLock lock(&mutex_);
  if (!entries_.empty() && entry.time <= entries_.back().time) return;
  auto fd = OpenFile(path_, O_WRONLY | O_CREAT | O_APPEND, 0600);
  const std::string line = ToLine(entry);
  // A file that can't be written loses the line after a restart only.
  if (fd.ok() && write(fd->get(), line.data(), line.size()) < 0) fd->reset();
  entries_.push_back(std::move(entry));
  for (int wake : wake_fds_) eventfd_write(wake, 1);
}

std::unique_ptr<driver::LogReader> Log::OpenReader(const driver::LogPosition& position) {
  absl::MutexLock lock(&mutex_);
  const size_t size = entries_.size();
  size_t next = 0;
  if (position.tail) next = size - std::min<size_t>(size, std::max<int64_t>(0, *position.tail));
  if (position.from_end) next = size;
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  wake_fds_.insert(wake.get());
  return std::make_unique<Reader>(shared_from_this(), std::move(wake), next, position.since);
}

}  // namespace vx::fake
