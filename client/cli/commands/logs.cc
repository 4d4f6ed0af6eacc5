#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct LogsFlags {
  std::string name;
  bool follow = false;
  bool timestamps = false;
  bool console = false;
  std::optional<std::string> tail;
  std::optional<std::string> since;
};

absl::StatusOr<v1::StreamLogsRequest> MakeRequest(const LogsFlags& flags) {
  v1::StreamLogsRequest request;
  request.set_name(flags.name);
  request.set_follow(flags.follow);
  request.set_console(flags.console);
  if (flags.tail.has_value()) {
    absl::StatusOr<int64_t> lines = client::ParseNumber(*flags.tail, "lines");
    if (!lines.ok()) return Misuse(Annotate(lines.status(), "--tail"));
    request.set_tail(*lines);
  }
  if (flags.since.has_value()) {
    absl::StatusOr<absl::Time> since = client::ParseSince(*flags.since, absl::Now());
    if (!since.ok()) return Misuse(Annotate(since.status(), "--since"));
    *request.mutable_since() =
        google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(*since));
  }
  return request;
}

// Writes entries, each line with its time before it where that is wanted.
class LogWriter {
 public:
  explicit LogWriter(bool timestamps) : timestamps_(timestamps) {}

  absl::Status Write(const v1::LogEntry& entry) {
    bool errors = entry.stream() == v1::LOG_STREAM_STDERR;
    bool& mid_line = errors ? mid_error_line_ : mid_line_;
    std::string text;
    if (timestamps_ && !mid_line) {
      text = google::protobuf::util::TimeUtil::ToString(entry.time()) + " ";
    }
    mid_line = !entry.data().empty() && entry.data().back() != '\n';
    return WriteAll(errors ? STDERR_FILENO : STDOUT_FILENO, text + entry.data());
  }

 private:
  const bool timestamps_;
  bool mid_line_ = false;
  bool mid_error_line_ = false;
};

int Logs(Context& context, const LogsFlags& flags) {
  absl::StatusOr<v1::StreamLogsRequest> request = MakeRequest(flags);
  if (!request.ok()) return Report(request.status());
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto logs = (*connection)->StreamLogs(*request);
  LogWriter writer(flags.timestamps);
  v1::StreamLogsResponse response;
  while (logs->Read(&response)) {
    for (const v1::LogEntry& entry : response.entries()) {
      if (absl::Status status = writer.Write(entry); !status.ok()) return Report(status);
    }
  }
  return Report(logs->Finish());
}

}  // namespace

Action DeclareLogs(Arguments& arguments) {
  auto flags = std::make_shared<LogsFlags>();
  arguments.Word("NAME", &flags->name, "Name, uid or beginning of a uid");
  arguments.Flag("-f,--follow", &flags->follow, "Go on until it ends");
  arguments.Option("-n,--tail", &flags->tail, "N", "The last N lines only");
  arguments.Option("--since", &flags->since, "TIME", "From 10m ago, or from an RFC 3339 time, on");
  arguments.Flag("--timestamps", &flags->timestamps, "When each line was written");
  arguments.Flag("--console", &flags->console, "What the serial console of a VM said");
  arguments.Example(
      "vxctl logs -f --tail 20 web\n"
      "vxctl logs web --since 10m --timestamps\n"
      "vxctl logs --console --tail 50 db");
  return [flags](Context& context) { return Logs(context, *flags); };
}

}  // namespace vx::cli
