// Requests that are wrong, and lists in pages.
#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class RequestsTest : public DaemonTest {
 protected:
  RequestsTest() { StartDaemon(); }

  grpc::Status Refused(const v1::Workload& workload) {
    v1::CreateWorkloadResponse response;
    return Create(workload, response);
  }

  v1::ListWorkloadsResponse List(const v1::ListWorkloadsRequest& request) {
    grpc::ClientContext context;
    v1::ListWorkloadsResponse response;
    grpc::Status status = workloads().ListWorkloads(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
};

TEST_F(RequestsTest, EveryBadFieldIsNamedAtOnce) {
  v1::Workload bad = Spec("Bad_Name", {"true"});
  bad.set_kind(v1::KIND_UNSPECIFIED);
  bad.mutable_spec()->mutable_resources()->set_cpus(0);
  bad.mutable_spec()->mutable_resources()->set_memory_bytes(-1);
  bad.mutable_spec()->set_working_dir("relative");
  bad.mutable_spec()->set_stop_signal("NOPE");
  grpc::Status status = Refused(bad);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Reason(status), "INVALID_FIELDS");
  EXPECT_THAT(Fields(status),
              testing::UnorderedElementsAre("name", "kind", "spec.resources.cpus",
                                            "spec.resources.memory_bytes", "spec.working_dir",
                                            "spec.stop_signal"));
}

TEST_F(RequestsTest, WhatIsNotSupportedYetIsRefusedNotIgnored) {
  v1::Workload wanted = Spec("web", {"true"});
  wanted.mutable_spec()->add_mounts()->set_target("/data");
  wanted.mutable_spec()->set_restart(v1::RESTART_POLICY_ALWAYS);
  wanted.mutable_spec()->mutable_health();
  wanted.mutable_spec()->add_tmpfs()->set_target("tmp");
  EXPECT_THAT(Fields(Refused(wanted)), testing::UnorderedElementsAre(
                                           "spec.mounts[0].source", "spec.restart", "spec.health",
                                           "spec.tmpfs[0].target"));
}

TEST_F(RequestsTest, ANameIsTakenOnce) {
  Made("web", {"true"});
  grpc::Status status = Refused(Spec("web", {"true"}));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(Reason(status), "NAME_TAKEN");
  EXPECT_THAT(status.error_message(), testing::HasSubstr("\"web\""));
}

TEST_F(RequestsTest, AnUnknownImageIsNamed) {
  v1::Workload wanted = Spec("web", {"true"});
  wanted.mutable_spec()->set_image("nginx");
  grpc::Status status = Refused(wanted);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Reason(status), "IMAGE_NOT_FOUND");
  EXPECT_THAT(status.error_message(), testing::HasSubstr("nginx"));
}

TEST_F(RequestsTest, AKindWithoutADriverIsRefused) {
  v1::Workload wanted = Spec("web", {"true"});
  wanted.set_kind(v1::KIND_VM);
  grpc::Status status = Refused(wanted);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(status), "DRIVER_UNAVAILABLE");
}

TEST_F(RequestsTest, ALeftOutNameIsChosen) {
  v1::CreateWorkloadResponse response;
  ASSERT_TRUE(Create(Spec("", {"true"}), response).ok());
  Wait(response.operation());
  EXPECT_THAT(response.workload().name(), testing::StartsWith("busybox-"));
}

TEST_F(RequestsTest, AUniquePrefixOfTheUidNamesAWorkload) {
  const std::string uid = Made("web", {"true"}).uid();
  EXPECT_EQ(Get(uid.substr(0, 8)).name(), "web");
  EXPECT_EQ(GetStatus(uid.substr(0, 3)).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(RequestsTest, PagesHoldEveryWorkloadOnce) {
  for (int i = 0; i < 7; ++i) Made("w" + std::to_string(i), {"true"});
  v1::ListWorkloadsRequest request;
  request.set_page_size(3);
  std::vector<std::string> names;
  do {
    v1::ListWorkloadsResponse page = List(request);
    EXPECT_LE(page.workloads_size(), 3);
    for (const auto& workload : page.workloads()) names.push_back(workload.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, testing::ElementsAre("w0", "w1", "w2", "w3", "w4", "w5", "w6"));
}

TEST_F(RequestsTest, FiltersActOnTheServer) {
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  Made("job", {"true"});
  v1::ListWorkloadsRequest request;
  request.add_filters("state=running");
  request.add_filters("kind=container");
  ASSERT_EQ(List(request).workloads_size(), 1);
  EXPECT_EQ(List(request).workloads(0).name(), "web");
}

TEST_F(RequestsTest, AFilterThatCannotHoldIsNamed) {
  for (const char* filter : {"colour=red", "state=asleep", "kind=jail", "web"}) {
    grpc::ClientContext context;
    v1::ListWorkloadsRequest request;
    v1::ListWorkloadsResponse response;
    request.add_filters(filter);
    grpc::Status status = workloads().ListWorkloads(&context, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_THAT(status.error_message(), testing::HasSubstr(filter));
  }
}

TEST_F(RequestsTest, ABadPageTokenIsRefused) {
  grpc::ClientContext context;
  v1::ListWorkloadsRequest request;
  v1::ListWorkloadsResponse response;
  request.set_page_token("what");
  EXPECT_EQ(workloads().ListWorkloads(&context, request, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(RequestsTest, AWaitThatRunsOutOfTimeSaysTheState) {
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  grpc::ClientContext context;
  v1::WaitWorkloadRequest request;
  v1::WaitWorkloadResponse response;
  request.set_name("web");
  request.mutable_timeout()->set_nanos(50'000'000);
  grpc::Status status = workloads().WaitWorkload(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(Reason(status), "WAIT_TIMEOUT");
  EXPECT_THAT(status.error_message(), testing::HasSubstr("running"));
}

}  // namespace
}  // namespace vx::integration
