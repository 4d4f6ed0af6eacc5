#include <google/protobuf/util/time_util.h>

#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct WaitFlags {
  std::vector<std::string> names;
  std::string condition = "stopped";
  std::optional<std::string> timeout;
};

absl::StatusOr<v1::WaitCondition> ParseCondition(const std::string& text) {
  if (text == "stopped") return v1::WAIT_CONDITION_STOPPED;
  if (text == "running") return v1::WAIT_CONDITION_RUNNING;
  if (text == "healthy") return v1::WAIT_CONDITION_HEALTHY;
  return UsageError(absl::StrCat("--for: \"", text, "\" is nothing to wait for"),
                    "write running, stopped or healthy");
}

absl::StatusOr<v1::WaitWorkloadRequest> MakeRequest(const WaitFlags& flags) {
  v1::WaitWorkloadRequest request;
  VX_ASSIGN_OR_RETURN(v1::WaitCondition condition, ParseCondition(flags.condition));
  request.set_condition(condition);
  if (!flags.timeout.has_value()) return request;
  absl::StatusOr<absl::Duration> timeout = client::ParseDuration(*flags.timeout);
  if (!timeout.ok()) return Misuse(Annotate(timeout.status(), "--timeout"));
  *request.mutable_timeout() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(*timeout));
  return request;
}

int WaitForEach(Context& context, const WaitFlags& flags) {
  absl::StatusOr<v1::WaitWorkloadRequest> request = MakeRequest(flags);
  if (!request.ok()) return Report(request.status());
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  bool stopped = request->condition() == v1::WAIT_CONDITION_STOPPED;
  int exit_status = 0;
  for (const std::string& name : flags.names) {
    request->set_name(name);
    auto response = (*connection)->WaitWorkload(*request);
    if (!response.ok()) {
      exit_status = Report(response.status());
    } else if (stopped && response->workload().status().has_exit()) {
      Print(absl::StrCat(response->workload().status().exit().code(), "\n"));
    }
  }
  return exit_status;
}

}  // namespace

Action DeclareWait(Arguments& arguments) {
  auto flags = std::make_shared<WaitFlags>();
  arguments.Words("NAME", &flags->names, "Names, uids or beginnings of uids", true);
  arguments.Option("--for", &flags->condition, "STATE",
                   "stopped (prints the exit code), running or healthy; stopped when left out");
  arguments.Option("--timeout", &flags->timeout, "TIME", "Give up after this time");
  arguments.Example("vxctl wait web\nvxctl wait web --for=running --timeout 30s");
  return [flags](Context& context) { return WaitForEach(context, *flags); };
}

}  // namespace vx::cli
