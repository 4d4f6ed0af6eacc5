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

  Output Logs(const v1::StreamLogsRequest& request) {
    grpc::ClientContext context;
    auto stream = workloads().StreamLogs(&context, request);
    return ReadAll(*stream);
  }
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

TEST_F(LogsTest, AFollowerAttachedBeforeTheStartMissesNothingOfARunThatIsRemoved) {
  v1::Workload wanted = Spec("once", {"echo", "hi", ";", "exit", "7"});
  wanted.mutable_spec()->set_remove_on_exit(true);
  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(wanted, created).ok());
  Wait(created.operation());
  grpc::ClientContext context;
  v1::StreamLogsRequest request;
  request.set_name("once");
  request.set_follow(true);
  request.set_next_run(true);
  auto stream = workloads().StreamLogs(&context, request);
  stream->WaitForInitialMetadata();
  Start("once");
  Output output = ReadAll(*stream);
  EXPECT_EQ(output.out, "hi\n");
  ASSERT_TRUE(output.exit.has_value());
  EXPECT_EQ(output.exit->code(), 7);
  EXPECT_EQ(GetStatus("once").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(LogsTest, AFollowerOfAFailedStartLearnsTheCode) {
  v1::Workload wanted = Spec("once", {"no-such-command"});
  wanted.mutable_spec()->set_remove_on_exit(true);
  v1::CreateWorkloadResponse created;
  ASSERT_TRUE(Create(wanted, created).ok());
  Wait(created.operation());
  grpc::ClientContext context;
  v1::StreamLogsRequest request;
  request.set_name("once");
  request.set_follow(true);
  request.set_next_run(true);
  auto stream = workloads().StreamLogs(&context, request);
  stream->WaitForInitialMetadata();
  EXPECT_EQ(Start("once").state(), v1::OPERATION_STATE_FAILED);
  Output output = ReadAll(*stream);
  ASSERT_TRUE(output.exit.has_value());
  EXPECT_EQ(output.exit->code(), 127);
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
