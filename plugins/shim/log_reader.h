// Reads one log (client.h, OpenLog), over the files that it was divided into: the
// present end first where asked, then whatever is appended.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/driver.h"
#include "plugins/shim/log_files.h"

namespace vx::shim {

// A line of the log taken apart; false when it is none.
bool ParseLogLine(absl::string_view line, driver::LogEntry& entry);

class FileLogReader final : public driver::LogReader {
 public:
  static absl::StatusOr<std::unique_ptr<FileLogReader>> Open(const std::string& path,
                                                             const driver::LogPosition& position);

  absl::StatusOr<bool> Next(driver::LogEntry& entry) override;
  int wake_fd() const override { return inotify_.get(); }

 private:
  FileLogReader(std::string path, LogFiles files, UniqueFd inotify, absl::Time since)
      : path_(std::move(path)),
        files_(std::move(files)),
        inotify_(std::move(inotify)),
        since_(since) {}

  absl::Status Seek(const driver::LogPosition& position);
  // On to the next file, where the present one was read to its end and is full.
  absl::StatusOr<bool> Advance();
  absl::Status JoinParts(driver::LogEntry& entry);
  // The next whole line that is in the buffer or the file.
  absl::StatusOr<bool> NextLine(absl::string_view& line);
  absl::StatusOr<bool> Fill();
  void TakeWakeUps();

  const std::string path_;
  LogFiles files_;
  UniqueFd inotify_;
  absl::Time since_;
  std::string buffer_;
  size_t offset_ = 0;   // of what was not yet handed out
  size_t scanned_ = 0;  // where the search for a newline goes on
};

}  // namespace vx::shim
