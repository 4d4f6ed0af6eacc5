#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class LogsTest : public DaemonTest {
 protected:
  LogsTest() { StartDaemon(); }

  struct Output {
    std::string out;
    std::string err;
    std::optional<v1::Exit> exit;
    grpc::Status status;
  };

  static Output ReadAll(grpc::ClientReader<v1::StreamLogsResponse>& stream) {
    Output output;
    v1::StreamLogsResponse response;
    while (stream.Read(&response)) {
      if (response.has_exit()) output.exit = response.exit();
      for (const v1::LogEntry& entry : response.entries()) {
        (entry.stream() == v1::LOG_STREAM_STDERR ? output.err : output.out) += entry.data();
      }
    }
    output.status = stream.Finish();
    return output;
  }

  // As `vxctl run --rm` does it: the workload is named "once".
  v1::CreateWorkloadResponse Run(std::vector<std::string> command) {
    v1::CreateWorkloadRequest request;
    *request.mutable_workload() = Spec("once", std::move(command));
    request.mutable_workload()->mutable_spec()->set_remove_on_exit(true);
    request.set_start(true);
    request.set_follow(true);
    v1::CreateWorkloadResponse response;
    grpc::ClientContext context;
    grpc::Status status = workloads().CreateWorkload(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  std::unique_ptr<grpc::ClientReader<v1::StreamLogsResponse>> Follow(const std::string& name) {
    v1::StreamLogsRequest request;
    request.set_name(name);
    request.set_follow(true);
    contexts_.push_back(std::make_unique<grpc::ClientContext>());
    return workloads().StreamLogs(contexts_.back().get(), request);
  }

  Output Logs(const v1::StreamLogsRequest& request) {
    grpc::ClientContext context;
    auto stream = workloads().StreamLogs(&context, request);
    return ReadAll(*stream);
  }

 private:
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
};

TEST_F(LogsTest, BothStreamsAreKeptApart) {
  Made("job", {"echo", "out", ";", "echo-err", "err"}, /*start=*/true);
  WaitStopped("job");
  v1::StreamLogsRequest request;
  request.set_name("job");
  Output output = Logs(request);
  EXPECT_EQ(output.out, "out\n");
  EXPECT_EQ(output.err, "err\n");
  EXPECT_TRUE(output.status.ok()) << output.status.error_message();
}

TEST_F(LogsTest, WhatIsRemovedAtItsExitStaysUntilItsFollowerCame) {
  v1::CreateWorkloadResponse created = Run({"echo", "hi", ";", "exit", "7"});
  Wait(created.operation());
  WaitStopped("once");
  EXPECT_TRUE(GetStatus("once").ok());
  Output output = ReadAll(*Follow("once"));
  EXPECT_EQ(output.out, "hi\n");
  ASSERT_TRUE(output.exit.has_value());
  EXPECT_EQ(output.exit->code(), 7);
  WaitGone("once");
}

TEST_F(LogsTest, AFollowerMayComeBeforeTheWorkloadIsMade) {
  driver_options["fake.probe_ms"] = "300";
  RestartDaemon();
  v1::CreateWorkloadResponse created = Run({"echo", "hi", ";", "exit", "7"});
  auto stream = Follow("once");
  stream->WaitForInitialMetadata();
  EXPECT_EQ(Get("once").status().state(), v1::STATE_CREATING);
  Output output = ReadAll(*stream);
  EXPECT_EQ(output.out, "hi\n");
  ASSERT_TRUE(output.exit.has_value());
  EXPECT_EQ(output.exit->code(), 7);
  WaitGone("once");
}

TEST_F(LogsTest, AFollowerOfAFailedStartLearnsTheCode) {
  v1::CreateWorkloadResponse created = Run({"no-such-command"});
  Output output = ReadAll(*Follow("once"));
  EXPECT_EQ(Wait(created.operation()).state(), v1::OPERATION_STATE_FAILED);
  ASSERT_TRUE(output.exit.has_value());
  EXPECT_EQ(output.exit->code(), 127);
  WaitGone("once");
}

TEST_F(LogsTest, AFollowerOfWhatIsNotMadeAfterAllIsLetGo) {
  driver_options["fake.probe_ms"] = "300";
  RestartDaemon();
  v1::CreateWorkloadResponse created = Run({"echo", "hi"});
  auto stream = Follow("once");
  stream->WaitForInitialMetadata();
  grpc::ClientContext context;
  v1::CancelOperationRequest request;
  v1::CancelOperationResponse response;
  request.set_id(created.operation().id());
  ASSERT_TRUE(operations().CancelOperation(&context, request, &response).ok());
  Output output = ReadAll(*stream);
  EXPECT_TRUE(output.status.ok()) << output.status.error_message();
  EXPECT_FALSE(output.exit.has_value());
  EXPECT_EQ(Wait(created.operation()).state(), v1::OPERATION_STATE_CANCELLED);
}

TEST_F(LogsTest, WhatIsRemovedAtItsExitStaysUntilItsFollowerHasAllThatItWrote) {
  // More than fits between the daemon and one who does not read.
  std::vector<std::string> command;
  for (int i = 0; i < 240; ++i) {
    for (const std::string& word :
         {std::string("echo"), std::string(4000, 'x'), std::string(";")}) {
      command.push_back(word);
    }
  }
  command.insert(command.end(), {"exit", "3"});
  Run(command);
  auto stream = Follow("once");
  stream->WaitForInitialMetadata();
  WaitStopped("once");
  EXPECT_EQ(Get("once").status().exit().code(), 3);
  Output output = ReadAll(*stream);
  EXPECT_EQ(output.out.size(), 240u * 4001);
  EXPECT_EQ(output.exit->code(), 3);
  EXPECT_EQ(GetStatus("once").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(LogsTest, AFollowerOfWhatIsMadeAndNotStartedIsLetGo) {
  driver_options["fake.probe_ms"] = "300";
  RestartDaemon();
  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(Spec("idle", {"echo", "hi"}), created).ok());
  Output output = ReadAll(*Follow("idle"));
  EXPECT_TRUE(output.status.ok()) << output.status.error_message();
  EXPECT_FALSE(output.exit.has_value());
  EXPECT_EQ(Get("idle").status().state(), v1::STATE_STOPPED);
}

TEST_F(LogsTest, AFollowOfWhatHasEndedEnds) {
  Made("job", {"echo", "hi"}, /*start=*/true);
  WaitStopped("job");
  v1::StreamLogsRequest request;
  request.set_name("job");
  request.set_follow(true);
  Output output = Logs(request);
  EXPECT_EQ(output.out, "hi\n");
  EXPECT_TRUE(output.status.ok());
}

TEST_F(LogsTest, TailGivesTheLastLines) {
  Made("job", {"echo", "1", ";", "echo", "2", ";", "echo", "3"}, /*start=*/true);
  WaitStopped("job");
  v1::StreamLogsRequest request;
  request.set_name("job");
  request.set_tail(2);
  EXPECT_EQ(Logs(request).out, "2\n3\n");
}

TEST_F(LogsTest, AnUnknownWorkloadIsNamed) {
  v1::StreamLogsRequest request;
  request.set_name("ghost");
  EXPECT_EQ(Reason(Logs(request).status), "WORKLOAD_NOT_FOUND");
}

}  // namespace
}  // namespace vx::integration
