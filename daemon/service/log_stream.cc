#include "daemon/service/log_stream.h"

#include "daemon/core/timestamps.h"

namespace vx::service {
namespace {

RunOutput::Options ToOptions(const v1::StreamLogsRequest& request) {
  RunOutput::Options options;
  options.name = request.name();
  options.follow = request.follow();
  options.console = request.console();
  if (request.has_tail()) options.position.tail = request.tail();
  if (request.has_since()) options.position.since = core::FromProto(request.since());
  return options;
}

}  // namespace

LogStream::LogStream(const Context& context, const v1::StreamLogsRequest& request)
    : PumpedStream(context.slow_pool),
      output_(
          context, ToOptions(request), [this] { StartSendInitialMetadata(); }, [this] { Wake(); }) {
}

}  // namespace vx::service
