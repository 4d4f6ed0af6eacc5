#include "daemon/service/volume_service.h"

#include <algorithm>

#include "daemon/base/status_macros.h"
#include "daemon/service/paging.h"
#include "daemon/service/volume_filter.h"

namespace vx::service {

grpc::ServerUnaryReactor* VolumeService::CreateVolume(Call* call,
                                                      const v1::CreateVolumeRequest* request,
                                                      v1::CreateVolumeResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.volumes().Create(request->volume(), KeyOf(caller, *request)),
                  response);
  });
}

// Which looks through the volume's files.
grpc::ServerUnaryReactor* VolumeService::GetVolume(Call* call, const v1::GetVolumeRequest* request,
                                                   v1::GetVolumeResponse* response) {
  auto get = [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(*response->mutable_volume(), context_.core.volumes().Get(request->name()));
    return absl::OkStatus();
  };
  return Unary(context_, call, request, get, &context_.slow_pool);
}

grpc::ServerUnaryReactor* VolumeService::ListVolumes(Call* call,
                                                     const v1::ListVolumesRequest* request,
                                                     v1::ListVolumesResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(PageRequest page, ParsePage(*request));
    VX_ASSIGN_OR_RETURN(VolumeFilter keep, ParseVolumeFilters(request->filters()));
    VX_ASSIGN_OR_RETURN(std::vector<v1::Volume> volumes, context_.core.volumes().List());
    std::erase_if(volumes, [&](const v1::Volume& volume) { return !keep(volume); });
    const int64_t count = static_cast<int64_t>(volumes.size());
    const int64_t end = std::min<int64_t>(count, page.key + page.size);
    for (int64_t i = page.key; i < end; ++i) {
      *response->add_volumes() = std::move(volumes[static_cast<size_t>(i)]);
    }
    response->set_next_page_token(PageToken(end < count ? end : 0));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* VolumeService::PruneVolumes(Call* call,
                                                      const v1::PruneVolumesRequest* request,
                                                      v1::PruneVolumesResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) -> absl::Status {
    VX_ASSIGN_OR_RETURN(VolumeFilter chosen, ParseVolumeFilters(request->filters()));
    return Answer(context_.core.volumes().Prune(std::move(chosen), KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* VolumeService::DeleteVolume(Call* call,
                                                      const v1::DeleteVolumeRequest* request,
                                                      v1::DeleteVolumeResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.volumes().Delete(request->name(), KeyOf(caller, *request)),
                  response);
  });
}

}  // namespace vx::service
