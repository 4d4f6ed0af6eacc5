#pragma once

#include "daemon/service/unary.h"
#include "vx/v1/volume_service.grpc.pb.h"

namespace vx::service {

// proto/vx/v1/volume_service.proto over core::Volumes.
class VolumeService : public v1::VolumeService::CallbackService {
 public:
  // `context` outlives it.
  explicit VolumeService(const Context& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;

  grpc::ServerUnaryReactor* CreateVolume(Call*, const v1::CreateVolumeRequest*,
                                         v1::CreateVolumeResponse*) override;
  grpc::ServerUnaryReactor* GetVolume(Call*, const v1::GetVolumeRequest*,
                                      v1::GetVolumeResponse*) override;
  grpc::ServerUnaryReactor* ListVolumes(Call*, const v1::ListVolumesRequest*,
                                        v1::ListVolumesResponse*) override;
  grpc::ServerUnaryReactor* PruneVolumes(Call*, const v1::PruneVolumesRequest*,
                                         v1::PruneVolumesResponse*) override;
  grpc::ServerUnaryReactor* DeleteVolume(Call*, const v1::DeleteVolumeRequest*,
                                         v1::DeleteVolumeResponse*) override;

 private:
  const Context& context_;
};

}  // namespace vx::service
