// The far end of vxctl's wire: a gRPC server on a unix socket that keeps what it is
// asked and answers as a test says. It runs nothing.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "vx/v1/event_service.grpc.pb.h"
#include "vx/v1/image_service.grpc.pb.h"
#include "vx/v1/operation_service.grpc.pb.h"
#include "vx/v1/system_service.grpc.pb.h"
#include "vx/v1/workload_service.grpc.pb.h"

namespace vx::cli {

// What a workload does when it is started.
struct Script {
  // The operation of the start fails with this.
  google::rpc::Status start_error;
  // Whether the failed start also ends the log with an exit.
  bool exit_after_start_error = false;
  std::vector<v1::LogEntry> output;
  v1::Exit exit;
  // Stays until it is killed; its exit code is then 128 + the signal.
  bool until_killed = false;
  // Even a kill does not end it.
  bool deaf = false;
  // The log ends without an exit.
  bool no_exit = false;
  // The connection is lost once, after so many entries; 0: never.
  size_t lost_after = 0;
  // And then the workload is gone.
  bool gone_when_lost = false;
};

// What a daemon would know, and what it was asked. Only to be used while no call
// is under way, or through the methods.
class FakeVxd {
 public:
  FakeVxd();
  ~FakeVxd();

  // "unix:///…".
  const std::string& target() const { return target_; }

  void AddWorkload(const v1::Workload& workload);
  void SetScript(const Script& script);
  // Every method refuses with this from now on.
  void Refuse(const google::rpc::Status& error);
  // The operations of the methods that return one end with this.
  void FailOperations(const google::rpc::Status& error);
  // Operations stay pending until they are cancelled, or until End.
  void HoldOperations();
  // The next WaitOperation loses the connection.
  void LoseNextWait();
  // What StreamStats sends, each once.
  std::vector<v1::StreamStatsResponse> stats;
  void AddImage(const v1::Image& image);
  // What GetInfo and Doctor answer.
  v1::GetInfoResponse info;
  v1::DoctorResponse doctor;
  std::vector<v1::Event> events;
  int64_t oldest_event = 1;
  std::string exported;

  // The requests of one type that came, in order.
  template <typename Request>
  std::vector<Request> Asked() const {
    absl::MutexLock lock(&mutex_);
    std::vector<Request> found;
    for (const auto& each : asked_) {
      if (each->GetDescriptor() == Request::descriptor()) {
        found.push_back(static_cast<const Request&>(*each));
      }
    }
    return found;
  }

  // Waits until a request of the type came; false after 10 s.
  template <typename Request>
  bool WaitFor() const {
    absl::MutexLock lock(&mutex_);
    auto came = [this]() {
      for (const auto& each : asked_) {
        if (each->GetDescriptor() == Request::descriptor()) return true;
      }
      return false;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&came), absl::Seconds(10));
  }

  std::string imported() const;

 private:
  class Workloads;
  class Operations;
  class Images;
  class Events;
  class System;

  static std::unique_ptr<grpc::Service> MakeWorkloads(FakeVxd* vxd);

  grpc::Status Note(const google::protobuf::Message& request);
  v1::Operation Begin(v1::OperationType type, const std::string& target);
  v1::Operation BeginFailed(v1::OperationType type, const std::string& target,
                            const google::rpc::Status& error);

  mutable absl::Mutex mutex_;
  std::vector<std::unique_ptr<google::protobuf::Message>> asked_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Workload> workloads_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, v1::Operation> operations_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Image> images_ ABSL_GUARDED_BY(mutex_);
  std::string imported_ ABSL_GUARDED_BY(mutex_);
  google::rpc::Status refusal_ ABSL_GUARDED_BY(mutex_);
  google::rpc::Status operation_error_ ABSL_GUARDED_BY(mutex_);
  Script script_ ABSL_GUARDED_BY(mutex_);
  bool hold_ ABSL_GUARDED_BY(mutex_) = false;
  bool lose_wait_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  int killed_by_ ABSL_GUARDED_BY(mutex_) = 0;

  std::string dir_;
  std::string target_;
  std::unique_ptr<grpc::Service> workload_service_;
  std::unique_ptr<Operations> operation_service_;
  std::unique_ptr<Images> image_service_;
  std::unique_ptr<Events> event_service_;
  std::unique_ptr<System> system_service_;
  std::unique_ptr<grpc::Server> server_;
};

// As gRPC hands it to a caller.
grpc::Status ToGrpc(const google::rpc::Status& error);

// An error as vxd sends it.
google::rpc::Status WireError(absl::StatusCode code, const std::string& reason,
                              const std::string& message, const std::string& hint = "");

}  // namespace vx::cli
