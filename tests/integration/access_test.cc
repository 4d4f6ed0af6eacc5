// Who may do what, and what ordinary gRPC tools find.
#include <grpcpp/generic/generic_stub.h>

#include "daemon/service/authorizer.h"
#include "daemon/service/peers.h"
#include "google/protobuf/descriptor.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class AccessTest : public DaemonTest {
 protected:
  AccessTest() {
    peers_.Put(2048, {.pid = 1, .uid = 0, .gid = 0});
    peers_.Put(2049, {.pid = 1, .uid = 4711, .gid = 4711});
  }

  absl::StatusOr<service::Caller> As(const std::string& peer,
                                     const google::protobuf::Message& request,
                                     bool host_access = false) {
    return service::Authorizer(peers_, host_access).Authorize(peer, request);
  }

  service::Peers peers_;
};

TEST_F(AccessTest, AnOperatorRunsWorkloads) {
  v1::CreateWorkloadRequest request;
  EXPECT_TRUE(As("fd:2049", request).ok());
}

TEST_F(AccessTest, AnOperatorGetsNothingOfTheHostUnlessTheConfigGrantsIt) {
  v1::CreateWorkloadRequest request;
  request.mutable_workload()->mutable_spec()->set_privileged(true);
  absl::Status denied = As("fd:2049", request).status();
  EXPECT_EQ(denied.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(denied.message()), testing::HasSubstr("workload.spec.privileged"));
  EXPECT_TRUE(As("fd:2049", request, /*host_access=*/true).ok());
  EXPECT_TRUE(As("fd:2048", request).ok());
}

TEST_F(AccessTest, AnOperatorIsRefusedEachFieldThatReachesTheHost) {
  const auto spec = [](v1::CreateWorkloadRequest& request) {
    return request.mutable_workload()->mutable_spec();
  };
  v1::CreateWorkloadRequest seccomp, apparmor, userns, device;
  spec(seccomp)->mutable_security()->set_seccomp("unconfined");
  spec(apparmor)->mutable_security()->set_apparmor("unconfined");
  spec(userns)->mutable_security()->set_host_userns(true);
  spec(device)->add_devices()->set_source("/dev/null");
  for (const auto& [request, field] :
       {std::pair{&seccomp, "spec.security.seccomp"},
        std::pair{&apparmor, "spec.security.apparmor"},
        std::pair{&userns, "spec.security.host_userns"}, std::pair{&device, "spec.devices"}}) {
    const absl::Status denied = As("fd:2049", *request).status();
    EXPECT_EQ(denied.code(), absl::StatusCode::kPermissionDenied) << field;
    EXPECT_THAT(std::string(denied.message()), testing::HasSubstr(field));
    EXPECT_TRUE(As("fd:2049", *request, /*host_access=*/true).ok()) << field;
    EXPECT_TRUE(As("fd:2048", *request).ok()) << field;
  }
}

TEST_F(AccessTest, AnOperatorMayConfineItsWorkloads) {
  v1::CreateWorkloadRequest request;
  v1::WorkloadSpec* spec = request.mutable_workload()->mutable_spec();
  spec->set_read_only(true);
  spec->add_tmpfs()->set_target("/tmp");
  spec->mutable_security()->add_cap_drop("ALL");
  spec->mutable_security()->add_cap_add("NET_ADMIN");
  spec->mutable_security()->set_new_privileges(true);
  EXPECT_TRUE(As("fd:2049", request).ok());
}

TEST_F(AccessTest, AFieldInsideARepeatedMessageIsFoundToo) {
  v1::CreateWorkloadRequest request;
  request.mutable_workload()->mutable_spec()->add_mounts()->set_source("/etc");
  EXPECT_EQ(As("fd:2049", request).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(AccessTest, AVolumesNameIsNoPathOfTheHost) {
  v1::CreateWorkloadRequest request;
  request.mutable_workload()->mutable_spec()->add_mounts()->set_source("data");
  EXPECT_TRUE(As("fd:2049", request).ok());
  request.mutable_workload()->mutable_spec()->add_mounts()->set_source("/etc");
  EXPECT_THAT(std::string(As("fd:2049", request).status().message()),
              testing::HasSubstr("workload.spec.mounts.source"));
}

TEST_F(AccessTest, AnUnknownPeerIsRefused) {
  EXPECT_EQ(As("fd:9", v1::ListWorkloadsRequest()).status().code(),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(As("ipv4:127.0.0.1:1", v1::ListWorkloadsRequest()).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(AccessTest, EveryMethodNamesItsPermission) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  int methods = 0;
  for (const char* name :
       {"WorkloadService", "OperationService", "EventService", "ImageService", "VolumeService",
        "SystemService"}) {
    const auto* service = pool->FindServiceByName(std::string("vx.v1.") + name);
    ASSERT_NE(service, nullptr) << name;
    for (int i = 0; i < service->method_count(); ++i, ++methods) {
      EXPECT_NE(service->method(i)->options().GetExtension(v1::method_permission),
                v1::PERMISSION_UNSPECIFIED)
          << service->method(i)->full_name();
    }
  }
  EXPECT_GT(methods, 20);
}

TEST_F(AccessTest, InfoTellsWhatTheCallerMayDo) {
  StartDaemon();
  grpc::ClientContext context;
  v1::GetInfoResponse response;
  ASSERT_TRUE(system().GetInfo(&context, v1::GetInfoRequest(), &response).ok());
  EXPECT_THAT(response.permissions(), testing::Contains(v1::PERMISSION_ADMIN));
  EXPECT_EQ(response.drivers_size(), 1);
}

TEST_F(AccessTest, HealthAnswers) {
  StartDaemon();
  auto health = grpc::health::v1::Health::NewStub(channel());
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(health->Check(&context, grpc::health::v1::HealthCheckRequest(), &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
}

TEST_F(AccessTest, ReflectionListsTheServices) {
  StartDaemon();
  // grpc.reflection.v1alpha.ServerReflectionRequest{list_services: ""}: field 7.
  grpc::Slice slice(std::string("\x3a\x00", 2));
  grpc::ByteBuffer request(&slice, 1), response;
  grpc::GenericStub stub(channel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  auto call = stub.PrepareCall(
      &context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  call->Write(request, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  call->Read(&response, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(response.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& s : slices)
    bytes.append(reinterpret_cast<const char*>(s.begin()), s.size());
  EXPECT_THAT(bytes, testing::HasSubstr("vx.v1.WorkloadService"));
  EXPECT_THAT(bytes, testing::HasSubstr("grpc.health.v1.Health"));
  grpc::Status status;
  context.TryCancel();
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

}  // namespace
}  // namespace vx::integration
