#include "client/lib/connection.h"

#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/rpc_error.h"
#include "daemon/base/error.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "vx/v1/event_service.grpc.pb.h"
#include "vx/v1/image_service.grpc.pb.h"
#include "vx/v1/network_service.grpc.pb.h"
#include "vx/v1/operation_service.grpc.pb.h"
#include "vx/v1/system_service.grpc.pb.h"
#include "vx/v1/volume_service.grpc.pb.h"
#include "vx/v1/workload_service.grpc.pb.h"

namespace vx::client {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(50);
// A page of a thousand workloads with all the labels they may have.
constexpr int kLargestMessage = 64 << 20;
constexpr size_t kUploadPiece = size_t{1} << 20;

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

// A stream of answers over `Reader`, as `Interface`.
template <typename Response, typename Interface = Stream<Response>,
          typename Reader = grpc::ClientReader<Response>>
class StreamOverGrpc : public Interface {
 public:
  // `start` begins the call with the context that it is given.
  template <typename Start>
  StreamOverGrpc(std::function<absl::Status(const absl::Status&)> explain, Start start)
      : explain_(std::move(explain)), reader_(start(&context_)) {}

  ~StreamOverGrpc() override {
    if (ended_) return;
    context_.TryCancel();
    Response ignored;
    while (reader_->Read(&ignored)) {
    }
    reader_->Finish();
  }

  bool Read(Response* response) override { return reader_->Read(response); }
  void Cancel() override { context_.TryCancel(); }

  absl::Status Finish() override {
    ended_ = true;
    return explain_(FromCall(reader_->Finish()));
  }

 protected:
  Reader& reader() { return *reader_; }

 private:
  grpc::ClientContext context_;
  std::function<absl::Status(const absl::Status&)> explain_;
  std::unique_ptr<Reader> reader_;
  bool ended_ = false;
};

template <typename Request, typename Response>
class DuplexOverGrpc final : public StreamOverGrpc<Response, Duplex<Request, Response>,
                                                   grpc::ClientReaderWriter<Request, Response>> {
 public:
  using DuplexOverGrpc::StreamOverGrpc::StreamOverGrpc;

  bool Write(const Request& request) override { return this->reader().Write(request); }
};

}  // namespace

struct Connection::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : workloads(channel),
        operations(channel),
        events(channel),
        images(channel),
        networks(channel),
        volumes(channel),
        system(channel) {}

  v1::WorkloadService::Stub workloads;
  v1::OperationService::Stub operations;
  v1::EventService::Stub events;
  v1::ImageService::Stub images;
  v1::NetworkService::Stub networks;
  v1::VolumeService::Stub volumes;
  v1::SystemService::Stub system;
};

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

std::unique_ptr<Stream<v1::StreamLogsResponse>> Connection::StreamLogs(
    const v1::StreamLogsRequest& request) {
  return std::make_unique<StreamOverGrpc<v1::StreamLogsResponse>>(
      [this](const absl::Status& status) { return Lost(status); },
      [&](grpc::ClientContext* context) {
        return stubs()->workloads.StreamLogs(context, request);
      });
}

std::unique_ptr<Stream<v1::StreamStatsResponse>> Connection::StreamStats(
    const v1::StreamStatsRequest& request) {
  return std::make_unique<StreamOverGrpc<v1::StreamStatsResponse>>(
      [this](const absl::Status& status) { return Lost(status); },
      [&](grpc::ClientContext* context) {
        return stubs()->workloads.StreamStats(context, request);
      });
}

template <typename Request, typename Response, typename Begin>
std::unique_ptr<Duplex<Request, Response>> Connection::Open(typename Request::Start start,
                                                            Begin begin) {
  auto duplex = std::make_unique<DuplexOverGrpc<Request, Response>>(
      [this](const absl::Status& status) { return Lost(status); }, begin);
  Request first;
  *first.mutable_start() = std::move(start);
  // That it fails is seen at the next one, or by reading.
  duplex->Write(first);
  return duplex;
}

std::unique_ptr<Duplex<v1::ExecRequest, v1::ExecResponse>> Connection::Exec(
    v1::ExecRequest::Start start) {
  return Open<v1::ExecRequest, v1::ExecResponse>(
      std::move(start),
      [this](grpc::ClientContext* context) { return stubs()->workloads.Exec(context); });
}

std::unique_ptr<Duplex<v1::ForwardPortRequest, v1::ForwardPortResponse>> Connection::ForwardPort(
    v1::ForwardPortRequest::Start start) {
  return Open<v1::ForwardPortRequest, v1::ForwardPortResponse>(
      std::move(start),
      [this](grpc::ClientContext* context) { return stubs()->workloads.ForwardPort(context); });
}

std::unique_ptr<Duplex<v1::AttachRequest, v1::AttachResponse>> Connection::Attach(
    v1::AttachRequest::Start start) {
  return Open<v1::AttachRequest, v1::AttachResponse>(
      std::move(start),
      [this](grpc::ClientContext* context) { return stubs()->workloads.Attach(context); });
}

std::unique_ptr<Stream<v1::WatchEventsResponse>> Connection::WatchEvents(
    const v1::WatchEventsRequest& request) {
  return std::make_unique<StreamOverGrpc<v1::WatchEventsResponse>>(
      [this](const absl::Status& status) { return Lost(status); },
      [&](grpc::ClientContext* context) { return stubs()->events.WatchEvents(context, request); });
}

std::unique_ptr<Stream<v1::ExportImageResponse>> Connection::ExportImage(
    const v1::ExportImageRequest& request) {
  return std::make_unique<StreamOverGrpc<v1::ExportImageResponse>>(
      [this](const absl::Status& status) { return Lost(status); },
      [&](grpc::ClientContext* context) { return stubs()->images.ExportImage(context, request); });
}

template <typename Request, typename Response, typename Begin>
absl::StatusOr<Response> Connection::Upload(
    typename Request::Header header, const std::function<absl::StatusOr<std::string>()>& next,
    Begin begin) {
  std::shared_ptr<Stubs> stubs = this->stubs();
  grpc::ClientContext context;
  Response response;
  auto writer = begin(*stubs, &context, &response);
  Request request;
  *request.mutable_header() = std::move(header);
  bool open = writer->Write(request);
  absl::Status source;
  while (open) {
    absl::StatusOr<std::string> piece = next();
    source = piece.status();
    if (!source.ok() || piece->empty()) break;
    for (size_t at = 0; open && at < piece->size(); at += kUploadPiece) {
      request.set_data(piece->substr(at, kUploadPiece));
      open = writer->Write(request);
    }
  }
  if (!source.ok()) context.TryCancel();
  writer->WritesDone();
  absl::Status status = Lost(FromCall(writer->Finish()));
  VX_RETURN_IF_ERROR(source);
  VX_RETURN_IF_ERROR(status);
  return response;
}

absl::StatusOr<v1::ImportImageResponse> Connection::ImportImage(
    v1::ImportImageRequest::Header header,
    const std::function<absl::StatusOr<std::string>()>& next) {
  if (header.request_id().empty()) header.set_request_id(RandomHex(32));
  return Upload<v1::ImportImageRequest, v1::ImportImageResponse>(
      std::move(header), next,
      [](Stubs& stubs, grpc::ClientContext* context, v1::ImportImageResponse* response) {
        return stubs.images.ImportImage(context, response);
      });
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

std::unique_ptr<Stream<v1::BackupInventoryResponse>> Connection::BackupInventory() {
  return std::make_unique<StreamOverGrpc<v1::BackupInventoryResponse>>(
      [this](const absl::Status& status) { return Lost(status); },
      [&](grpc::ClientContext* context) {
        return stubs()->system.BackupInventory(context, v1::BackupInventoryRequest());
      });
}

absl::StatusOr<v1::RestoreInventoryResponse> Connection::RestoreInventory(
    bool force, const std::function<absl::StatusOr<std::string>()>& next) {
  v1::RestoreInventoryRequest::Header header;
  header.set_force(force);
  return Upload<v1::RestoreInventoryRequest, v1::RestoreInventoryResponse>(
      std::move(header), next,
      [](Stubs& stubs, grpc::ClientContext* context, v1::RestoreInventoryResponse* response) {
        return stubs.system.RestoreInventory(context, response);
      });
}

}  // namespace vx::client
