#include "client/lib/connection.h"

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/connection_stubs.h"
#include "client/lib/rpc_error.h"
#include "daemon/base/error.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"

namespace vx::client {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(50);
// A page of a thousand workloads with all the labels they may have.
constexpr int kLargestMessage = 64 << 20;

// A channel over a socket that is connected already: neither resolver nor
// balancer nor back-off, which costs half of a short call.
std::shared_ptr<grpc::Channel> MakeChannel(UniqueFd fd) {
  return grpc::CreateInsecureChannelFromFd("vxd", fd.release());
}

std::chrono::system_clock::time_point DeadlineIn(absl::Duration limit) {
  return absl::ToChronoTime(absl::Now() + limit);
}

// The library's own end of a call has no details; ours always has a reason.
bool IsLost(const absl::Status& status) {
  return absl::IsUnavailable(status) && ErrorReason(status).empty();
}

}  // namespace

// The calls of one connection. `service` is a member of Stubs, `method` one of the
// generated stub's methods.
class Connection::Caller {
 public:
  explicit Caller(Connection* connection, std::optional<absl::Duration> limit = kCallLimit)
      : connection_(*connection), limit_(limit) {}

  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Read(Service Stubs::* service,
                                grpc::Status (Service::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                const Request& request) {
    absl::StatusOr<Response> response = Once(service, method, request);
    if (response.ok()) return response;
    return connection_.Lost(response.status());
  }

  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Change(Service Stubs::* service,
                                  grpc::Status (Service::*method)(grpc::ClientContext*,
                                                                  const Request&, Response*),
                                  Request* request) {
    if (request->request_id().empty()) request->set_request_id(RandomHex(32));
    const absl::Time end = absl::Now() + kRestartLimit;
    absl::StatusOr<Response> response = Once(service, method, *request);
    // A vxd that is being killed takes a connection, and loses it.
    while (!response.ok() && IsLost(response.status()) && absl::Now() < end) {
      VX_RETURN_IF_ERROR(connection_.Reconnect(end - absl::Now()));
      response = Once(service, method, *request);
    }
    return response.ok() ? response : connection_.Lost(response.status());
  }

 private:
  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Once(Service Stubs::* service,
                                grpc::Status (Service::*method)(grpc::ClientContext*,
                                                                const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext context;
    if (limit_.has_value()) context.set_deadline(DeadlineIn(*limit_));
    std::shared_ptr<Stubs> stubs = connection_.stubs();
    Response response;
    VX_RETURN_IF_ERROR(FromCall((stubs.get()->*service.*method)(&context, request, &response)));
    return response;
  }

  Connection& connection_;
  const std::optional<absl::Duration> limit_;
};

Connection::Connection(Target target, std::shared_ptr<Stubs> stubs)
    : target_(std::move(target)), stubs_(std::move(stubs)) {}

Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const Target& target) {
  VX_ASSIGN_OR_RETURN(std::shared_ptr<Stubs> stubs, Dial(target));
  return std::unique_ptr<Connection>(new Connection(target, std::move(stubs)));
}

absl::StatusOr<std::shared_ptr<Connection::Stubs>> Connection::Dial(const Target& target) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, Connect(target));
  return std::make_shared<Stubs>(MakeChannel(std::move(fd)));
}

std::shared_ptr<Connection::Stubs> Connection::stubs() const {
  absl::MutexLock lock(&mutex_);
  return stubs_;
}

absl::Status Connection::Lost(const absl::Status& status) const {
  if (absl::IsDeadlineExceeded(status) && ErrorReason(status).empty()) {
    return Error(absl::StatusCode::kDeadlineExceeded, "NO_ANSWER",
                 absl::StrCat("vxd at ", target_.socket, " gave no answer in time"),
                 "what was asked for may still be done: see vxctl operation ls");
  }
  if (!IsLost(status)) return status;
  return Error(absl::StatusCode::kUnavailable, "CONNECTION_LOST",
               absl::StrCat("vxd at ", target_.socket, " ended the connection"),
               "see whether it still runs, and what it logged");
}

absl::Status Connection::Reconnect(absl::Duration limit) {
  absl::Time end = absl::Now() + limit;
  absl::StatusOr<std::shared_ptr<Stubs>> fresh = absl::UnavailableError("");
  while (absl::IsUnavailable(fresh.status()) && absl::Now() < end) {
    // A vxd that is being killed still takes connections for a moment.
    absl::SleepFor(kRetryPause);
    fresh = Dial(target_);
  }
  if (!fresh.ok()) return fresh.status();
  absl::MutexLock lock(&mutex_);
  stubs_ = *std::move(fresh);
  return absl::OkStatus();
}

using Workloads = v1::WorkloadService::Stub;
using Operations = v1::OperationService::Stub;
using Images = v1::ImageService::Stub;
using Networks = v1::NetworkService::Stub;
using Volumes = v1::VolumeService::Stub;
using System = v1::SystemService::Stub;

absl::StatusOr<v1::CreateWorkloadResponse> Connection::CreateWorkload(
    v1::CreateWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::CreateWorkload, &request);
}

absl::StatusOr<v1::GetWorkloadResponse> Connection::GetWorkload(
    const v1::GetWorkloadRequest& request) {
  return Caller(this).Read(&Stubs::workloads, &Workloads::GetWorkload, request);
}

absl::StatusOr<v1::ListWorkloadsResponse> Connection::ListWorkloads(
    const v1::ListWorkloadsRequest& request) {
  return Caller(this).Read(&Stubs::workloads, &Workloads::ListWorkloads, request);
}

absl::StatusOr<v1::RenameWorkloadResponse> Connection::RenameWorkload(
    v1::RenameWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::RenameWorkload, &request);
}

absl::StatusOr<v1::UpdateWorkloadResponse> Connection::UpdateWorkload(
    v1::UpdateWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::UpdateWorkload, &request);
}

absl::StatusOr<v1::DeleteWorkloadResponse> Connection::DeleteWorkload(
    v1::DeleteWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::DeleteWorkload, &request);
}

absl::StatusOr<v1::StartWorkloadResponse> Connection::StartWorkload(
    v1::StartWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::StartWorkload, &request);
}

absl::StatusOr<v1::StopWorkloadResponse> Connection::StopWorkload(v1::StopWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::StopWorkload, &request);
}

absl::StatusOr<v1::RestartWorkloadResponse> Connection::RestartWorkload(
    v1::RestartWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::RestartWorkload, &request);
}

absl::StatusOr<v1::KillWorkloadResponse> Connection::KillWorkload(v1::KillWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::KillWorkload, &request);
}

absl::StatusOr<v1::PauseWorkloadResponse> Connection::PauseWorkload(
    v1::PauseWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::PauseWorkload, &request);
}

absl::StatusOr<v1::ResumeWorkloadResponse> Connection::ResumeWorkload(
    v1::ResumeWorkloadRequest request) {
  return Caller(this).Change(&Stubs::workloads, &Workloads::ResumeWorkload, &request);
}

absl::StatusOr<v1::WaitWorkloadResponse> Connection::WaitWorkload(
    const v1::WaitWorkloadRequest& request) {
  return Caller(this, std::nullopt).Read(&Stubs::workloads, &Workloads::WaitWorkload, request);
}

absl::StatusOr<v1::GetOperationResponse> Connection::GetOperation(
    const v1::GetOperationRequest& request) {
  return Caller(this).Read(&Stubs::operations, &Operations::GetOperation, request);
}

absl::StatusOr<v1::ListOperationsResponse> Connection::ListOperations(
    const v1::ListOperationsRequest& request) {
  return Caller(this).Read(&Stubs::operations, &Operations::ListOperations, request);
}

absl::StatusOr<v1::WaitOperationResponse> Connection::WaitOperation(
    const v1::WaitOperationRequest& request) {
  return Caller(this, std::nullopt).Read(&Stubs::operations, &Operations::WaitOperation, request);
}

absl::StatusOr<v1::CancelOperationResponse> Connection::CancelOperation(
    const v1::CancelOperationRequest& request) {
  return Caller(this).Read(&Stubs::operations, &Operations::CancelOperation, request);
}

absl::StatusOr<v1::ListImagesResponse> Connection::ListImages(
    const v1::ListImagesRequest& request) {
  return Caller(this).Read(&Stubs::images, &Images::ListImages, request);
}

absl::StatusOr<v1::GetImageResponse> Connection::GetImage(const v1::GetImageRequest& request) {
  return Caller(this).Read(&Stubs::images, &Images::GetImage, request);
}

absl::StatusOr<v1::PullImageResponse> Connection::PullImage(v1::PullImageRequest request) {
  return Caller(this).Change(&Stubs::images, &Images::PullImage, &request);
}

absl::StatusOr<v1::PushImageResponse> Connection::PushImage(v1::PushImageRequest request) {
  return Caller(this).Change(&Stubs::images, &Images::PushImage, &request);
}

absl::StatusOr<v1::TagImageResponse> Connection::TagImage(v1::TagImageRequest request) {
  return Caller(this).Change(&Stubs::images, &Images::TagImage, &request);
}

absl::StatusOr<v1::PruneImagesResponse> Connection::PruneImages(v1::PruneImagesRequest request) {
  return Caller(this).Change(&Stubs::images, &Images::PruneImages, &request);
}

absl::StatusOr<v1::CheckRegistryLoginResponse> Connection::CheckRegistryLogin(
    const v1::CheckRegistryLoginRequest& request) {
  return Caller(this).Read(&Stubs::images, &Images::CheckRegistryLogin, request);
}

absl::StatusOr<v1::DeleteImageResponse> Connection::DeleteImage(v1::DeleteImageRequest request) {
  return Caller(this).Change(&Stubs::images, &Images::DeleteImage, &request);
}

absl::StatusOr<v1::CreateNetworkResponse> Connection::CreateNetwork(
    v1::CreateNetworkRequest request) {
  return Caller(this).Change(&Stubs::networks, &Networks::CreateNetwork, &request);
}

absl::StatusOr<v1::GetNetworkResponse> Connection::GetNetwork(
    const v1::GetNetworkRequest& request) {
  return Caller(this).Read(&Stubs::networks, &Networks::GetNetwork, request);
}

absl::StatusOr<v1::ListNetworksResponse> Connection::ListNetworks(
    const v1::ListNetworksRequest& request) {
  return Caller(this).Read(&Stubs::networks, &Networks::ListNetworks, request);
}

absl::StatusOr<v1::ConnectNetworkResponse> Connection::ConnectNetwork(
    v1::ConnectNetworkRequest request) {
  return Caller(this).Change(&Stubs::networks, &Networks::ConnectNetwork, &request);
}

absl::StatusOr<v1::DisconnectNetworkResponse> Connection::DisconnectNetwork(
    v1::DisconnectNetworkRequest request) {
  return Caller(this).Change(&Stubs::networks, &Networks::DisconnectNetwork, &request);
}

absl::StatusOr<v1::DeleteNetworkResponse> Connection::DeleteNetwork(
    v1::DeleteNetworkRequest request) {
  return Caller(this).Change(&Stubs::networks, &Networks::DeleteNetwork, &request);
}

absl::StatusOr<v1::GetInfoResponse> Connection::GetInfo() {
  return Caller(this).Read(&Stubs::system, &System::GetInfo, v1::GetInfoRequest());
}

absl::StatusOr<v1::DoctorResponse> Connection::Doctor() {
  return Caller(this).Read(&Stubs::system, &System::Doctor, v1::DoctorRequest());
}

absl::StatusOr<v1::CreateVolumeResponse> Connection::CreateVolume(
    v1::CreateVolumeRequest request) {
  return Caller(this).Change(&Stubs::volumes, &Volumes::CreateVolume, &request);
}

absl::StatusOr<v1::GetVolumeResponse> Connection::GetVolume(const v1::GetVolumeRequest& request) {
  return Caller(this).Read(&Stubs::volumes, &Volumes::GetVolume, request);
}

absl::StatusOr<v1::ListVolumesResponse> Connection::ListVolumes(
    const v1::ListVolumesRequest& request) {
  return Caller(this).Read(&Stubs::volumes, &Volumes::ListVolumes, request);
}

absl::StatusOr<v1::PruneVolumesResponse> Connection::PruneVolumes(
    v1::PruneVolumesRequest request) {
  return Caller(this).Change(&Stubs::volumes, &Volumes::PruneVolumes, &request);
}

absl::StatusOr<v1::DeleteVolumeResponse> Connection::DeleteVolume(
    v1::DeleteVolumeRequest request) {
  return Caller(this).Change(&Stubs::volumes, &Volumes::DeleteVolume, &request);
}

}  // namespace vx::client
