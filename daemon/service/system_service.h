#pragma once

#include <string>

#include "daemon/service/unary.h"
#include "vx/v1/system_service.grpc.pb.h"

namespace vx::service {

// What does not change while the daemon runs.
struct SystemFacts {
  std::string version;
  std::string instance_id;
  std::string state_dir;
  std::string runtime_dir;
};

// proto/vx/v1/system_service.proto.
class SystemService : public v1::SystemService::CallbackService {
 public:
  // `context` outlives it.
  SystemService(const Context& context, SystemFacts facts)
      : context_(context), facts_(std::move(facts)) {}

  using Call = grpc::CallbackServerContext;

  grpc::ServerUnaryReactor* GetInfo(Call*, const v1::GetInfoRequest*,
                                    v1::GetInfoResponse*) override;
  grpc::ServerUnaryReactor* Doctor(Call*, const v1::DoctorRequest*, v1::DoctorResponse*) override;
  grpc::ServerWriteReactor<v1::BackupInventoryResponse>* BackupInventory(
      Call*, const v1::BackupInventoryRequest*) override;
  grpc::ServerReadReactor<v1::RestoreInventoryRequest>* RestoreInventory(
      Call*, v1::RestoreInventoryResponse*) override;

 private:
  const Context& context_;
  const SystemFacts facts_;
};

// "v1", "v2", "hybrid" or "none": the cgroup hierarchies below `root`
// (/sys/fs/cgroup).
std::string CgroupLayout(const std::string& root);

}  // namespace vx::service
