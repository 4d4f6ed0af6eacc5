// The output of one run, passed on to vxctl's own streams.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/lib/connection.h"

namespace vx::cli {

// Lives through a restart of the daemon: it attaches again and goes on behind the
// last byte that it wrote. Used by one thread, but for Cancel.
class RunOutput {
 public:
  // Borrows the connection. `uid` names the workload. `from_now`: without what was
  // written before. `console`: what the machine's console says in place of it.
  RunOutput(client::Connection* connection, std::string uid, bool from_now = false,
            bool console = false);

  // Writes stdout to 1 and stderr to 2, byte for byte,
  // until the run has ended, and returns how; calls `begins` before it writes. The
  // error says why there is no end: of writing, of the daemon, or CANCELLED.
  absl::StatusOr<v1::Exit> Copy(const std::function<void()>& begins);

  // Ends a Copy under way, or the next one.
  void Cancel();

 private:
  using Logs = client::Stream<v1::StreamLogsResponse>;

  void Open();
  // Reads until the end of the stream; its error, or that there was no exit.
  absl::StatusOr<v1::Exit> CopyStream(const std::function<void()>& begins);
  absl::StatusOr<v1::Exit> ExitOnRecord();
  absl::Status Reattach();
  bool cancelled() const;
  absl::Status Write(const v1::StreamLogsResponse& response);
  std::string TakeNew(const v1::LogEntry& entry);

  client::Connection* const connection_;
  const std::string uid_;
  const bool from_now_;
  const bool console_;

  mutable absl::Mutex mutex_;
  // Replaced by the reading thread under the lock, cancelled under it by others.
  std::shared_ptr<Logs> logs_ ABSL_GUARDED_BY(mutex_);
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;

  // The time of the last entry, and for each stream how many bytes of that time
  // were written: after a restart they come again and are to be left out.
  google::protobuf::Timestamp last_;
  size_t written_[2] = {0, 0};
  size_t skip_[2] = {0, 0};
  // How often it was attached again since the last message.
  int attempts_ = 0;
};

}  // namespace vx::cli
