#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/client/cli/fake_vxd.h"
#include "tests/unit/client/cli/vxctl.h"

namespace vx::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class VxctlReads : public testing::Test {
 protected:
  void SetUp() override {
    Add("alpha", v1::KIND_CONTAINER, v1::STATE_RUNNING, int64_t{512} << 20);
    Add("beta", v1::KIND_VM, v1::STATE_PAUSED, int64_t{2} << 30);
    v1::Workload stopped = Add("gamma", v1::KIND_VM, v1::STATE_STOPPED, int64_t{64} << 20);
    stopped.mutable_status()->mutable_exit()->set_code(7);
    stopped.mutable_status()->mutable_exit()->set_reason(v1::EXIT_REASON_EXITED);
    vxd_.AddWorkload(stopped);
  }

  v1::Workload Add(const std::string& name, v1::Kind kind, v1::State state, int64_t memory) {
    v1::Workload workload;
    workload.set_name(name);
    workload.set_uid("uid-of-" + name);
    workload.set_kind(kind);
    workload.mutable_create_time()->set_seconds(1'700'000'000);
    workload.mutable_spec()->set_image("busybox");
    workload.mutable_spec()->mutable_resources()->set_memory_bytes(memory);
    workload.mutable_status()->set_state(state);
    vxd_.AddWorkload(workload);
    return workload;
  }

  FakeVxd vxd_;
};

TEST_F(VxctlReads, LsShowsBothKindsInOneTable) {
  CommandResult result = Vxctl(vxd_, {"ls"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out,
              HasSubstr("NAME    KIND        STATE     IMAGE     CPUS   MEMORY   AGE\n"));
  EXPECT_THAT(result.out, HasSubstr("alpha   container   running   busybox   -      512M "));
  EXPECT_THAT(result.out, HasSubstr("beta    vm          paused    busybox   -      2G "));
  EXPECT_THAT(result.out, Not(HasSubstr("gamma")));
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
}

TEST_F(VxctlReads, LsAllShowsTheStoppedToo) {
  EXPECT_THAT(Vxctl(vxd_, {"ls", "-a"}).out, HasSubstr("gamma   vm          stopped (7)"));
  EXPECT_THAT(Vxctl(vxd_, {"ps", "--filter", "state=stopped"}).out, HasSubstr("gamma"));
}

TEST_F(VxctlReads, LsFiltersOnTheServer) {
  Vxctl(vxd_, {"list", "--filter", "kind=vm", "-l", "a=b"});
  EXPECT_THAT(vxd_.Asked<v1::ListWorkloadsRequest>().at(0).filters(),
              ElementsAre("kind=vm", "label=a=b"));
}

TEST_F(VxctlReads, LsTurnsPages) {
  EXPECT_EQ(Vxctl(vxd_, {"ls", "-aq"}).out, "alpha\nbeta\ngamma\n");
  EXPECT_EQ(vxd_.Asked<v1::ListWorkloadsRequest>().size(), 2u);
}

TEST_F(VxctlReads, LsPrintsEveryFormat) {
  EXPECT_EQ(Vxctl(vxd_, {"ls", "-o", "name"}).out, "alpha\nbeta\n");
  EXPECT_EQ(Vxctl(vxd_, {"ls", "-o", "json"}).out.substr(0, 22), "[\n  {\n    \"name\": \"alp");
  EXPECT_EQ(Vxctl(vxd_, {"ls", "-o", "jsonl"}).out.substr(0, 15), "{\"name\":\"alpha\"");
  EXPECT_EQ(Vxctl(vxd_, {"ls", "-o", "yaml"}).out.substr(0, 14), "- name: alpha\n");
  EXPECT_THAT(Vxctl(vxd_, {"ls", "-o", "csv"}).out,
              HasSubstr("alpha,container,running,busybox,,536870912,2023-11-14T22:13:20Z,"));
  EXPECT_THAT(Vxctl(vxd_, {"ls", "-o", "wide"}).out, HasSubstr("uid-of-alpha"));
  EXPECT_EQ(Vxctl(vxd_, {"ls", "--no-headers", "--columns", "name,status.pid"}).out,
            "alpha   0\nbeta    0\n");
}

TEST_F(VxctlReads, LsSortsByValueNotByText) {
  EXPECT_EQ(Vxctl(vxd_, {"ls", "-aq", "--sort", "memory"}).out, "gamma\nalpha\nbeta\n");
  EXPECT_EQ(Vxctl(vxd_, {"ls", "-aq", "--sort", "-memory"}).out, "beta\nalpha\ngamma\n");
  EXPECT_EQ(Vxctl(vxd_, {"ls", "-aq", "--sort", "spec.resources.memoryBytes"}).out,
            "gamma\nalpha\nbeta\n");
  EXPECT_EQ(Vxctl(vxd_, {"ls", "--sort", "bogus"}).exit_code, 2);
}

TEST_F(VxctlReads, InspectPrintsOneObjectOrAnArray) {
  EXPECT_EQ(Vxctl(vxd_, {"inspect", "alpha"}).out.substr(0, 19), "{\n  \"name\": \"alpha\"");
  EXPECT_EQ(Vxctl(vxd_, {"inspect", "alpha", "beta"}).out.substr(0, 6), "[\n  {\n");
  CommandResult partly = Vxctl(vxd_, {"inspect", "alpha", "nope"});
  EXPECT_EQ(partly.exit_code, 1);
  EXPECT_EQ(partly.out.substr(0, 6), "[\n  {\n");
  CommandResult none = Vxctl(vxd_, {"inspect", "nope"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_EQ(none.out, "");
}

TEST_F(VxctlReads, InspectReadsAField) {
  EXPECT_EQ(Vxctl(vxd_, {"inspect", "gamma", "-o", "csv", "--no-headers", "--columns",
                         "status.exit.code,status.exit.reason"})
                .out,
            "7,exited\n");
}

TEST_F(VxctlReads, WaitPrintsTheExitCode) {
  CommandResult result = Vxctl(vxd_, {"wait", "gamma", "--timeout", "5s"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "7\n");
  v1::WaitWorkloadRequest request = vxd_.Asked<v1::WaitWorkloadRequest>().at(0);
  EXPECT_EQ(request.condition(), v1::WAIT_CONDITION_STOPPED);
  EXPECT_EQ(request.timeout().seconds(), 5);
  EXPECT_EQ(Vxctl(vxd_, {"wait", "alpha", "--for=running"}).out, "");
  EXPECT_EQ(Vxctl(vxd_, {"wait", "alpha", "--for=dancing"}).exit_code, 2);
}

TEST_F(VxctlReads, LogsPassOnBothStreams) {
  Script script;
  v1::LogEntry entry;
  entry.set_stream(v1::LOG_STREAM_STDOUT);
  entry.mutable_time()->set_seconds(1'700'000'000);
  entry.set_data("part ");
  script.output.push_back(entry);
  v1::LogEntry rest = entry;
  rest.set_data("whole\n");
  script.output.push_back(rest);
  v1::LogEntry error = entry;
  error.set_stream(v1::LOG_STREAM_STDERR);
  error.set_data("oh\n");
  script.output.push_back(error);
  vxd_.SetScript(script);
  CommandResult plain = Vxctl(vxd_, {"logs", "alpha"});
  EXPECT_EQ(plain.out, "part whole\n");
  EXPECT_EQ(plain.err, "oh\n");
  CommandResult timed = Vxctl(vxd_, {"logs", "alpha", "--timestamps"});
  EXPECT_EQ(timed.out, "2023-11-14T22:13:20Z part whole\n");
  EXPECT_EQ(timed.err, "2023-11-14T22:13:20Z oh\n");
}

TEST_F(VxctlReads, LogsSendTheirFlags) {
  EXPECT_EQ(Vxctl(vxd_, {"logs", "alpha", "-f", "--tail", "3", "--since", "2023-11-14T22:13:20Z"})
                .exit_code,
            0);
  v1::StreamLogsRequest request = vxd_.Asked<v1::StreamLogsRequest>().at(0);
  EXPECT_TRUE(request.follow());
  EXPECT_EQ(request.tail(), 3);
  EXPECT_EQ(request.since().seconds(), 1'700'000'000);
  EXPECT_FALSE(request.console());
  EXPECT_EQ(Vxctl(vxd_, {"logs", "nope"}).exit_code, 1);
  Vxctl(vxd_, {"logs", "--console", "beta"});
  EXPECT_TRUE(vxd_.Asked<v1::StreamLogsRequest>().back().console());
}

TEST_F(VxctlReads, ConsoleIsAMachinesSerialLineAndAContainersOutput) {
  EXPECT_EQ(Vxctl(vxd_, {"console", "--no-stdin", "beta"}).exit_code, 0);
  EXPECT_TRUE(vxd_.Asked<v1::StreamLogsRequest>().back().console());
  EXPECT_EQ(Vxctl(vxd_, {"console", "--no-stdin", "alpha"}).exit_code, 0);
  EXPECT_FALSE(vxd_.Asked<v1::StreamLogsRequest>().back().console());
  EXPECT_EQ(Vxctl(vxd_, {"attach", "--no-stdin", "beta"}).exit_code, 0);
  EXPECT_FALSE(vxd_.Asked<v1::StreamLogsRequest>().back().console());
}

class VxctlEvents : public VxctlReads {
 protected:
  void SetUp() override {
    VxctlReads::SetUp();
    for (int64_t revision = 1; revision <= 20; ++revision) {
      v1::Event& event = vxd_.events.emplace_back();
      event.set_revision(revision);
      event.set_type(v1::EVENT_TYPE_WORKLOAD_CHANGED);
      event.mutable_time()->set_seconds(1'700'000'000 + revision);
      event.mutable_workload()->set_name("alpha");
    }
  }

  std::string Revisions(std::vector<std::string> more) {
    more.insert(more.begin(), {"events", "-q"});
    return Vxctl(vxd_, more).out;
  }
};

TEST_F(VxctlEvents, BeginAfterARevision) {
  EXPECT_EQ(Revisions({"--since", "18"}), "19\n20\n");
  EXPECT_EQ(Revisions({"-f", "--since", "18"}), "19\n20\n");
}

TEST_F(VxctlEvents, WithoutSinceAreAllThatAreKept) {
  vxd_.oldest_event = 17;
  EXPECT_EQ(Revisions({}), "17\n18\n19\n20\n");
}

TEST_F(VxctlEvents, BeginAtATime) {
  vxd_.oldest_event = 5;
  EXPECT_EQ(Revisions({"--since", "2023-11-14T22:13:39Z"}), "19\n20\n");
}

TEST_F(VxctlEvents, FollowedFromNowOnHaveNoSnapshot) {
  EXPECT_THAT(Vxctl(vxd_, {"events", "-f"}).out, Not(HasSubstr("synced")));
}

TEST_F(VxctlEvents, OfAnEmptyDaemonAreNone) {
  vxd_.events.clear();
  EXPECT_EQ(Revisions({}), "");
}

TEST_F(VxctlReads, InfoShowsDriversAndWhatTheyLack) {
  vxd_.info.set_version("1.2.3");
  vxd_.info.mutable_host()->set_memory_bytes(int64_t{24} << 30);
  v1::DriverInfo* driver = vxd_.info.add_drivers();
  driver->set_name("libvirt");
  driver->set_kind(v1::KIND_VM);
  driver->set_state(v1::DRIVER_STATE_UNAVAILABLE);
  driver->set_reason("QEMU is missing");
  driver->add_missing("exec: not yet");
  (*driver->mutable_facts())["accel"] = "tcg";
  CommandResult result = Vxctl(vxd_, {"info"});
  EXPECT_EQ(result.exit_code, 0);
  for (const char* text :
       {"1.2.3", "24G", "vm, unavailable", "QEMU is missing", "exec: not yet", "accel", "tcg"}) {
    EXPECT_THAT(result.out, HasSubstr(text));
  }
  EXPECT_THAT(Vxctl(vxd_, {"info", "-o", "json"}).out, HasSubstr("\"state\": \"unavailable\""));
}

TEST_F(VxctlReads, DoctorFailsWithAFailedCheckOnly) {
  v1::Check* check = vxd_.doctor.add_checks();
  check->set_name("kvm");
  check->set_result(v1::CHECK_RESULT_WARNING);
  EXPECT_EQ(Vxctl(vxd_, {"doctor"}).exit_code, 0);
  check->set_result(v1::CHECK_RESULT_FAILED);
  check->set_hint("load the module");
  CommandResult result = Vxctl(vxd_, {"doctor"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("load the module"));
  EXPECT_EQ(Vxctl(vxd_, {"doctor", "-o", "json"}).exit_code, 1);
}

TEST_F(VxctlReads, VersionTellsBoth) {
  vxd_.info.set_version("9.9.9");
  EXPECT_THAT(Vxctl(vxd_, {"version"}).out, HasSubstr("vxd   9.9.9\n"));
  EXPECT_THAT(Vxctl(vxd_, {"version", "-o", "json"}).out, HasSubstr("\"server\": \"9.9.9\""));
}

TEST_F(VxctlReads, ControlCharactersOfADaemonDoNotReachTheTerminal) {
  vxd_.Refuse(WireError(absl::StatusCode::kInternal, "X", "bad \x1b[31m\nname"));
  EXPECT_EQ(Vxctl(vxd_, {"ls"}).err, "vxctl: bad \\x1b[31m\\x0aname (X)\n");
}

}  // namespace
}  // namespace vx::cli
