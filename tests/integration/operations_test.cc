#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class OperationsTest : public DaemonTest {
 protected:
  OperationsTest() { StartDaemon(); }

  grpc::Status Cancel(const std::string& id) {
    grpc::ClientContext context;
    v1::CancelOperationRequest request;
    v1::CancelOperationResponse response;
    request.set_id(id);
    return operations().CancelOperation(&context, request, &response);
  }

  v1::Operation Find(const std::string& id) {
    grpc::ClientContext context;
    v1::GetOperationRequest request;
    v1::GetOperationResponse response;
    request.set_id(id);
    grpc::Status status = operations().GetOperation(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.operation();
  }
};

TEST_F(OperationsTest, AnOperationTellsItsPhases) {
  v1::CreateWorkloadResponse response;
  ASSERT_TRUE(Create(Spec("web", {"sleep", "infinity"}), response, "", /*start=*/true).ok());
  v1::Operation ended = Wait(response.operation());
  std::vector<std::string> phases;
  for (const auto& phase : ended.phases()) phases.push_back(phase.name());
  EXPECT_THAT(phases, testing::ElementsAre("driver", "image", "prepare", "create", "start"));
  EXPECT_TRUE(ended.has_end_time());
  EXPECT_EQ(ended.target(), "web");
  EXPECT_THAT(ended.caller(), testing::StartsWith("uid:"));
}

TEST_F(OperationsTest, ACancelledCreateIsUndone) {
  driver().hooks().Delay("create", absl::Milliseconds(300));
  driver().hooks().Delay("prepare", absl::Milliseconds(300));
  v1::CreateWorkloadResponse response;
  ASSERT_TRUE(Create(Spec("web", {"true"}), response, "", /*start=*/true).ok());
  ASSERT_TRUE(Cancel(response.operation().id()).ok());
  v1::Operation ended = Wait(response.operation());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_CANCELLED) << ended.DebugString();
  // Before "prepare" all is undone; after it the made workload stays, stopped.
  if (GetStatus("web").ok()) {
    EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
  }
  EXPECT_EQ(Reason(Cancel(response.operation().id())), "OPERATION_ENDED");
}

TEST_F(OperationsTest, AnOperationThatRunsIsSeenRunning) {
  driver().hooks().Delay("prepare", absl::Milliseconds(500));
  v1::CreateWorkloadResponse response;
  ASSERT_TRUE(Create(Spec("web", {"true"}), response).ok());
  grpc::ClientContext context;
  v1::WaitOperationRequest request;
  v1::WaitOperationResponse waited;
  request.set_id(response.operation().id());
  request.mutable_timeout()->set_nanos(50'000'000);
  ASSERT_TRUE(operations().WaitOperation(&context, request, &waited).ok());
  EXPECT_EQ(waited.operation().state(), v1::OPERATION_STATE_RUNNING);
  EXPECT_EQ(waited.operation().phase(), "prepare");
  EXPECT_EQ(Wait(response.operation()).state(), v1::OPERATION_STATE_DONE);
}

TEST_F(OperationsTest, ListsAreNewestFirstAndByWorkload) {
  Made("web", {"sleep", "infinity"});
  Made("job", {"true"});
  Start("web");
  grpc::ClientContext context;
  v1::ListOperationsRequest request;
  v1::ListOperationsResponse response;
  request.set_workload("web");
  ASSERT_TRUE(operations().ListOperations(&context, request, &response).ok());
  ASSERT_EQ(response.operations_size(), 2);
  EXPECT_EQ(response.operations(0).type(), v1::OPERATION_TYPE_START);
  EXPECT_EQ(response.operations(1).type(), v1::OPERATION_TYPE_CREATE);
}

TEST_F(OperationsTest, APrefixOfTheIdIsEnough) {
  v1::CreateWorkloadResponse response;
  ASSERT_TRUE(Create(Spec("web", {"true"}), response).ok());
  Wait(response.operation());
  EXPECT_EQ(Find(response.operation().id().substr(0, 8)).id(), response.operation().id());
}

TEST_F(OperationsTest, WorkOnOneWorkloadIsDoneInOrder) {
  Made("web", {"sleep", "infinity"});
  std::vector<v1::Operation> sent;
  for (int i = 0; i < 10; ++i) {
    grpc::ClientContext context;
    if (i % 2 == 0) {
      v1::StartWorkloadRequest request;
      v1::StartWorkloadResponse response;
      request.set_name("web");
      ASSERT_TRUE(workloads().StartWorkload(&context, request, &response).ok());
      sent.push_back(response.operation());
    } else {
      v1::StopWorkloadRequest request;
      v1::StopWorkloadResponse response;
      request.set_name("web");
      ASSERT_TRUE(workloads().StopWorkload(&context, request, &response).ok());
      sent.push_back(response.operation());
    }
  }
  for (const v1::Operation& operation : sent) {
    EXPECT_EQ(Wait(operation).state(), v1::OPERATION_STATE_DONE);
  }
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
}

}  // namespace
}  // namespace vx::integration
