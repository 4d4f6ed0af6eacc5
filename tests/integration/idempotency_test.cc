#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class IdempotencyTest : public DaemonTest {
 protected:
  IdempotencyTest() { StartDaemon(); }
};

TEST_F(IdempotencyTest, TheSameRequestGivesTheSameOperation) {
  v1::CreateWorkloadResponse first, second;
  ASSERT_TRUE(Create(Spec("web", {"true"}), first, "id-1").ok());
  Wait(first.operation());
  ASSERT_TRUE(Create(Spec("web", {"true"}), second, "id-1").ok());
  EXPECT_EQ(first.operation().id(), second.operation().id());
  EXPECT_EQ(first.workload().uid(), second.workload().uid());
}

TEST_F(IdempotencyTest, AnotherBodyUnderTheSameIdIsRefused) {
  v1::CreateWorkloadResponse response;
  ASSERT_TRUE(Create(Spec("web", {"true"}), response, "id-1").ok());
  grpc::Status status = Create(Spec("db", {"true"}), response, "id-1");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(Reason(status), "REQUEST_ID_REUSED");
}

TEST_F(IdempotencyTest, AnotherMethodUnderTheSameIdIsRefused) {
  Made("web", {"sleep", "infinity"});
  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(Spec("db", {"true"}), created, "id-1").ok());
  grpc::ClientContext context;
  v1::StartWorkloadRequest request;
  v1::StartWorkloadResponse response;
  request.set_name("web");
  request.set_request_id("id-1");
  grpc::Status status = workloads().StartWorkload(&context, request, &response);
  EXPECT_EQ(Reason(status), "REQUEST_ID_REUSED");
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
}

TEST_F(IdempotencyTest, TheWindowSurvivesARestart) {
  v1::CreateWorkloadResponse first, second;
  ASSERT_TRUE(Create(Spec("web", {"true"}), first, "id-1").ok());
  Wait(first.operation());
  RestartDaemon();
  ASSERT_TRUE(Create(Spec("web", {"true"}), second, "id-1").ok());
  EXPECT_EQ(first.operation().id(), second.operation().id());
}

TEST_F(IdempotencyTest, MapsInAnyOrderAreTheSameBody) {
  v1::Workload wanted = Spec("web", {"true"});
  for (int i = 0; i < 20; ++i) (*wanted.mutable_labels())["k" + std::to_string(i)] = "v";
  v1::Workload reordered = Spec("web", {"true"});
  for (int i = 19; i >= 0; --i) (*reordered.mutable_labels())["k" + std::to_string(i)] = "v";
  v1::CreateWorkloadResponse first, second;
  ASSERT_TRUE(Create(wanted, first, "id-1").ok());
  grpc::Status status = Create(reordered, second, "id-1");
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(first.operation().id(), second.operation().id());
}

}  // namespace
}  // namespace vx::integration
