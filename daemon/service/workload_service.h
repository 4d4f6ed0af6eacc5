#pragma once

#include "daemon/service/unary.h"
#include "vx/v1/workload_service.grpc.pb.h"

namespace vx::service {

// proto/vx/v1/workload_service.proto over core::Workloads.
class WorkloadService : public v1::WorkloadService::CallbackService {
 public:
  // `context` outlives it.
  explicit WorkloadService(const Context& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;
  using Unary = grpc::ServerUnaryReactor;

  Unary* CreateWorkload(Call*, const v1::CreateWorkloadRequest*,
                        v1::CreateWorkloadResponse*) override;
  Unary* GetWorkload(Call*, const v1::GetWorkloadRequest*, v1::GetWorkloadResponse*) override;
  Unary* ListWorkloads(Call*, const v1::ListWorkloadsRequest*, v1::ListWorkloadsResponse*) override;
  Unary* UpdateWorkload(Call*, const v1::UpdateWorkloadRequest*,
                        v1::UpdateWorkloadResponse*) override;
  Unary* DeleteWorkload(Call*, const v1::DeleteWorkloadRequest*,
                        v1::DeleteWorkloadResponse*) override;
  Unary* StartWorkload(Call*, const v1::StartWorkloadRequest*, v1::StartWorkloadResponse*) override;
  Unary* StopWorkload(Call*, const v1::StopWorkloadRequest*, v1::StopWorkloadResponse*) override;
  Unary* RestartWorkload(Call*, const v1::RestartWorkloadRequest*,
                         v1::RestartWorkloadResponse*) override;
  Unary* KillWorkload(Call*, const v1::KillWorkloadRequest*, v1::KillWorkloadResponse*) override;
  Unary* PauseWorkload(Call*, const v1::PauseWorkloadRequest*, v1::PauseWorkloadResponse*) override;
  Unary* ResumeWorkload(Call*, const v1::ResumeWorkloadRequest*,
                        v1::ResumeWorkloadResponse*) override;
  Unary* WaitWorkload(Call*, const v1::WaitWorkloadRequest*, v1::WaitWorkloadResponse*) override;
  grpc::ServerWriteReactor<v1::StreamLogsResponse>* StreamLogs(
      Call*, const v1::StreamLogsRequest*) override;
  grpc::ServerBidiReactor<v1::ExecRequest, v1::ExecResponse>* Exec(Call*) override;
  grpc::ServerBidiReactor<v1::AttachRequest, v1::AttachResponse>* Attach(Call*) override;
  Unary* RenameWorkload(Call*, const v1::RenameWorkloadRequest*,
                        v1::RenameWorkloadResponse*) override;
  grpc::ServerBidiReactor<v1::ForwardPortRequest, v1::ForwardPortResponse>* ForwardPort(
      Call*) override;
  grpc::ServerWriteReactor<v1::StreamStatsResponse>* StreamStats(
      Call*, const v1::StreamStatsRequest*) override;

 private:
  const Context& context_;
};

}  // namespace vx::service
