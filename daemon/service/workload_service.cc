#include "daemon/service/workload_service.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"
#include "daemon/service/attach_stream.h"
#include "daemon/service/exec_stream.h"
#include "daemon/service/log_stream.h"
#include "daemon/service/paging.h"
#include "daemon/service/waiters.h"

namespace vx::service {
namespace {

using Filter = std::function<bool(const v1::Workload&)>;

// "STATE_RUNNING" -> "running".
std::string StateWord(v1::State state) {
  return absl::AsciiStrToLower(v1::State_Name(state).substr(sizeof "STATE_" - 1));
}

std::vector<std::string> StateWords() {
  std::vector<std::string> words;
  const auto* states = v1::State_descriptor();
  for (int i = 0; i < states->value_count(); ++i) {
    const auto state = static_cast<v1::State>(states->value(i)->number());
    if (state != v1::STATE_UNSPECIFIED) words.push_back(StateWord(state));
  }
  return words;
}

absl::Status BadFilter(absl::string_view text, absl::string_view why) {
  return InvalidFields({{"filters", absl::StrCat("\"", text, "\": ", why)}});
}

absl::Status CheckStateWord(const std::string& text, const std::string& word) {
  const std::vector<std::string> words = StateWords();
  if (std::find(words.begin(), words.end(), word) != words.end()) return absl::OkStatus();
  return BadFilter(text, absl::StrCat("a state is one of ", absl::StrJoin(words, ", ")));
}

bool HasLabel(const v1::Workload& workload, const std::string& key,
              const std::optional<std::string>& value) {
  auto it = workload.labels().find(key);
  return it != workload.labels().end() && (!value || it->second == *value);
}

Filter LabelFilter(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  std::optional<std::string> value;
  if (equals != std::string::npos) value = text.substr(equals + 1);
  return [key, value](const v1::Workload& w) { return HasLabel(w, key, value); };
}

absl::StatusOr<Filter> ParseFilter(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return BadFilter(text, "write it as key=value");
  const std::string key = text.substr(0, equals);
  const std::string value = text.substr(equals + 1);
  if (key == "kind") {
    if (value != "container" && value != "vm") return BadFilter(text, "a kind is container or vm");
    return Filter([value](const v1::Workload& w) { return core::KindName(w.kind()) == value; });
  }
  if (key == "state") {
    VX_RETURN_IF_ERROR(CheckStateWord(text, value));
    return Filter(
        [value](const v1::Workload& w) { return StateWord(w.status().state()) == value; });
  }
  if (key == "name") {
    return Filter(
        [value](const v1::Workload& w) { return w.name().find(value) != std::string::npos; });
  }
  if (key == "image") {
    VX_ASSIGN_OR_RETURN(std::string name, core::Images::FullName(value));
    return Filter([name](const v1::Workload& w) { return w.spec().image() == name; });
  }
  if (key == "label") return LabelFilter(value);
  return BadFilter(text, "the keys are kind, state, name, image and label");
}

absl::StatusOr<Filter> ParseFilters(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<Filter> filters;
  for (const std::string& text : texts) {
    VX_ASSIGN_OR_RETURN(Filter filter, ParseFilter(text));
    filters.push_back(std::move(filter));
  }
  return Filter([filters = std::move(filters)](const v1::Workload& workload) {
    for (const Filter& filter : filters) {
      if (!filter(workload)) return false;
    }
    return true;
  });
}

template <typename Request>
absl::StatusOr<std::optional<absl::Duration>> GraceOf(const Request& request) {
  if (!request.has_grace()) return std::nullopt;
  const absl::Duration grace = core::FromProto(request.grace());
  if (grace < absl::ZeroDuration()) return InvalidFields({{"grace", "is negative"}});
  return grace;
}

bool Holds(v1::WaitCondition condition, const v1::Workload& workload) {
  const v1::State state = workload.status().state();
  if (condition == v1::WAIT_CONDITION_RUNNING) return state == v1::STATE_RUNNING;
  return state == v1::STATE_STOPPED || state == v1::STATE_FAILED;
}

}  // namespace

grpc::ServerUnaryReactor* WorkloadService::CreateWorkload(Call* call,
                                                          const v1::CreateWorkloadRequest* request,
                                                          v1::CreateWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) -> absl::Status {
    core::Workloads::CreateOptions options{.start = request->start(), .follow = request->follow()};
    VX_ASSIGN_OR_RETURN(options.terminal_size, ToSize(request->terminal_size()));
    VX_ASSIGN_OR_RETURN(
        core::Created created,
        context_.core.workloads().Create(request->workload(), options, KeyOf(caller, *request)));
    *response->mutable_operation() = std::move(created.operation);
    if (!created.workload.uid().empty()) {
      *response->mutable_workload() = std::move(created.workload);
    }
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkloadService::GetWorkload(Call* call,
                                                       const v1::GetWorkloadRequest* request,
                                                       v1::GetWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(*response->mutable_workload(),
                        context_.core.store().Read().FindWorkload(request->name()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkloadService::ListWorkloads(Call* call,
                                                         const v1::ListWorkloadsRequest* request,
                                                         v1::ListWorkloadsResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(PageRequest page, ParsePage(*request));
    VX_ASSIGN_OR_RETURN(Filter keep, ParseFilters(request->filters()));
    VX_ASSIGN_OR_RETURN(store::Page<v1::Workload> found,
                        context_.core.store().Read().ListWorkloads(page.key, page.size, keep));
    for (v1::Workload& workload : found.rows) *response->add_workloads() = std::move(workload);
    response->set_next_page_token(PageToken(found.next));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* WorkloadService::UpdateWorkload(Call* call,
                                                          const v1::UpdateWorkloadRequest* request,
                                                          v1::UpdateWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) -> absl::Status {
    const auto& mask = request->update_mask().paths();
    if (mask.empty()) {
      return InvalidFields({{"update_mask", "is missing: name what is to change"}});
    }
    std::vector<std::string> paths(mask.begin(), mask.end());
    return Answer(
        context_.core.workloads().Update(request->workload(), paths, KeyOf(caller, *request)),
        response);
  });
}

grpc::ServerUnaryReactor* WorkloadService::DeleteWorkload(Call* call,
                                                          const v1::DeleteWorkloadRequest* request,
                                                          v1::DeleteWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.workloads().Delete(request->name(), request->force(),
                                                   KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* WorkloadService::StartWorkload(Call* call,
                                                         const v1::StartWorkloadRequest* request,
                                                         v1::StartWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.workloads().Start(request->name(), KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* WorkloadService::StopWorkload(Call* call,
                                                        const v1::StopWorkloadRequest* request,
                                                        v1::StopWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) -> absl::Status {
    VX_ASSIGN_OR_RETURN(std::optional<absl::Duration> grace, GraceOf(*request));
    return Answer(context_.core.workloads().Stop(request->name(), grace, KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* WorkloadService::RestartWorkload(
    Call* call, const v1::RestartWorkloadRequest* request, v1::RestartWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) -> absl::Status {
    VX_ASSIGN_OR_RETURN(std::optional<absl::Duration> grace, GraceOf(*request));
    return Answer(
        context_.core.workloads().Restart(request->name(), grace, KeyOf(caller, *request)),
        response);
  });
}

grpc::ServerUnaryReactor* WorkloadService::KillWorkload(Call* call,
                                                        const v1::KillWorkloadRequest* request,
                                                        v1::KillWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(
        context_.core.workloads().Kill(request->name(), request->signal(), KeyOf(caller, *request)),
        response);
  });
}

grpc::ServerUnaryReactor* WorkloadService::PauseWorkload(Call* call,
                                                         const v1::PauseWorkloadRequest* request,
                                                         v1::PauseWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.workloads().Pause(request->name(), KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* WorkloadService::ResumeWorkload(Call* call,
                                                          const v1::ResumeWorkloadRequest* request,
                                                          v1::ResumeWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.workloads().Resume(request->name(), KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* WorkloadService::WaitWorkload(Call* call,
                                                        const v1::WaitWorkloadRequest* request,
                                                        v1::WaitWorkloadResponse* response) {
  absl::StatusOr<Caller> caller = context_.authorizer.Authorize(call->peer(), *request);
  if (!caller.ok()) return new Refusal<grpc::ServerUnaryReactor>(caller.status());
  if (request->condition() == v1::WAIT_CONDITION_HEALTHY) {
    return new Refusal<grpc::ServerUnaryReactor>(
        Error(absl::StatusCode::kFailedPrecondition, "NO_HEALTH_CHECK",
              absl::StrCat("\"", request->name(), "\" has no health check"),
              "health checks are not supported yet"));
  }
  // Shared with the callbacks; set by the first.
  auto uid = std::make_shared<std::string>();
  auto first = [=](const store::View& view) -> std::optional<absl::Status> {
    absl::StatusOr<v1::Workload> workload = view.FindWorkload(request->name());
    if (!workload.ok()) return workload.status();
    *uid = workload->uid();
    if (!Holds(request->condition(), *workload)) return std::nullopt;
    *response->mutable_workload() = *std::move(workload);
    return absl::OkStatus();
  };
  auto check = [=](const v1::Event& event) -> std::optional<absl::Status> {
    if (!event.has_workload() || event.workload().uid() != *uid) return std::nullopt;
    const bool deleted = event.type() == v1::EVENT_TYPE_WORKLOAD_DELETED;
    const bool for_stop = request->condition() != v1::WAIT_CONDITION_RUNNING;
    if (deleted && !for_stop) {
      return Error(absl::StatusCode::kNotFound, "WORKLOAD_NOT_FOUND",
                   absl::StrCat("\"", request->name(), "\" was removed"));
    }
    if (!deleted && !Holds(request->condition(), event.workload())) return std::nullopt;
    *response->mutable_workload() = event.workload();
    return absl::OkStatus();
  };
  auto timed_out = [this, uid, name = request->name()]() -> absl::Status {
    absl::StatusOr<v1::Workload> now = context_.core.store().Read().GetWorkload(*uid);
    const std::string state = now.ok() ? StateWord(now->status().state()) : "gone";
    return Error(absl::StatusCode::kDeadlineExceeded, "WAIT_TIMEOUT",
                 absl::StrCat("the time is over and \"", name, "\" is ", state));
  };
  std::optional<absl::Duration> timeout;
  if (request->has_timeout()) timeout = core::FromProto(request->timeout());
  auto* reactor = new WaitReactor(context_);
  reactor->Begin(first, check, timeout, timed_out);
  return reactor;
}

grpc::ServerWriteReactor<v1::StreamLogsResponse>* WorkloadService::StreamLogs(
    Call* call, const v1::StreamLogsRequest* request) {
  absl::StatusOr<Caller> caller = context_.authorizer.Authorize(call->peer(), *request);
  if (!caller.ok()) {
    return new Refusal<grpc::ServerWriteReactor<v1::StreamLogsResponse>>(caller.status());
  }
  auto* stream = new LogStream(context_, *request);
  stream->Begin();
  return stream;
}

grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* WorkloadService::Exec(Call* call) {
  auto* stream = new ExecStream(context_, call);
  stream->Begin();
  return stream;
}

grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* WorkloadService::Attach(
    Call* call) {
  auto* stream = new AttachStream(context_, call);
  stream->Begin();
  return stream;
}

}  // namespace vx::service
