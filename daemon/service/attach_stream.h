// One client of a workload's own streams.
#pragma once

#include <memory>

#include "daemon/service/run_output.h"
#include "daemon/service/session_stream.h"

namespace vx::service {

// Output comes from the log, so that nobody who is slow holds up the command, and
// nothing is missed over a restart of the daemon.
class AttachStream : public SessionStream<v1::AttachRequest, v1::AttachResponse> {
 public:
  using SessionStream::SessionStream;

 private:
  absl::Status Open(const v1::AttachRequest::Start& start) override;
  bool EndsWithItsCaller() const override { return false; }
  void End() override;
  Next Produce(v1::AttachResponse& message) override;
  // What is wrong with the request for this workload.
  absl::Status Check(const v1::AttachRequest::Start& start, const v1::Workload& workload) const;
  // The command's input, once it runs; or the console's, once there is a machine.
  absl::Status OpenInput();

  bool stdin_ = false;
  bool console_ = false;
  driver::TerminalSize size_;
  v1::StreamLogsResponse produced_;

  absl::Mutex output_mutex_;
  std::unique_ptr<RunOutput> output_ ABSL_GUARDED_BY(output_mutex_);
  std::unique_ptr<driver::Input> input_ ABSL_GUARDED_BY(output_mutex_);
  bool ended_ ABSL_GUARDED_BY(output_mutex_) = false;
};

}  // namespace vx::service
