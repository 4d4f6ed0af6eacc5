// A connection to one vxd: its whole API as typed calls, without gRPC's headers.
//
// Errors are those of the daemon, with reason, hint and violations
// (daemon/base/error.h). Where the connection itself fails: UNAVAILABLE
// (CONNECTION_LOST). A call that changes something gets a request_id when the
// caller set none, and is sent once more on a new connection when the first is
// lost under it: the daemon does it once.
//
// Calls end with DEADLINE_EXCEEDED after kCallLimit, but for the waits and the
// streams, which last as long as they must. Thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "client/lib/stream.h"
#include "client/lib/target.h"
#include "vx/v1/event_service.pb.h"
#include "vx/v1/image_service.pb.h"
#include "vx/v1/network_service.pb.h"
#include "vx/v1/operation_service.pb.h"
#include "vx/v1/system_service.pb.h"
#include "vx/v1/volume_service.pb.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::client {

// How long a restart of the daemon is waited for.
inline constexpr absl::Duration kRestartLimit = absl::Seconds(15);

inline constexpr absl::Duration kCallLimit = absl::Seconds(60);

class Connection {
 public:
  // The errors of Connect.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const Target& target);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  absl::StatusOr<v1::CreateWorkloadResponse> CreateWorkload(v1::CreateWorkloadRequest request);
  absl::StatusOr<v1::GetWorkloadResponse> GetWorkload(const v1::GetWorkloadRequest& request);
  absl::StatusOr<v1::ListWorkloadsResponse> ListWorkloads(const v1::ListWorkloadsRequest& request);
  absl::StatusOr<v1::UpdateWorkloadResponse> UpdateWorkload(v1::UpdateWorkloadRequest request);
  absl::StatusOr<v1::RenameWorkloadResponse> RenameWorkload(v1::RenameWorkloadRequest request);
  absl::StatusOr<v1::DeleteWorkloadResponse> DeleteWorkload(v1::DeleteWorkloadRequest request);
  absl::StatusOr<v1::StartWorkloadResponse> StartWorkload(v1::StartWorkloadRequest request);
  absl::StatusOr<v1::StopWorkloadResponse> StopWorkload(v1::StopWorkloadRequest request);
  absl::StatusOr<v1::RestartWorkloadResponse> RestartWorkload(v1::RestartWorkloadRequest request);
  absl::StatusOr<v1::KillWorkloadResponse> KillWorkload(v1::KillWorkloadRequest request);
  absl::StatusOr<v1::PauseWorkloadResponse> PauseWorkload(v1::PauseWorkloadRequest request);
  absl::StatusOr<v1::ResumeWorkloadResponse> ResumeWorkload(v1::ResumeWorkloadRequest request);
  absl::StatusOr<v1::WaitWorkloadResponse> WaitWorkload(const v1::WaitWorkloadRequest& request);
  std::unique_ptr<Stream<v1::StreamLogsResponse>> StreamLogs(const v1::StreamLogsRequest& request);

  std::unique_ptr<Stream<v1::StreamStatsResponse>> StreamStats(
      const v1::StreamStatsRequest& request);

  // The first message is `start`.
  std::unique_ptr<Duplex<v1::ExecRequest, v1::ExecResponse>> Exec(v1::ExecRequest::Start start);
  std::unique_ptr<Duplex<v1::ForwardPortRequest, v1::ForwardPortResponse>> ForwardPort(
      v1::ForwardPortRequest::Start start);
  std::unique_ptr<Duplex<v1::AttachRequest, v1::AttachResponse>> Attach(
      v1::AttachRequest::Start start);

  absl::StatusOr<v1::GetOperationResponse> GetOperation(const v1::GetOperationRequest& request);
  absl::StatusOr<v1::ListOperationsResponse> ListOperations(
      const v1::ListOperationsRequest& request);
  absl::StatusOr<v1::WaitOperationResponse> WaitOperation(const v1::WaitOperationRequest& request);
  absl::StatusOr<v1::CancelOperationResponse> CancelOperation(
      const v1::CancelOperationRequest& request);

  std::unique_ptr<Stream<v1::WatchEventsResponse>> WatchEvents(
      const v1::WatchEventsRequest& request);

  absl::StatusOr<v1::ListImagesResponse> ListImages(const v1::ListImagesRequest& request);
  absl::StatusOr<v1::GetImageResponse> GetImage(const v1::GetImageRequest& request);
  absl::StatusOr<v1::PullImageResponse> PullImage(v1::PullImageRequest request);
  absl::StatusOr<v1::PushImageResponse> PushImage(v1::PushImageRequest request);
  absl::StatusOr<v1::TagImageResponse> TagImage(v1::TagImageRequest request);
  absl::StatusOr<v1::PruneImagesResponse> PruneImages(v1::PruneImagesRequest request);
  absl::StatusOr<v1::CheckRegistryLoginResponse> CheckRegistryLogin(
      const v1::CheckRegistryLoginRequest& request);
  absl::StatusOr<v1::DeleteImageResponse> DeleteImage(v1::DeleteImageRequest request);
  std::unique_ptr<Stream<v1::ExportImageResponse>> ExportImage(
      const v1::ExportImageRequest& request);
  // Sends what `next` returns, piece by piece of at most 1 MiB, until it returns
  // an empty one. Its error ends the call and is returned.
  absl::StatusOr<v1::ImportImageResponse> ImportImage(
      v1::ImportImageRequest::Header header,
      const std::function<absl::StatusOr<std::string>()>& next);

  absl::StatusOr<v1::CreateNetworkResponse> CreateNetwork(v1::CreateNetworkRequest request);
  absl::StatusOr<v1::GetNetworkResponse> GetNetwork(const v1::GetNetworkRequest& request);
  absl::StatusOr<v1::ListNetworksResponse> ListNetworks(const v1::ListNetworksRequest& request);
  absl::StatusOr<v1::DeleteNetworkResponse> DeleteNetwork(v1::DeleteNetworkRequest request);
  absl::StatusOr<v1::ConnectNetworkResponse> ConnectNetwork(v1::ConnectNetworkRequest request);
  absl::StatusOr<v1::DisconnectNetworkResponse> DisconnectNetwork(
      v1::DisconnectNetworkRequest request);
  absl::StatusOr<v1::CreateVolumeResponse> CreateVolume(v1::CreateVolumeRequest request);
  absl::StatusOr<v1::GetVolumeResponse> GetVolume(const v1::GetVolumeRequest& request);
  absl::StatusOr<v1::ListVolumesResponse> ListVolumes(const v1::ListVolumesRequest& request);
  absl::StatusOr<v1::PruneVolumesResponse> PruneVolumes(v1::PruneVolumesRequest request);
  absl::StatusOr<v1::DeleteVolumeResponse> DeleteVolume(v1::DeleteVolumeRequest request);

  std::unique_ptr<Stream<v1::BackupInventoryResponse>> BackupInventory();
  // Sends pieces as ImportImage does. The daemon starts again after it: Reconnect.
  absl::StatusOr<v1::RestoreInventoryResponse> RestoreInventory(
      bool force, const std::function<absl::StatusOr<std::string>()>& next);

  absl::StatusOr<v1::GetInfoResponse> GetInfo();
  absl::StatusOr<v1::DoctorResponse> Doctor();

  // A new connection in place of a lost one; tries for `limit`, as a vxd that is
  // started again needs a moment.
  absl::Status Reconnect(absl::Duration limit);

  const Target& target() const { return target_; }

 private:
  struct Stubs;
  class Caller;

  Connection(Target target, std::shared_ptr<Stubs> stubs);
  static absl::StatusOr<std::shared_ptr<Stubs>> Dial(const Target& target);
  std::shared_ptr<Stubs> stubs() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Lost(const absl::Status& status) const;
  template <typename Request, typename Response, typename Begin>
  std::unique_ptr<Duplex<Request, Response>> Open(typename Request::Start start, Begin begin);
  // Header first, then the pieces.
  template <typename Request, typename Response, typename Begin>
  absl::StatusOr<Response> Upload(typename Request::Header header,
                                  const std::function<absl::StatusOr<std::string>()>& next,
                                  Begin begin);

  const Target target_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<Stubs> stubs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::client
