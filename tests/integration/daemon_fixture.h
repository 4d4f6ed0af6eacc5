// A whole vxd in process: store, core, server and the fake driver, in folders of
// its own, with a client on its socket.
#pragma once

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/core/core.h"
#include "daemon/image/image_store.h"
#include "daemon/service/server.h"
#include "daemon/store/store.h"
#include "google/rpc/error_details.pb.h"
#include "plugins/fake/driver.h"
#include "vx/v1/event_service.grpc.pb.h"
#include "vx/v1/image_service.grpc.pb.h"
#include "vx/v1/operation_service.grpc.pb.h"
#include "vx/v1/system_service.grpc.pb.h"
#include "vx/v1/volume_service.grpc.pb.h"
#include "vx/v1/workload_service.grpc.pb.h"

namespace vx::integration {

class DaemonTest : public testing::Test {
 protected:
  DaemonTest();
  ~DaemonTest() override;

  // Options of the fake driver for the next start.
  std::map<std::string, std::string> driver_options;
  // Of the host, before the next start.
  bool booted = false;

  void StartDaemon();
  // Orderly, as SIGTERM does.
  void StopDaemon();
  // A second life over the same folders.
  void RestartDaemon() {
    StopDaemon();
    StartDaemon();
  }

  fake::FakeDriver& driver() { return *driver_; }
  store::Store& store() { return *store_; }
  const std::string& dir() const { return dir_; }
  std::string socket() const { return dir_ + "/vxd.sock"; }
  std::shared_ptr<grpc::Channel> channel() { return channel_; }

  v1::WorkloadService::Stub& workloads() { return *workloads_; }
  v1::OperationService::Stub& operations() { return *operations_; }
  v1::EventService::Stub& events() { return *events_; }
  v1::ImageService::Stub& images() { return *images_; }
  v1::VolumeService::Stub& volumes() { return *volumes_; }
  v1::SystemService::Stub& system() { return *system_; }

  // --- One RPC each; the response is checked by the caller. ---
  grpc::Status Create(const v1::Workload& workload, v1::CreateWorkloadResponse& response,
                      const std::string& request_id = "", bool start = false);
  // Create, wait, and expect success; returns the workload as it then is.
  v1::Workload Made(const std::string& name, std::vector<std::string> command, bool start = false);
  v1::Workload Get(const std::string& name);
  grpc::Status GetStatus(const std::string& name);
  v1::Operation Wait(const v1::Operation& operation);
  // Calls a method that takes a name and returns an operation.
  template <typename Request, typename Response>
  v1::Operation Begin(grpc::Status (v1::WorkloadService::Stub::*method)(grpc::ClientContext*,
                                                                        const Request&, Response*),
                      const std::string& name) {
    grpc::ClientContext context;
    Request request;
    Response response;
    request.set_name(name);
    grpc::Status status = (workloads().*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.operation();
  }
  // The same, and waits for the end.
  template <typename Method>
  v1::Operation Verb(Method method, const std::string& name) {
    const v1::Operation begun = Begin(method, name);
    return begun.id().empty() ? begun : Wait(begun);
  }
  v1::Operation Start(const std::string& name);
  v1::Operation Stop(const std::string& name);
  v1::Operation Delete(const std::string& name);
  // Until the workload is stopped, or gone.
  void WaitStopped(const std::string& name);
  void WaitRunning(const std::string& name);
  // Until it is removed: an event says so, or it is gone already.
  void WaitGone(const std::string& name);

 private:
  void WaitFor(const std::string& name, v1::WaitCondition condition);

  std::string dir_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<image::ImageStore> image_store_;
  std::unique_ptr<core::Core> core_;
  fake::FakeDriver* driver_ = nullptr;
  std::unique_ptr<service::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::WorkloadService::Stub> workloads_;
  std::unique_ptr<v1::OperationService::Stub> operations_;
  std::unique_ptr<v1::EventService::Stub> events_;
  std::unique_ptr<v1::ImageService::Stub> images_;
  std::unique_ptr<v1::VolumeService::Stub> volumes_;
  std::unique_ptr<v1::SystemService::Stub> system_;
};

// A container of the built-in image that runs `command`.
v1::Workload Spec(const std::string& name, std::vector<std::string> command);

// The stable reason in a status' details; the hint; the refused fields.
std::string Reason(const grpc::Status& status);
std::vector<std::string> Fields(const grpc::Status& status);
std::string Reason(const google::rpc::Status& status);

}  // namespace vx::integration
