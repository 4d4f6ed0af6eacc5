#include "tests/integration/daemon_fixture.h"

#include <cstdlib>

#include "daemon/base/file.h"
#include "daemon/service/listener.h"
#include "daemon/volume/dir_backend.h"
#include "google/rpc/status.pb.h"

namespace vx::integration {
namespace {

std::string TemporaryDir() {
  char path[] = "/tmp/vx-int-XXXXXX";
  return mkdtemp(path);
}

google::rpc::Status Details(const grpc::Status& status) {
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  return details;
}

}  // namespace

DaemonTest::DaemonTest() : dir_(TemporaryDir()) {}

DaemonTest::~DaemonTest() {
  StopDaemon();
  (void)RemoveTree(dir_);
}

void DaemonTest::StartDaemon() {
  auto store = store::Store::Open(dir_ + "/vx.db");
  ASSERT_TRUE(store.ok()) << store.status();
  store_ = *std::move(store);
  auto images = image::ImageStore::Open(dir_ + "/images", {});
  ASSERT_TRUE(images.ok()) << images.status();
  image_store_ = *std::move(images);
  if (!image_store_->Get("busybox").ok()) {
    auto imported = image_store_->Import(BUSYBOX_ARCHIVE, "busybox");
    ASSERT_TRUE(imported.ok()) << imported.status();
  }
  core_ = std::make_unique<core::Core>(*store_, *image_store_, 16);
  driver::Environment environment{.instance_id = "0123abcd",
                                  .state_dir = dir_ + "/fake",
                                  .runtime_dir = dir_ + "/run",
                                  .options = driver_options};
  ASSERT_TRUE(MakeDirs(environment.state_dir, 0700).ok());
  ASSERT_TRUE(MakeDirs(environment.runtime_dir, 0700).ok());
  auto driver = std::make_unique<fake::FakeDriver>(environment);
  driver_ = driver.get();
  core_->drivers().Add(std::move(driver));
  auto volumes = volume::DirBackend::Open(dir_ + "/volumes");
  ASSERT_TRUE(volumes.ok()) << volumes.status();
  core_->volumes().Add(*std::move(volumes));
  ASSERT_TRUE(core_->Start(booted).ok());
  auto listening = service::BindSocket(socket(), "");
  ASSERT_TRUE(listening.ok()) << listening.status();
  auto server = service::Server::Start(
      *core_, {.socket = *std::move(listening),
               .facts = {"0.0.0", environment.instance_id, dir_, environment.runtime_dir}});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);

  grpc::ChannelArguments arguments;
  // Each life of the daemon is talked to over a connection of its own.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  channel_ =
      grpc::CreateCustomChannel("unix:" + socket(), grpc::InsecureChannelCredentials(), arguments);
  workloads_ = v1::WorkloadService::NewStub(channel_);
  operations_ = v1::OperationService::NewStub(channel_);
  events_ = v1::EventService::NewStub(channel_);
  images_ = v1::ImageService::NewStub(channel_);
  volumes_ = v1::VolumeService::NewStub(channel_);
  system_ = v1::SystemService::NewStub(channel_);
}

void DaemonTest::StopDaemon() {
  if (!server_) return;
  core_->Close();
  server_->Shutdown(absl::ZeroDuration());
  server_.reset();
  core_.reset();
  image_store_.reset();
  store_.reset();
}

v1::Workload Spec(const std::string& name, std::vector<std::string> command) {
  v1::Workload workload;
  workload.set_name(name);
  workload.set_kind(v1::KIND_CONTAINER);
  workload.mutable_spec()->set_image("busybox");
  for (std::string& word : command) workload.mutable_spec()->add_command(std::move(word));
  return workload;
}

grpc::Status DaemonTest::Create(const v1::Workload& workload, v1::CreateWorkloadResponse& response,
                                const std::string& request_id, bool start) {
  grpc::ClientContext context;
  v1::CreateWorkloadRequest request;
  *request.mutable_workload() = workload;
  request.set_request_id(request_id);
  request.set_start(start);
  return workloads_->CreateWorkload(&context, request, &response);
}

v1::Workload DaemonTest::Made(const std::string& name, std::vector<std::string> command,
                              bool start) {
  v1::CreateWorkloadResponse response;
  grpc::Status status = Create(Spec(name, std::move(command)), response, "", start);
  EXPECT_TRUE(status.ok()) << status.error_message();
  v1::Operation ended = Wait(response.operation());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_DONE) << ended.DebugString();
  return Get(name);
}

v1::Workload DaemonTest::Get(const std::string& name) {
  grpc::ClientContext context;
  v1::GetWorkloadRequest request;
  v1::GetWorkloadResponse response;
  request.set_name(name);
  grpc::Status status = workloads_->GetWorkload(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.workload();
}

grpc::Status DaemonTest::GetStatus(const std::string& name) {
  grpc::ClientContext context;
  v1::GetWorkloadRequest request;
  v1::GetWorkloadResponse response;
  request.set_name(name);
  return workloads_->GetWorkload(&context, request, &response);
}

v1::Operation DaemonTest::Wait(const v1::Operation& operation) {
  grpc::ClientContext context;
  v1::WaitOperationRequest request;
  v1::WaitOperationResponse response;
  request.set_id(operation.id());
  grpc::Status status = operations_->WaitOperation(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.operation();
}

v1::Operation DaemonTest::Start(const std::string& name) {
  return Verb(&v1::WorkloadService::Stub::StartWorkload, name);
}

v1::Operation DaemonTest::Stop(const std::string& name) {
  return Verb(&v1::WorkloadService::Stub::StopWorkload, name);
}

v1::Operation DaemonTest::Delete(const std::string& name) {
  return Verb(&v1::WorkloadService::Stub::DeleteWorkload, name);
}

void DaemonTest::WaitGone(const std::string& name) {
  grpc::ClientContext context;
  auto stream = events_->WatchEvents(&context, v1::WatchEventsRequest());
  v1::WatchEventsResponse response;
  bool there = false;
  while (stream->Read(&response)) {
    const v1::Event& event = response.event();
    const bool meant = event.workload().name() == name;
    if (event.type() == v1::EVENT_TYPE_SNAPSHOT) there = there || meant;
    if (event.type() == v1::EVENT_TYPE_SYNCED && !there) break;
    if (event.type() == v1::EVENT_TYPE_WORKLOAD_DELETED && meant) break;
  }
  context.TryCancel();
  stream->Finish();
}

void DaemonTest::WaitFor(const std::string& name, v1::WaitCondition condition) {
  grpc::ClientContext context;
  v1::WaitWorkloadRequest request;
  v1::WaitWorkloadResponse response;
  request.set_name(name);
  request.set_condition(condition);
  request.mutable_timeout()->set_seconds(20);
  grpc::Status status = workloads_->WaitWorkload(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
}

void DaemonTest::WaitStopped(const std::string& name) { WaitFor(name, v1::WAIT_CONDITION_STOPPED); }
void DaemonTest::WaitRunning(const std::string& name) { WaitFor(name, v1::WAIT_CONDITION_RUNNING); }

std::string Reason(const google::rpc::Status& status) {
  google::rpc::ErrorInfo info;
  for (const auto& any : status.details()) {
    if (any.UnpackTo(&info)) return info.reason();
  }
  return "";
}

std::string Reason(const grpc::Status& status) { return Reason(Details(status)); }

std::vector<std::string> Fields(const grpc::Status& status) {
  std::vector<std::string> fields;
  const google::rpc::Status details = Details(status);
  for (const auto& any : details.details()) {
    google::rpc::BadRequest bad;
    if (!any.UnpackTo(&bad)) continue;
    for (const auto& violation : bad.field_violations()) fields.push_back(violation.field());
  }
  return fields;
}

}  // namespace vx::integration
