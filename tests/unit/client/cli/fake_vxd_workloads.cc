// The fake daemon's workloads.
#include "tests/unit/client/cli/fake_vxd.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/base/signals.h"

namespace vx::cli {
namespace {

constexpr absl::Duration kLongest = absl::Seconds(20);

grpc::Status NotFound(const std::string& name) {
  return ToGrpc(WireError(absl::StatusCode::kNotFound, "WORKLOAD_NOT_FOUND",
                          absl::StrCat("there is no workload \"", name, "\""),
                          "vxctl ls -a lists them"));
}

}  // namespace

class FakeVxd::Workloads : public v1::WorkloadService::Service {
 public:
  explicit Workloads(FakeVxd* vxd) : vxd_(*vxd) {}

  grpc::Status CreateWorkload(grpc::ServerContext*, const v1::CreateWorkloadRequest* request,
                              v1::CreateWorkloadResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    v1::Workload workload = request->workload();
    if (workload.name().empty()) workload.set_name("quiet-fox");
    absl::MutexLock lock(&vxd_.mutex_);
    workload.set_uid(absl::StrFormat("%032x", vxd_.workloads_.size() + 1));
    workload.mutable_status()->set_state(v1::STATE_STOPPED);
    vxd_.workloads_[workload.name()] = workload;
    *response->mutable_workload() = workload;
    const google::rpc::Status& error = vxd_.script_.start_error;
    *response->mutable_operation() =
        request->start() && error.code() != 0
            ? vxd_.BeginFailed(v1::OPERATION_TYPE_CREATE, workload.name(), error)
            : vxd_.Begin(v1::OPERATION_TYPE_CREATE, workload.name());
    return grpc::Status::OK;
  }

  grpc::Status GetWorkload(grpc::ServerContext*, const v1::GetWorkloadRequest* request,
                           v1::GetWorkloadResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    return Find(request->name(), response->mutable_workload());
  }

  grpc::Status ListWorkloads(grpc::ServerContext*, const v1::ListWorkloadsRequest* request,
                             v1::ListWorkloadsResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    // Two a page, so that a client must turn pages.
    auto at = vxd_.workloads_.lower_bound(request->page_token());
    for (int i = 0; i < 2 && at != vxd_.workloads_.end(); ++i, ++at) {
      *response->add_workloads() = at->second;
    }
    if (at != vxd_.workloads_.end()) response->set_next_page_token(at->first);
    return grpc::Status::OK;
  }

  grpc::Status UpdateWorkload(grpc::ServerContext*, const v1::UpdateWorkloadRequest* request,
                              v1::UpdateWorkloadResponse* response) override {
    return Change(v1::OPERATION_TYPE_UPDATE, request->workload().name(), *request, response);
  }

  grpc::Status DeleteWorkload(grpc::ServerContext*, const v1::DeleteWorkloadRequest* request,
                              v1::DeleteWorkloadResponse* response) override {
    return Change(v1::OPERATION_TYPE_DELETE, request->name(), *request, response);
  }

  grpc::Status StartWorkload(grpc::ServerContext*, const v1::StartWorkloadRequest* request,
                             v1::StartWorkloadResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    v1::Workload workload;
    if (grpc::Status missing = Find(request->name(), &workload); !missing.ok()) return missing;
    absl::MutexLock lock(&vxd_.mutex_);
    const google::rpc::Status& error = vxd_.script_.start_error;
    *response->mutable_operation() =
        error.code() != 0 ? vxd_.BeginFailed(v1::OPERATION_TYPE_START, workload.name(), error)
                          : vxd_.Begin(v1::OPERATION_TYPE_START, workload.name());
    return grpc::Status::OK;
  }

  grpc::Status StopWorkload(grpc::ServerContext*, const v1::StopWorkloadRequest* request,
                            v1::StopWorkloadResponse* response) override {
    return Change(v1::OPERATION_TYPE_STOP, request->name(), *request, response);
  }

  grpc::Status RestartWorkload(grpc::ServerContext*, const v1::RestartWorkloadRequest* request,
                               v1::RestartWorkloadResponse* response) override {
    return Change(v1::OPERATION_TYPE_RESTART, request->name(), *request, response);
  }

  grpc::Status KillWorkload(grpc::ServerContext*, const v1::KillWorkloadRequest* request,
                            v1::KillWorkloadResponse* response) override {
    grpc::Status status = Change(v1::OPERATION_TYPE_KILL, request->name(), *request, response);
    absl::MutexLock lock(&vxd_.mutex_);
    if (!vxd_.script_.deaf) vxd_.killed_by_ = ParseSignal(request->signal()).value_or(0);
    return status;
  }

  grpc::Status PauseWorkload(grpc::ServerContext*, const v1::PauseWorkloadRequest* request,
                             v1::PauseWorkloadResponse* response) override {
    return Change(v1::OPERATION_TYPE_PAUSE, request->name(), *request, response);
  }

  grpc::Status ResumeWorkload(grpc::ServerContext*, const v1::ResumeWorkloadRequest* request,
                              v1::ResumeWorkloadResponse* response) override {
    return Change(v1::OPERATION_TYPE_RESUME, request->name(), *request, response);
  }

  grpc::Status WaitWorkload(grpc::ServerContext*, const v1::WaitWorkloadRequest* request,
                            v1::WaitWorkloadResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    return Find(request->name(), response->mutable_workload());
  }

  grpc::Status StreamLogs(grpc::ServerContext*, const v1::StreamLogsRequest* request,
                          grpc::ServerWriter<v1::StreamLogsResponse>* writer) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    v1::Workload workload;
    if (grpc::Status missing = Find(request->name(), &workload); !missing.ok()) return missing;
    Script script = GetScript();
    if (script.gone_when_lost && script.lost_after == 0) return Gone(request->name());
    writer->SendInitialMetadata();
    if (script.start_error.code() != 0 && !script.exit_after_start_error) return grpc::Status::OK;
    for (size_t i = 0; i < script.output.size(); ++i) {
      if (script.lost_after != 0 && i == script.lost_after) return LoseOnce();
      if (IsEarlier(script.output[i].time(), request->since())) continue;
      v1::StreamLogsResponse response;
      *response.add_entries() = script.output[i];
      writer->Write(response);
    }
    if (!request->follow() || script.no_exit) return grpc::Status::OK;
    v1::Exit exit = script.exit;
    if (script.until_killed) exit.set_code(128 + AwaitKill());
    v1::StreamLogsResponse response;
    *response.mutable_exit() = exit;
    writer->Write(response);
    return grpc::Status::OK;
  }

  grpc::Status StreamStats(grpc::ServerContext*, const v1::StreamStatsRequest* request,
                           grpc::ServerWriter<v1::StreamStatsResponse>* writer) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    for (const v1::StreamStatsResponse& response : vxd_.stats) writer->Write(response);
    return grpc::Status::OK;
  }

 private:
  template <typename Request, typename Response>
  grpc::Status Change(v1::OperationType type, const std::string& name, const Request& request,
                      Response* response) {
    if (grpc::Status refused = vxd_.Note(request); !refused.ok()) return refused;
    v1::Workload workload;
    if (grpc::Status missing = Find(name, &workload); !missing.ok()) return missing;
    absl::MutexLock lock(&vxd_.mutex_);
    *response->mutable_operation() = vxd_.Begin(type, workload.name());
    return grpc::Status::OK;
  }

  grpc::Status Find(const std::string& name, v1::Workload* workload) {
    absl::MutexLock lock(&vxd_.mutex_);
    for (const auto& [key, value] : vxd_.workloads_) {
      if (key != name && value.uid() != name) continue;
      *workload = value;
      return grpc::Status::OK;
    }
    return NotFound(name);
  }

  Script GetScript() {
    absl::MutexLock lock(&vxd_.mutex_);
    return vxd_.script_;
  }

  static grpc::Status Gone(const std::string& name) {
    return ToGrpc(WireError(absl::StatusCode::kNotFound, "WORKLOAD_NOT_FOUND",
                            absl::StrCat("there is no workload \"", name, "\"")));
  }

  // What the library reports when the far end goes away under a call.
  grpc::Status LoseOnce() {
    absl::MutexLock lock(&vxd_.mutex_);
    vxd_.script_.lost_after = 0;
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
  }

  static bool IsEarlier(const google::protobuf::Timestamp& a,
                        const google::protobuf::Timestamp& b) {
    return a.seconds() < b.seconds() || (a.seconds() == b.seconds() && a.nanos() < b.nanos());
  }

  int AwaitKill() {
    absl::MutexLock lock(&vxd_.mutex_);
    auto killed = [this]() { return vxd_.killed_by_ != 0 || vxd_.ending_; };
    vxd_.mutex_.AwaitWithTimeout(absl::Condition(&killed), kLongest);
    return vxd_.killed_by_;
  }

  FakeVxd& vxd_;
};

std::unique_ptr<grpc::Service> FakeVxd::MakeWorkloads(FakeVxd* vxd) {
  return std::make_unique<Workloads>(vxd);
}

}  // namespace vx::cli
