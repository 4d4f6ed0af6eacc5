// One command inside a workload, and its caller.
#pragma once

#include <memory>

#include "daemon/service/session_stream.h"

namespace vx::service {

// The command ends with the call, unless it was detached.
class ExecStream : public SessionStream<v1::ExecRequest, v1::ExecResponse> {
 public:
  using SessionStream::SessionStream;

 private:
  absl::Status Open(const v1::ExecRequest::Start& start) override;
  absl::Status Handle(const v1::ExecRequest& request) override;
  bool EndsWithItsCaller() const override { return true; }
  void End() override;
  Next Produce(v1::ExecResponse& message) override;
  bool ProducesAtOnce() const override { return true; }

  // Reads what is there of `fd`; false when that is nothing.
  bool Read(driver::Output* from, bool& open, std::string& data);
  bool ReadEither(v1::ExecResponse& message);
  void Arm();

  absl::Mutex session_mutex_;
  std::unique_ptr<driver::ExecSession> session_ ABSL_GUARDED_BY(session_mutex_);
  bool ended_ ABSL_GUARDED_BY(session_mutex_) = false;

  // The pump's.
  driver::ExecSession* running_ = nullptr;
  bool detached_ = false;
  bool output_open_ = true;
  bool error_open_ = true;
  bool error_first_ = false;
  bool exit_sent_ = false;
};

}  // namespace vx::service
