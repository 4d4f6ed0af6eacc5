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

  // Until it is in `phase`, or has ended.
  void WaitForPhase(const std::string& id, const std::string& phase) {
    v1::Operation operation;
    do {
      operation = Find(id);
    } while (operation.phase() != phase && !operation.has_end_time());
    EXPECT_EQ(operation.phase(), phase) << operation.DebugString();
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

TEST_F(OperationsTest, ACreateThatIsCancelledInAnyPhaseIsUndone) {
  for (const char* phase : {"prepare", "create", "start"}) {
    // A start is cut short; the others are not.
    driver().hooks().Clear();
    driver().hooks().Delay(phase, absl::Milliseconds(phase == std::string("start") ? 60000 : 300));
    v1::CreateWorkloadResponse response;
    ASSERT_TRUE(Create(Spec("web", {"true"}), response, "", /*start=*/true).ok());
    const std::string id = response.operation().id();
    WaitForPhase(id, phase);
    ASSERT_TRUE(Cancel(id).ok());
    v1::Operation ended = Wait(response.operation());
    EXPECT_EQ(ended.state(), v1::OPERATION_STATE_CANCELLED) << ended.DebugString();
    EXPECT_EQ(GetStatus("web").error_code(), grpc::StatusCode::NOT_FOUND) << phase;
    EXPECT_TRUE(driver().List()->empty()) << phase;
    EXPECT_EQ(Reason(Cancel(id)), "OPERATION_ENDED");
  }
}

TEST_F(OperationsTest, AStartThatIsCancelledLeavesWhatWasThereBefore) {
  driver().hooks().Delay("start", absl::Seconds(60));
  Made("web", {"sleep", "infinity"});
  v1::Operation start = Begin(&v1::WorkloadService::Stub::StartWorkload, "web");
  WaitForPhase(start.id(), "start");
  ASSERT_TRUE(Cancel(start.id()).ok());
  EXPECT_EQ(Wait(start).state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
  EXPECT_EQ(driver().Observe(Get("web").uid())->presence, driver::Presence::kPrepared);
}

TEST_F(OperationsTest, AStopThatIsCancelledDuringItsGraceLeavesItRunning) {
  Made("web", {"trap-term", ";", "sleep", "infinity"}, /*start=*/true);
  v1::StopWorkloadRequest request;
  v1::StopWorkloadResponse response;
  request.set_name("web");
  request.mutable_grace()->set_seconds(60);
  grpc::ClientContext context;
  ASSERT_TRUE(workloads().StopWorkload(&context, request, &response).ok());
  WaitForPhase(response.operation().id(), "stop");
  ASSERT_TRUE(Cancel(response.operation().id()).ok());
  EXPECT_EQ(Wait(response.operation()).state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
  EXPECT_EQ(Get("web").status().desired(), v1::DESIRED_STATE_RUNNING);
  EXPECT_EQ(Get("web").status().message(), "");
}

TEST_F(OperationsTest, WhatEndsAWorkloadDoesNotWaitForItsStart) {
  driver().hooks().Delay("start", absl::Seconds(60));
  Made("web", {"sleep", "infinity"});
  v1::Operation start = Begin(&v1::WorkloadService::Stub::StartWorkload, "web");
  WaitForPhase(start.id(), "start");
  EXPECT_EQ(Stop("web").state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Wait(start).state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);

  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(Spec("job", {"true"}), created, "", /*start=*/true).ok());
  WaitForPhase(created.operation().id(), "start");
  EXPECT_EQ(Verb(&v1::WorkloadService::Stub::KillWorkload, "job").state(),
            v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Wait(created.operation()).state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(Get("job").status().state(), v1::STATE_STOPPED) << "it was made, and stays";
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
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  std::vector<v1::Operation> sent;
  for (int i = 0; i < 5; ++i) {
    sent.push_back(Begin(&v1::WorkloadService::Stub::PauseWorkload, "web"));
    sent.push_back(Begin(&v1::WorkloadService::Stub::ResumeWorkload, "web"));
  }
  for (const v1::Operation& operation : sent) {
    EXPECT_EQ(Wait(operation).state(), v1::OPERATION_STATE_DONE);
  }
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
}

}  // namespace
}  // namespace vx::integration
