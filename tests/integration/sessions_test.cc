// Exec and Attach as calls: who may what, in which order, and how they end.
#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class SessionsTest : public DaemonTest {
 protected:
  SessionsTest() { StartDaemon(); }

  struct Attached {
    std::string output;
    std::optional<v1::Exit> exit;
    grpc::Status status;
  };

  Attached Attach(const v1::AttachRequest& first) {
    grpc::ClientContext context;
    auto stream = workloads().Attach(&context);
    EXPECT_TRUE(stream->Write(first));
    Attached attached;
    v1::AttachResponse response;
    while (stream->Read(&response)) {
      for (const v1::LogEntry& entry : response.entries()) attached.output += entry.data();
      if (response.has_exit()) attached.exit = response.exit();
    }
    attached.status = stream->Finish();
    return attached;
  }

  grpc::Status Exec(const v1::ExecRequest& first) {
    grpc::ClientContext context;
    auto stream = workloads().Exec(&context);
    EXPECT_TRUE(stream->Write(first));
    v1::ExecResponse response;
    EXPECT_FALSE(stream->Read(&response));
    return stream->Finish();
  }
};

TEST_F(SessionsTest, ExecIsRefusedWhereTheDriverCant) {
  Made("w", {"sleep", "infinity"}, /*start=*/true);
  v1::ExecRequest request;
  request.mutable_start()->set_name("w");
  request.mutable_start()->add_command("true");
  const grpc::Status status = Exec(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(Reason(status), "NO_EXEC");
}

TEST_F(SessionsTest, AllThatIsWrongWithAnExecIsSaidAtOnce) {
  v1::ExecRequest request;
  request.mutable_start()->set_working_dir("etc");
  request.mutable_start()->set_detach(true);
  request.mutable_start()->set_tty(true);
  EXPECT_THAT(Fields(Exec(request)),
              testing::UnorderedElementsAre("start.command", "start.working_dir", "start.detach"));
}

TEST_F(SessionsTest, TheFirstMessageSaysWhatToDo) {
  v1::ExecRequest exec;
  exec.set_stdin_data("x");
  EXPECT_EQ(Exec(exec).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  v1::AttachRequest attach;
  attach.set_stdin_eof(true);
  EXPECT_EQ(Attach(attach).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SessionsTest, ACallerWhoGoesBeforeTheFirstMessageIsLetGo) {
  grpc::ClientContext context;
  auto stream = workloads().Exec(&context);
  stream->WritesDone();
  v1::ExecResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SessionsTest, AttachShowsTheRunToItsEnd) {
  Made("w", {"echo", "out"}, /*start=*/false);
  v1::AttachRequest request;
  request.mutable_start()->set_name("w");
  request.mutable_start()->set_from_start(true);
  Start("w");
  WaitStopped("w");
  const Attached attached = Attach(request);
  EXPECT_TRUE(attached.status.ok()) << attached.status.error_message();
  EXPECT_EQ(attached.output, "out\n");
  ASSERT_TRUE(attached.exit);
  EXPECT_EQ(attached.exit->code(), 0);
}

TEST_F(SessionsTest, InputIsRefusedWhereTheWorkloadHasNone) {
  Made("w", {"sleep", "infinity"}, /*start=*/true);
  v1::AttachRequest request;
  request.mutable_start()->set_name("w");
  request.mutable_start()->set_stdin(true);
  const grpc::Status status = Attach(request).status;
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(status), "NO_STDIN");
}

TEST_F(SessionsTest, WhatIsNotThereIsNotFound) {
  v1::AttachRequest attach;
  attach.mutable_start()->set_name("nobody");
  EXPECT_EQ(Attach(attach).status.error_code(), grpc::StatusCode::NOT_FOUND);
  v1::ExecRequest exec;
  exec.mutable_start()->set_name("nobody");
  exec.mutable_start()->add_command("true");
  EXPECT_EQ(Exec(exec).error_code(), grpc::StatusCode::NOT_FOUND);
}

}  // namespace
}  // namespace vx::integration
