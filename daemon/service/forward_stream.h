// One connection to a port inside of a workload, and its caller.
#pragma once

#include <memory>

#include "daemon/base/unique_fd.h"
#include "daemon/service/session_stream.h"

namespace vx::service {

// The connection ends with the call. Each side's end of file is passed on by itself.
class ForwardStream : public SessionStream<v1::ForwardPortRequest, v1::ForwardPortResponse> {
 public:
  using SessionStream::SessionStream;

 private:
  absl::Status Open(const v1::ForwardPortRequest::Start& start) override;
  bool EndsWithItsCaller() const override { return true; }
  void End() override;
  Next Produce(v1::ForwardPortResponse& message) override;

  absl::Mutex socket_mutex_;
  std::unique_ptr<driver::Input> input_ ABSL_GUARDED_BY(socket_mutex_);
  bool ended_ ABSL_GUARDED_BY(socket_mutex_) = false;

  // The pump's.
  UniqueFd socket_;
  bool eof_sent_ = false;
};

}  // namespace vx::service
