// The console of a machine as calls: its log, its viewers and its one writer.
#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class ConsoleTest : public DaemonTest {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::AttachRequest, v1::AttachResponse>;

  struct Session {
    grpc::ClientContext context;
    std::unique_ptr<Stream> stream;

    // Reads until `text` has come.
    bool Shows(const std::string& text) {
      v1::AttachResponse response;
      while (seen.find(text) == std::string::npos) {
        if (!stream->Read(&response)) return false;
        for (const v1::LogEntry& entry : response.entries()) seen += entry.data();
      }
      return true;
    }
    void Type(const std::string& text) {
      v1::AttachRequest request;
      request.set_stdin_data(text);
      EXPECT_TRUE(stream->Write(request));
    }
    // How the call ends.
    grpc::Status End() {
      v1::AttachResponse response;
      while (stream->Read(&response)) {
        if (response.has_exit()) exit = response.exit();
      }
      return stream->Finish();
    }

    std::string seen;
    std::optional<v1::Exit> exit;
  };

  void StartMachines() {
    driver_options["fake.kind"] = "vm";
    StartDaemon();
  }

  v1::Workload MadeMachine(const std::string& name, bool start) {
    v1::Workload workload = Spec(name, {"sleep", "infinity"});
    workload.set_kind(v1::KIND_VM);
    v1::CreateWorkloadResponse response;
    grpc::Status status = Create(workload, response, "", start);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(Wait(response.operation()).state(), v1::OPERATION_STATE_DONE);
    return Get(name);
  }

  std::unique_ptr<Session> Open(const std::string& name, bool typing) {
    auto session = std::make_unique<Session>();
    session->stream = workloads().Attach(&session->context);
    v1::AttachRequest request;
    request.mutable_start()->set_name(name);
    request.mutable_start()->set_console(true);
    request.mutable_start()->set_stdin(typing);
    request.mutable_start()->set_from_start(true);
    EXPECT_TRUE(session->stream->Write(request));
    return session;
  }

  std::pair<std::string, grpc::Status> Log(const std::string& name) {
    grpc::ClientContext context;
    v1::StreamLogsRequest request;
    request.set_name(name);
    request.set_console(true);
    auto stream = workloads().StreamLogs(&context, request);
    std::string all;
    v1::StreamLogsResponse response;
    while (stream->Read(&response)) {
      for (const v1::LogEntry& entry : response.entries()) all += entry.data();
    }
    return {all, stream->Finish()};
  }
};

TEST_F(ConsoleTest, ItsLogIsAnotherThanTheCommands) {
  StartMachines();
  MadeMachine("db", /*start=*/true);
  auto [log, status] = Log("db");
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(log, "kernel: db boots\n");
  Stop("db");
  Start("db");
  EXPECT_EQ(Log("db").first, "kernel: db boots\nkernel: db boots\n");
}

TEST_F(ConsoleTest, AContainerHasNone) {
  StartDaemon();
  Made("web", {"sleep", "infinity"}, /*start=*/true);
  const grpc::Status log = Log("web").second;
  EXPECT_EQ(log.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(log), "NO_CONSOLE");
  for (bool typing : {false, true}) {
    const grpc::Status status = Open("web", typing)->End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
    EXPECT_EQ(Reason(status), "NO_CONSOLE");
  }
}

TEST_F(ConsoleTest, WhatOneTypesAllSee) {
  StartMachines();
  MadeMachine("db", /*start=*/true);
  auto viewer = Open("db", /*typing=*/false);
  auto writer = Open("db", /*typing=*/true);
  EXPECT_TRUE(viewer->Shows("kernel: db boots\n"));
  writer->Type("whoami\n");
  EXPECT_TRUE(writer->Shows("whoami\n"));
  EXPECT_TRUE(viewer->Shows("whoami\n"));
  Stop("db");
  EXPECT_TRUE(viewer->End().ok());
  EXPECT_TRUE(viewer->exit.has_value());
  EXPECT_TRUE(writer->End().ok());
}

TEST_F(ConsoleTest, OneAtATimeTypes) {
  StartMachines();
  MadeMachine("db", /*start=*/true);
  auto first = Open("db", /*typing=*/true);
  first->Type("x\n");
  EXPECT_TRUE(first->Shows("x\n"));
  const grpc::Status refused = Open("db", /*typing=*/true)->End();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(Reason(refused), "CONSOLE_BUSY");
  EXPECT_THAT(refused.error_message(), testing::HasSubstr("\"db\""));
  first->context.TryCancel();
  first->End();
  // It is free once the daemon knows that the first has gone.
  for (int i = 0; i < 1000; ++i) {
    auto next = Open("db", /*typing=*/true);
    next->Type("y\n");
    if (!next->Shows("y\n")) continue;
    next->context.TryCancel();
    return;
  }
  ADD_FAILURE() << "the console stays taken";
}

TEST_F(ConsoleTest, AnEndOfTheDaemonEndsASessionAndFreesTheConsole) {
  StartMachines();
  MadeMachine("db", /*start=*/true);
  auto first = Open("db", /*typing=*/true);
  EXPECT_TRUE(first->Shows("kernel: db boots\n"));
  StopDaemon();
  EXPECT_FALSE(first->End().ok());
  StartDaemon();
  auto next = Open("db", /*typing=*/true);
  next->Type("still here\n");
  EXPECT_TRUE(next->Shows("still here\n"));
  next->context.TryCancel();
}

TEST_F(ConsoleTest, AFollowerOfTheConsoleIsNoneOfTheOutput) {
  StartMachines();
  v1::CreateWorkloadRequest request;
  *request.mutable_workload() = Spec("once", {"echo", "hi"});
  request.mutable_workload()->set_kind(v1::KIND_VM);
  request.mutable_workload()->mutable_spec()->set_remove_on_exit(true);
  request.set_start(true);
  request.set_follow(true);
  v1::CreateWorkloadResponse response;
  grpc::ClientContext create, follow;
  ASSERT_TRUE(workloads().CreateWorkload(&create, request, &response).ok());
  Wait(response.operation());
  WaitStopped("once");
  // Reads it all, and goes: what waits for its follower stays.
  v1::StreamLogsRequest console;
  console.set_name("once");
  console.set_console(true);
  console.set_follow(true);
  auto stream = workloads().StreamLogs(&follow, console);
  v1::StreamLogsResponse piece;
  ASSERT_TRUE(stream->Read(&piece));
  EXPECT_EQ(piece.entries(0).data(), "kernel: once boots\n");
  follow.TryCancel();
  while (stream->Read(&piece)) {
  }
  stream->Finish();
  EXPECT_TRUE(GetStatus("once").ok());
}

}  // namespace
}  // namespace vx::integration
