#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class LifecycleTest : public DaemonTest {
 protected:
  LifecycleTest() { StartDaemon(); }

  grpc::Status Remove(const std::string& name, bool force) {
    grpc::ClientContext context;
    v1::DeleteWorkloadRequest request;
    v1::DeleteWorkloadResponse response;
    request.set_name(name);
    request.set_force(force);
    grpc::Status status = workloads().DeleteWorkload(&context, request, &response);
    if (status.ok()) {
      v1::Operation operation = Wait(response.operation());
      EXPECT_EQ(operation.state(), v1::OPERATION_STATE_DONE) << operation.DebugString();
    }
    return status;
  }
};

TEST_F(LifecycleTest, CreatedWorkloadIsStoppedAndHasItsDefaults) {
  v1::Workload workload = Made("web", {"sleep", "infinity"});
  EXPECT_EQ(workload.status().state(), v1::STATE_STOPPED);
  EXPECT_EQ(workload.status().desired(), v1::DESIRED_STATE_STOPPED);
  EXPECT_EQ(workload.spec().image(), "busybox:latest");
  EXPECT_EQ(workload.spec().restart(), v1::RESTART_POLICY_NO);
  EXPECT_THAT(workload.spec().networks(), testing::ElementsAre("none"));
  EXPECT_EQ(workload.generation(), 1);
  EXPECT_EQ(workload.uid().size(), 32u);
  EXPECT_FALSE(workload.status().has_exit());
}

TEST_F(LifecycleTest, RunsPausesResumesAndStops) {
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
  Verb(&v1::WorkloadService::Stub::PauseWorkload, "web");
  EXPECT_EQ(Get("web").status().state(), v1::STATE_PAUSED);
  Verb(&v1::WorkloadService::Stub::ResumeWorkload, "web");
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
  EXPECT_EQ(Stop("web").state(), v1::OPERATION_STATE_DONE);
  v1::Workload stopped = Get("web");
  EXPECT_EQ(stopped.status().state(), v1::STATE_STOPPED);
  EXPECT_EQ(stopped.status().exit().reason(), v1::EXIT_REASON_USER);
  EXPECT_EQ(stopped.status().pid(), 0);
}

TEST_F(LifecycleTest, AnEndByItselfIsTakenIn) {
  Made("job", {"exit", "7"}, /*start=*/true);
  WaitStopped("job");
  v1::Exit exit = Get("job").status().exit();
  EXPECT_EQ(exit.code(), 7);
  EXPECT_EQ(exit.reason(), v1::EXIT_REASON_EXITED);
}

TEST_F(LifecycleTest, AnEndByOutOfMemoryKeepsItsReason) {
  Made("hog", {"oom"}, /*start=*/true);
  WaitStopped("hog");
  EXPECT_EQ(Get("hog").status().exit().reason(), v1::EXIT_REASON_OOM);
}

TEST_F(LifecycleTest, AUsersKillIsTheUsersEnd) {
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  v1::Operation killed = Verb(&v1::WorkloadService::Stub::KillWorkload, "web");
  EXPECT_EQ(killed.state(), v1::OPERATION_STATE_DONE);
  v1::WorkloadStatus status = Get("web").status();
  EXPECT_EQ(status.state(), v1::STATE_STOPPED);
  EXPECT_EQ(status.exit().code(), 137);
  EXPECT_EQ(status.exit().signal(), 9);
  EXPECT_EQ(status.exit().reason(), v1::EXIT_REASON_USER);
}

TEST_F(LifecycleTest, RestartBeginsANewRun) {
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  const auto before = Get("web").status().start_time();
  EXPECT_EQ(Verb(&v1::WorkloadService::Stub::RestartWorkload, "web").state(),
            v1::OPERATION_STATE_DONE);
  v1::WorkloadStatus status = Get("web").status();
  EXPECT_EQ(status.state(), v1::STATE_RUNNING);
  EXPECT_NE(status.start_time().SerializeAsString(), before.SerializeAsString());
  EXPECT_FALSE(status.has_exit());
}

TEST_F(LifecycleTest, StartAndStopAreIdempotent) {
  Made("web", {"sleep", "infinity"});
  EXPECT_EQ(Stop("web").state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Start("web").state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Start("web").state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
}

TEST_F(LifecycleTest, ARunningWorkloadIsDeletedByForceOnly) {
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  grpc::Status refused = Remove("web", /*force=*/false);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(refused), "STILL_RUNNING");
  EXPECT_TRUE(Remove("web", /*force=*/true).ok());
  EXPECT_EQ(GetStatus("web").error_code(), grpc::StatusCode::NOT_FOUND);
  auto left = driver().List();
  ASSERT_TRUE(left.ok());
  EXPECT_TRUE(left->empty());
}

TEST_F(LifecycleTest, RemoveOnExitIsKeptByTheDaemon) {
  v1::Workload wanted = Spec("once", {"true"});
  wanted.mutable_spec()->set_remove_on_exit(true);
  v1::CreateWorkloadResponse response;
  ASSERT_TRUE(Create(wanted, response, "", /*start=*/true).ok());
  Wait(response.operation());
  // The wait ends when it has stopped or gone; it goes right after.
  while (GetStatus("once").error_code() != grpc::StatusCode::NOT_FOUND) {
  }
  EXPECT_TRUE(driver().List()->empty());
}

TEST_F(LifecycleTest, ACommandThatIsNotFoundFailsTheStartAndLeaves127) {
  Made("bad", {"no-such-command"});
  v1::Operation started = Start("bad");
  EXPECT_EQ(started.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(Reason(started.error()), "COMMAND_NOT_FOUND");
  v1::WorkloadStatus status = Get("bad").status();
  EXPECT_EQ(status.state(), v1::STATE_STOPPED);
  EXPECT_EQ(status.exit().code(), 127);
}

TEST_F(LifecycleTest, AFailedPrepareLeavesNothing) {
  driver().hooks().Fail("prepare", "*", 1);
  v1::CreateWorkloadResponse response;
  ASSERT_TRUE(Create(Spec("web", {"true"}), response).ok());
  EXPECT_EQ(Wait(response.operation()).state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(GetStatus("web").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(driver().List()->empty());
}

TEST_F(LifecycleTest, VerbsOnWhatDoesNotRunSayHowToStartIt) {
  Made("web", {"sleep", "infinity"});
  grpc::ClientContext context;
  v1::PauseWorkloadRequest request;
  v1::PauseWorkloadResponse response;
  request.set_name("web");
  grpc::Status status = workloads().PauseWorkload(&context, request, &response);
  EXPECT_EQ(Reason(status), "NOT_RUNNING");
}

TEST_F(LifecycleTest, UpdateChangesWhatTheMaskNamesAndChecksTheEtag) {
  v1::Workload made = Made("web", {"sleep", "infinity"}, /*start=*/true);
  auto update = [&](const std::string& etag, int64_t memory) {
    grpc::ClientContext context;
    v1::UpdateWorkloadRequest request;
    v1::UpdateWorkloadResponse response;
    request.mutable_workload()->set_name("web");
    request.mutable_workload()->set_etag(etag);
    request.mutable_workload()->mutable_spec()->mutable_resources()->set_memory_bytes(memory);
    (*request.mutable_workload()->mutable_labels())["not"] = "named";
    request.mutable_update_mask()->add_paths("spec.resources.memory_bytes");
    grpc::Status status = workloads().UpdateWorkload(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return Wait(response.operation());
  };
  EXPECT_EQ(update(made.etag(), 64 << 20).state(), v1::OPERATION_STATE_DONE);
  v1::Workload updated = Get("web");
  EXPECT_EQ(updated.spec().resources().memory_bytes(), 64 << 20);
  EXPECT_EQ(updated.generation(), 2);
  EXPECT_TRUE(updated.labels().empty());
  v1::Operation stale = update(made.etag(), 32 << 20);
  EXPECT_EQ(stale.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(Reason(stale.error()), "ETAG_MISMATCH");
  EXPECT_EQ(Get("web").spec().resources().memory_bytes(), 64 << 20);
}

}  // namespace
}  // namespace vx::integration
