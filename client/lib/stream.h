// Messages that the daemon sends one after the other as the answer to one call.
#pragma once

#include "absl/status/status.h"

namespace vx::client {

// Read by one thread; Cancel may come from any. Its end cancels what is left.
template <typename Response>
class Stream {
 public:
  virtual ~Stream() = default;
  // The next message; false at the end.
  virtual bool Read(Response* response) = 0;
  // After Read returned false: how the stream ended.
  virtual absl::Status Finish() = 0;
  virtual void Cancel() = 0;
};

// Messages both ways. Written by one thread and read by another.
template <typename Request, typename Response>
class Duplex : public Stream<Response> {
 public:
  // Waits for room; false when the call has ended, as Finish then says.
  virtual bool Write(const Request& request) = 0;
};

}  // namespace vx::client
