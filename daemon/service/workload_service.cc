#include "daemon/service/workload_service.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"
#include "daemon/service/attach_stream.h"
#include "daemon/service/exec_stream.h"
#include "daemon/service/forward_stream.h"
#include "daemon/service/log_stream.h"
#include "daemon/service/paging.h"
#include "daemon/service/stats_stream.h"
#include "daemon/service/waiters.h"
#include "daemon/service/workload_filter.h"

namespace vx::service {
namespace {

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
    VX_ASSIGN_OR_RETURN(WorkloadFilter keep, ParseFilters(request->filters()));
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

grpc::ServerUnaryReactor* WorkloadService::RenameWorkload(Call* call,
                                                          const v1::RenameWorkloadRequest* request,
                                                          v1::RenameWorkloadResponse* response) {
  return service::Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.workloads().Rename(request->name(), request->new_name(),
                                                   KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerBidiReactor<v1::ForwardPortRequest, v1::ForwardPortResponse>*
WorkloadService::ForwardPort(Call* call) {
  auto* stream = new ForwardStream(context_, call);
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

grpc::ServerWriteReactor<v1::StreamStatsResponse>* WorkloadService::StreamStats(
    Call* call, const v1::StreamStatsRequest* request) {
  absl::StatusOr<Caller> caller = context_.authorizer.Authorize(call->peer(), *request);
  if (!caller.ok()) {
    return new Refusal<grpc::ServerWriteReactor<v1::StreamStatsResponse>>(caller.status());
  }
  auto* stream = new StatsStream(context_, *request);
  stream->Begin();
  return stream;
}

}  // namespace vx::service
