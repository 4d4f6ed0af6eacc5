#include "tests/unit/client/cli/fake_vxd.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "daemon/base/file.h"
#include "daemon/base/signals.h"
#include "google/rpc/error_details.pb.h"

namespace vx::cli {
namespace {

constexpr absl::Duration kLongest = absl::Seconds(20);

}  // namespace

grpc::Status ToGrpc(const google::rpc::Status& error) {
  return grpc::Status(static_cast<grpc::StatusCode>(error.code()), error.message(),
                      error.SerializeAsString());
}

google::rpc::Status WireError(absl::StatusCode code, const std::string& reason,
                              const std::string& message, const std::string& hint) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("vx");
  if (!hint.empty()) (*info.mutable_metadata())["hint"] = hint;
  google::rpc::Status status;
  status.set_code(static_cast<int>(code));
  status.set_message(message);
  status.add_details()->PackFrom(info);
  return status;
}

class FakeVxd::Operations : public v1::OperationService::Service {
 public:
  explicit Operations(FakeVxd* vxd) : vxd_(*vxd) {}

  grpc::Status GetOperation(grpc::ServerContext*, const v1::GetOperationRequest* request,
                            v1::GetOperationResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    auto found = vxd_.operations_.find(request->id());
    if (found == vxd_.operations_.end()) return Missing(request->id());
    *response->mutable_operation() = found->second;
    return grpc::Status::OK;
  }

  grpc::Status ListOperations(grpc::ServerContext*, const v1::ListOperationsRequest* request,
                              v1::ListOperationsResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    for (const auto& [id, operation] : vxd_.operations_) *response->add_operations() = operation;
    return grpc::Status::OK;
  }

  // Ends the operation, unless operations are held.
  grpc::Status WaitOperation(grpc::ServerContext* context, const v1::WaitOperationRequest* request,
                             v1::WaitOperationResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    if (std::exchange(vxd_.lose_wait_, false)) {
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "Socket closed");
    }
    auto found = vxd_.operations_.find(request->id());
    if (found == vxd_.operations_.end()) return Missing(request->id());
    v1::Operation& operation = found->second;
    auto ended = [&]() {
      return !vxd_.hold_ || vxd_.ending_ || operation.state() == v1::OPERATION_STATE_CANCELLED;
    };
    vxd_.mutex_.AwaitWithTimeout(absl::Condition(&ended), kLongest);
    bool open = operation.state() == v1::OPERATION_STATE_PENDING;
    if (open) {
      bool failed = operation.error().code() != 0;
      operation.set_state(failed ? v1::OPERATION_STATE_FAILED : v1::OPERATION_STATE_DONE);
    }
    *response->mutable_operation() = operation;
    return grpc::Status::OK;
  }

  grpc::Status CancelOperation(grpc::ServerContext*, const v1::CancelOperationRequest* request,
                               v1::CancelOperationResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    auto found = vxd_.operations_.find(request->id());
    if (found == vxd_.operations_.end()) return Missing(request->id());
    if (found->second.state() != v1::OPERATION_STATE_PENDING) return HasEnded(request->id());
    found->second.set_state(v1::OPERATION_STATE_CANCELLED);
    *response->mutable_operation() = found->second;
    return grpc::Status::OK;
  }

 private:
  static grpc::Status HasEnded(const std::string& id) {
    return ToGrpc(WireError(absl::StatusCode::kFailedPrecondition, "OPERATION_ENDED",
                            absl::StrCat("operation ", id, " has ended already")));
  }

  static grpc::Status Missing(const std::string& id) {
    return ToGrpc(WireError(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND",
                            absl::StrCat("there is no operation \"", id, "\"")));
  }

  FakeVxd& vxd_;
};

class FakeVxd::Images : public v1::ImageService::Service {
 public:
  explicit Images(FakeVxd* vxd) : vxd_(*vxd) {}

  grpc::Status ListImages(grpc::ServerContext*, const v1::ListImagesRequest* request,
                          v1::ListImagesResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    for (const v1::Image& image : vxd_.images_) *response->add_images() = image;
    return grpc::Status::OK;
  }

  grpc::Status GetImage(grpc::ServerContext*, const v1::GetImageRequest* request,
                        v1::GetImageResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    for (const v1::Image& image : vxd_.images_) {
      if (image.name() != request->name()) continue;
      *response->mutable_image() = image;
      return grpc::Status::OK;
    }
    return Missing(request->name());
  }

  grpc::Status PullImage(grpc::ServerContext*, const v1::PullImageRequest* request,
                         v1::PullImageResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    *response->mutable_operation() =
        vxd_.Begin(v1::OPERATION_TYPE_IMAGE_PULL, request->reference());
    return grpc::Status::OK;
  }

  grpc::Status ImportImage(grpc::ServerContext*, grpc::ServerReader<v1::ImportImageRequest>* reader,
                           v1::ImportImageResponse* response) override {
    v1::ImportImageRequest request;
    std::string name;
    while (reader->Read(&request)) {
      if (request.has_header()) {
        name = request.header().name();
        if (grpc::Status refused = vxd_.Note(request.header()); !refused.ok()) return refused;
      }
      if (request.data().size() > (size_t{1} << 20)) {
        return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "a message of more than 1 MiB");
      }
      absl::MutexLock lock(&vxd_.mutex_);
      vxd_.imported_ += request.data();
    }
    absl::MutexLock lock(&vxd_.mutex_);
    *response->mutable_operation() = vxd_.Begin(v1::OPERATION_TYPE_IMAGE_IMPORT, name);
    return grpc::Status::OK;
  }

  grpc::Status ExportImage(grpc::ServerContext*, const v1::ExportImageRequest* request,
                           grpc::ServerWriter<v1::ExportImageResponse>* writer) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    if (vxd_.exported.empty()) return Missing(request->name());
    v1::ExportImageResponse response;
    for (size_t at = 0; at < vxd_.exported.size(); at += 1000) {
      response.set_data(vxd_.exported.substr(at, 1000));
      writer->Write(response);
    }
    return grpc::Status::OK;
  }

  grpc::Status DeleteImage(grpc::ServerContext*, const v1::DeleteImageRequest* request,
                           v1::DeleteImageResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    absl::MutexLock lock(&vxd_.mutex_);
    *response->mutable_operation() = vxd_.Begin(v1::OPERATION_TYPE_IMAGE_DELETE, request->name());
    return grpc::Status::OK;
  }

 private:
  static grpc::Status Missing(const std::string& name) {
    return ToGrpc(WireError(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND",
                            absl::StrCat("there is no image \"", name, "\""), "there is: busybox"));
  }

  FakeVxd& vxd_;
};

class FakeVxd::Events : public v1::EventService::Service {
 public:
  explicit Events(FakeVxd* vxd) : vxd_(*vxd) {}

  grpc::Status WatchEvents(grpc::ServerContext*, const v1::WatchEventsRequest* request,
                           grpc::ServerWriter<v1::WatchEventsResponse>* writer) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    int64_t since = request->since_revision();
    if (since == 0) return Snapshot(*request, writer);
    if (since + 1 < vxd_.oldest_event) {
      return ToGrpc(WireError(absl::StatusCode::kOutOfRange, "REVISION_TOO_OLD", "too old"));
    }
    return After(since, writer);
  }

 private:
  // The end of the snapshot, and with `follow` what came after it.
  grpc::Status Snapshot(const v1::WatchEventsRequest& request,
                        grpc::ServerWriter<v1::WatchEventsResponse>* writer) {
    v1::WatchEventsResponse response;
    response.mutable_event()->set_type(v1::EVENT_TYPE_SYNCED);
    bool any = !vxd_.events.empty();
    response.mutable_event()->set_revision(any ? vxd_.events.back().revision() : 0);
    writer->Write(response);
    if (request.until_now()) return grpc::Status::OK;
    return After(0, writer);
  }

  grpc::Status After(int64_t since, grpc::ServerWriter<v1::WatchEventsResponse>* writer) {
    v1::WatchEventsResponse response;
    for (const v1::Event& event : vxd_.events) {
      *response.mutable_event() = event;
      if (event.revision() > since) writer->Write(response);
    }
    return grpc::Status::OK;
  }

  FakeVxd& vxd_;
};

class FakeVxd::System : public v1::SystemService::Service {
 public:
  explicit System(FakeVxd* vxd) : vxd_(*vxd) {}

  grpc::Status GetInfo(grpc::ServerContext*, const v1::GetInfoRequest* request,
                       v1::GetInfoResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    *response = vxd_.info;
    return grpc::Status::OK;
  }

  grpc::Status Doctor(grpc::ServerContext*, const v1::DoctorRequest* request,
                      v1::DoctorResponse* response) override {
    if (grpc::Status refused = vxd_.Note(*request); !refused.ok()) return refused;
    *response = vxd_.doctor;
    return grpc::Status::OK;
  }

 private:
  FakeVxd& vxd_;
};

FakeVxd::FakeVxd()
    : workload_service_(MakeWorkloads(this)),
      operation_service_(std::make_unique<Operations>(this)),
      image_service_(std::make_unique<Images>(this)),
      event_service_(std::make_unique<Events>(this)),
      system_service_(std::make_unique<System>(this)) {
  std::string pattern = absl::StrCat(testing::TempDir(), "vx-fake-XXXXXX");
  dir_ = mkdtemp(pattern.data());
  target_ = absl::StrCat("unix://", dir_, "/vxd.sock");
  grpc::ServerBuilder builder;
  builder.AddListeningPort(absl::StrCat("unix:", dir_, "/vxd.sock"),
                           grpc::InsecureServerCredentials());
  builder.RegisterService(workload_service_.get());
  builder.RegisterService(operation_service_.get());
  builder.RegisterService(image_service_.get());
  builder.RegisterService(event_service_.get());
  builder.RegisterService(system_service_.get());
  server_ = builder.BuildAndStart();
}

FakeVxd::~FakeVxd() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(5));
  EXPECT_TRUE(RemoveTree(dir_).ok());
}

void FakeVxd::AddWorkload(const v1::Workload& workload) {
  absl::MutexLock lock(&mutex_);
  workloads_[workload.name()] = workload;
}

void FakeVxd::SetScript(const Script& script) {
  absl::MutexLock lock(&mutex_);
  script_ = script;
}

void FakeVxd::Refuse(const google::rpc::Status& error) {
  absl::MutexLock lock(&mutex_);
  refusal_ = error;
}

void FakeVxd::FailOperations(const google::rpc::Status& error) {
  absl::MutexLock lock(&mutex_);
  operation_error_ = error;
}

void FakeVxd::HoldOperations() {
  absl::MutexLock lock(&mutex_);
  hold_ = true;
}

void FakeVxd::LoseNextWait() {
  absl::MutexLock lock(&mutex_);
  lose_wait_ = true;
}

void FakeVxd::AddImage(const v1::Image& image) {
  absl::MutexLock lock(&mutex_);
  images_.push_back(image);
}

std::string FakeVxd::imported() const {
  absl::MutexLock lock(&mutex_);
  return imported_;
}

grpc::Status FakeVxd::Note(const google::protobuf::Message& request) {
  absl::MutexLock lock(&mutex_);
  asked_.emplace_back(request.New())->CopyFrom(request);
  return refusal_.code() == 0 ? grpc::Status::OK : ToGrpc(refusal_);
}

v1::Operation FakeVxd::Begin(v1::OperationType type, const std::string& target)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
  return BeginFailed(type, target, operation_error_);
}

v1::Operation FakeVxd::BeginFailed(v1::OperationType type, const std::string& target,
                                   const google::rpc::Status& error)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
  v1::Operation operation;
  operation.set_id(absl::StrFormat("%032x", 0xabc0 + operations_.size()));
  operation.set_type(type);
  operation.set_target(target);
  operation.set_state(v1::OPERATION_STATE_PENDING);
  if (error.code() != 0) *operation.mutable_error() = error;
  operations_[operation.id()] = operation;
  return operation;
}

}  // namespace vx::cli
