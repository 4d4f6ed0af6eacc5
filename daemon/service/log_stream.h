// One reader of a workload's output.
#pragma once

#include "daemon/service/run_output.h"

namespace vx::service {

class LogStream : public PumpedStream<v1::StreamLogsResponse> {
 public:
  LogStream(const Context& context, const v1::StreamLogsRequest& request);

  void Begin() { Wake(); }

 private:
  Next Produce(v1::StreamLogsResponse& message) override { return output_.Produce(message); }
  void Stop() override { output_.Stop(); }

  RunOutput output_;
};

}  // namespace vx::service
