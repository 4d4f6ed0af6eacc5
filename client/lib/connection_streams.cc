// The calls of a connection that are streams, one way or both.
#include <functional>
#include <utility>

#include "client/lib/connection.h"
#include "client/lib/connection_stubs.h"
#include "client/lib/rpc_error.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"

namespace vx::client {
namespace {

constexpr size_t kUploadPiece = size_t{1} << 20;

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
