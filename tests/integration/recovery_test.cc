// What a new daemon finds: the store and the host are made to agree.
#include <csignal>

#include "absl/time/clock.h"
#include "daemon/core/timestamps.h"
#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class RecoveryTest : public DaemonTest {
 protected:
  RecoveryTest() { StartDaemon(); }

  // Writes what an interrupted daemon leaves: an operation that never ended.
  void LeaveOpen(v1::OperationType type, const std::string& uid, v1::Operation operation = {}) {
    auto store = store::Store::Open(dir() + "/vx.db");
    ASSERT_TRUE(store.ok());
    auto tx = (*store)->Begin(store::Durability::kPromise);
    ASSERT_TRUE(tx.ok());
    operation.set_id("feedfacefeedfacefeedfacefeedface");
    operation.set_type(type);
    *operation.mutable_create_time() = core::ToProto(absl::Now());
    operation.set_state(v1::OPERATION_STATE_PENDING);
    operation.set_workload_uid(uid);
    ASSERT_TRUE(tx->PutOperation(operation).ok());
    ASSERT_TRUE(tx->Commit().ok());
  }

  // The same for how far it had come with a workload.
  void Record(const v1::Workload& workload) {
    auto store = store::Store::Open(dir() + "/vx.db");
    ASSERT_TRUE(store.ok());
    auto tx = (*store)->Begin(store::Durability::kPromise);
    ASSERT_TRUE(tx.ok());
    ASSERT_TRUE(tx->PutWorkload(workload).ok());
    ASSERT_TRUE(tx->Commit().ok());
  }

  // Waits until the driver is ready, and so reconcile is through.
  void WaitReady() {
    v1::GetInfoResponse response;
    do {
      grpc::ClientContext context;
      ASSERT_TRUE(system().GetInfo(&context, v1::GetInfoRequest(), &response).ok());
    } while (response.drivers(0).state() == v1::DRIVER_STATE_PROBING);
  }

  v1::Operation Interrupted() {
    v1::Operation operation;
    operation.set_id("feedfacefeedfacefeedfacefeedface");
    return Wait(operation);
  }
};

TEST_F(RecoveryTest, ARunGoesOnOverARestart) {
  const int64_t pid = Made("web", {"sleep", "infinity"}, /*start=*/true).status().pid();
  RestartDaemon();
  WaitReady();
  v1::Workload found = Get("web");
  EXPECT_EQ(found.status().state(), v1::STATE_RUNNING);
  EXPECT_EQ(found.status().pid(), pid);
  EXPECT_EQ(Stop("web").state(), v1::OPERATION_STATE_DONE);
}

TEST_F(RecoveryTest, AnEndThatNobodySawIsTakenIn) {
  Made("job", {"sleep", "0.2", ";", "exit", "3"}, /*start=*/true);
  RestartDaemon();
  WaitStopped("job");
  EXPECT_EQ(Get("job").status().exit().code(), 3);
}

TEST_F(RecoveryTest, AnInterruptedCreateIsUndoneAndAborted) {
  const std::string uid = Made("web", {"true"}).uid();
  v1::Workload half = Get("web");
  StopDaemon();
  half.mutable_status()->set_state(v1::STATE_CREATING);
  Record(half);
  LeaveOpen(v1::OPERATION_TYPE_CREATE, uid);
  StartDaemon();
  v1::Operation ended = Interrupted();
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_ABORTED);
  EXPECT_EQ(Reason(ended.error()), "INTERRUPTED");
  WaitReady();
  EXPECT_EQ(GetStatus("web").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_TRUE(driver().List()->empty());
}

TEST_F(RecoveryTest, AnInterruptedUndoOfACreateIsFinished) {
  v1::Workload half = Made("web", {"true"});
  StopDaemon();
  half.mutable_status()->set_state(v1::STATE_DELETING);
  Record(half);
  LeaveOpen(v1::OPERATION_TYPE_CREATE, half.uid());
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  WaitReady();
  EXPECT_EQ(GetStatus("web").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(RecoveryTest, AnInterruptedDeleteIsFinished) {
  const std::string uid = Made("web", {"sleep", "infinity"}, /*start=*/true).uid();
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_DELETE, uid);
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(GetStatus("web").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(RecoveryTest, AnInterruptedStopIsFinished) {
  const std::string uid = Made("web", {"sleep", "infinity"}, /*start=*/true).uid();
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_STOP, uid);
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
}

TEST_F(RecoveryTest, AnInterruptedStopIsFinishedWithTheGraceThatItWasGiven) {
  v1::Workload wanted = Spec("deaf", {"trap-term", ";", "sleep", "infinity"});
  wanted.mutable_spec()->mutable_stop_grace()->set_seconds(3600);
  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(wanted, created, "", /*start=*/true).ok());
  const std::string uid = Wait(created.operation()).workload_uid();
  StopDaemon();
  v1::Operation stop;
  stop.mutable_grace()->set_nanos(1);
  LeaveOpen(v1::OPERATION_TYPE_STOP, uid, stop);
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Get("deaf").status().exit().signal(), SIGKILL);
}

TEST_F(RecoveryTest, AnInterruptedStartThatDidNotHappenIsAborted) {
  const std::string uid = Made("web", {"sleep", "infinity"}).uid();
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_START, uid);
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
}

TEST_F(RecoveryTest, AStartThatIsUndoneIsOnRecordAsStoppedBeforeItsRunIsEnded) {
  v1::Workload starting = Made("web", {"sleep", "infinity"});
  ASSERT_TRUE(driver().Create(starting, {}).ok());
  StopDaemon();
  starting.mutable_status()->set_state(v1::STATE_STARTING);
  Record(starting);
  LeaveOpen(v1::OPERATION_TYPE_START, starting.uid());
  driver_options["fake.fail"] = "delete:*:1";
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  WaitReady();
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
  EXPECT_FALSE(Get("web").status().has_exit());
}

TEST_F(RecoveryTest, AnInterruptedRestartThatHadNotEndedTheRunIsAborted) {
  const v1::Workload before = Made("web", {"sleep", "infinity"}, /*start=*/true);
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_RESTART, before.uid());
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  WaitReady();
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
  EXPECT_EQ(Get("web").status().pid(), before.status().pid());
}

TEST_F(RecoveryTest, AnInterruptedRestartThatWasEndingTheRunIsFinished) {
  const v1::Workload before = Made("web", {"sleep", "infinity"}, /*start=*/true);
  v1::Workload ending = before;
  StopDaemon();
  ending.mutable_status()->set_state(v1::STATE_STOPPING);
  Record(ending);
  LeaveOpen(v1::OPERATION_TYPE_RESTART, ending.uid());
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
  EXPECT_GT(core::FromProto(Get("web").status().start_time()),
            core::FromProto(before.status().start_time()));
}

TEST_F(RecoveryTest, AStopThatGoesOnHoldsUpNobodyAndCanBeCancelled) {
  v1::Workload wanted = Spec("deaf", {"trap-term", ";", "sleep", "infinity"});
  wanted.mutable_spec()->mutable_stop_grace()->set_seconds(3600);
  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(wanted, created, "", /*start=*/true).ok());
  const std::string uid = Wait(created.operation()).workload_uid();
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_STOP, uid);
  StartDaemon();
  EXPECT_EQ(Stop("web").state(), v1::OPERATION_STATE_DONE);
  grpc::ClientContext context;
  v1::CancelOperationRequest request;
  v1::CancelOperationResponse response;
  request.set_id("feedfacefeedfacefeedfacefeedface");
  EXPECT_TRUE(operations().CancelOperation(&context, request, &response).ok());
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_CANCELLED);
  EXPECT_EQ(Get("deaf").status().state(), v1::STATE_RUNNING);
}

TEST_F(RecoveryTest, AnInterruptedRestartThatHadOnlyEndedTheRunIsAborted) {
  v1::Workload ended = Made("web", {"sleep", "infinity"}, /*start=*/true);
  driver().SetObserver(nullptr);
  ASSERT_TRUE(driver().Kill(ended.uid(), SIGKILL).ok());
  StopDaemon();
  ended.mutable_status()->set_state(v1::STATE_STOPPED);
  ended.mutable_status()->mutable_exit()->set_reason(v1::EXIT_REASON_USER);
  Record(ended);
  LeaveOpen(v1::OPERATION_TYPE_RESTART, ended.uid());
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  WaitReady();
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
  EXPECT_EQ(Get("web").status().exit().reason(), v1::EXIT_REASON_USER);
}

TEST_F(RecoveryTest, AnInterruptedPauseThatTookEffectIsDone) {
  const std::string uid = Made("web", {"sleep", "infinity"}, /*start=*/true).uid();
  ASSERT_TRUE(driver().Pause(uid).ok());
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_PAUSE, uid);
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_PAUSED);
}

TEST_F(RecoveryTest, AnInterruptedPauseThatTookNoEffectIsAborted) {
  const std::string uid = Made("web", {"sleep", "infinity"}, /*start=*/true).uid();
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_PAUSE, uid);
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
}

TEST_F(RecoveryTest, AnInterruptedKillThatEndedTheRunIsDoneAndAUsers) {
  const std::string uid = Made("web", {"sleep", "infinity"}, /*start=*/true).uid();
  driver().SetObserver(nullptr);
  ASSERT_TRUE(driver().Kill(uid, SIGKILL).ok());
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_KILL, uid);
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
  EXPECT_EQ(Get("web").status().exit().reason(), v1::EXIT_REASON_USER);
}

TEST_F(RecoveryTest, AnInterruptedUpdateLeavesTheOldLimitInForce) {
  const v1::Workload before =
      Made("web", {"on", "USR1", "memory", ";", "sleep", "infinity"}, /*start=*/true);
  v1::Resources larger;
  larger.set_memory_bytes(1 << 30);
  ASSERT_TRUE(driver().Update(before.uid(), larger).ok());
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_UPDATE, before.uid());
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  ASSERT_TRUE(driver().Kill(before.uid(), SIGUSR1).ok());
  auto log = driver().OpenLog(before.uid(), {});
  ASSERT_TRUE(log.ok());
  driver::LogEntry entry;
  ASSERT_TRUE((*log)->Next(entry).value_or(false));
  EXPECT_EQ(entry.data, "0\n");
}

TEST_F(RecoveryTest, WhatAnOperationMadeAndNoWorkloadHasIsRemoved) {
  v1::Workload stray = Spec("stray", {"sleep", "infinity"});
  stray.set_uid("0123456789abcdef0123456789abcdef");
  ASSERT_TRUE(driver().Prepare(stray, {}).ok());
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_CREATE, stray.uid());
  StartDaemon();
  WaitReady();
  EXPECT_TRUE(driver().List()->empty());
}

TEST_F(RecoveryTest, WhatTheInventoryNeverKnewIsEndedAndItsFilesStay) {
  v1::Workload stray = Spec("stray", {"sleep", "infinity"});
  stray.set_uid("0123456789abcdef0123456789abcdef");
  ASSERT_TRUE(driver().Prepare(stray, {}).ok());
  ASSERT_TRUE(driver().Create(stray, {}).ok());
  ASSERT_TRUE(driver().Start(stray.uid()).ok());
  RestartDaemon();
  WaitReady();
  ASSERT_EQ(driver().List()->size(), 1u);
  EXPECT_EQ(driver().Observe(stray.uid())->presence, driver::Presence::kPrepared);
}

TEST_F(RecoveryTest, WhatIsToStartWithTheHostIsStartedAfterABoot) {
  v1::Workload wanted = Spec("auto", {"sleep", "infinity"});
  wanted.mutable_spec()->set_autostart(true);
  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(wanted, created).ok());
  Wait(created.operation());
  Made("plain", {"sleep", "infinity"});
  RestartDaemon();
  WaitReady();
  EXPECT_EQ(Get("auto").status().state(), v1::STATE_STOPPED);
  booted = true;
  RestartDaemon();
  WaitReady();
  WaitRunning("auto");
  EXPECT_EQ(Get("plain").status().state(), v1::STATE_STOPPED);
}

TEST_F(RecoveryTest, WhatIsAskedWhileTheDriverProbesIsDoneAfter) {
  driver_options["fake.probe_ms"] = "300";
  Made("web", {"sleep", "infinity"});
  RestartDaemon();
  // Listing does not wait for it.
  EXPECT_EQ(Get("web").name(), "web");
  EXPECT_EQ(Start("web").state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
}

TEST_F(RecoveryTest, AnUnusableDriverSaysWhyAndAbortsWhatWasInterrupted) {
  const std::string uid = Made("web", {"sleep", "infinity"}).uid();
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_START, uid);
  driver_options["fake.unavailable"] = "the moon is full";
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  WaitReady();
  grpc::ClientContext context;
  v1::StartWorkloadRequest request;
  v1::StartWorkloadResponse response;
  request.set_name("web");
  grpc::Status status = workloads().StartWorkload(&context, request, &response);
  EXPECT_EQ(Reason(status), "DRIVER_UNAVAILABLE");
  EXPECT_THAT(status.error_message(), testing::HasSubstr("the moon is full"));
}

TEST_F(RecoveryTest, AnUnusableDriverStillLooksAfterWhatRuns) {
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  Made("job", {"sleep", "0.2", ";", "exit", "3"}, /*start=*/true);
  driver_options["fake.unavailable"] = "the moon is full";
  RestartDaemon();
  WaitStopped("job");
  EXPECT_EQ(Get("job").status().exit().code(), 3);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_RUNNING);
  EXPECT_EQ(Stop("web").state(), v1::OPERATION_STATE_DONE);
  EXPECT_EQ(Get("web").status().state(), v1::STATE_STOPPED);
  EXPECT_EQ(Delete("web").state(), v1::OPERATION_STATE_DONE);
}

TEST_F(RecoveryTest, WhatIsRemovedAtItsExitAndWasNotStartedIsRemoved) {
  v1::Workload wanted = Spec("once", {"sleep", "infinity"});
  wanted.mutable_spec()->set_remove_on_exit(true);
  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(wanted, created).ok());
  const std::string uid = Wait(created.operation()).workload_uid();
  StopDaemon();
  LeaveOpen(v1::OPERATION_TYPE_START, uid);
  StartDaemon();
  EXPECT_EQ(Interrupted().state(), v1::OPERATION_STATE_ABORTED);
  WaitReady();
  EXPECT_EQ(GetStatus("once").error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace vx::integration
