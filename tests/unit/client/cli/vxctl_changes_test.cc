#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/file.h"
#include "tests/unit/client/cli/fake_vxd.h"
#include "tests/unit/client/cli/vxctl.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class VxctlChanges : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b", "c"}) {
      v1::Workload workload;
      workload.set_name(name);
      workload.mutable_status()->set_state(v1::STATE_RUNNING);
      vxd_.AddWorkload(workload);
    }
  }

  template <typename Request>
  std::vector<std::string> NamesAsked() {
    std::vector<std::string> names;
    for (const Request& request : vxd_.Asked<Request>()) names.push_back(request.name());
    return names;
  }

  FakeVxd vxd_;
};

TEST_F(VxctlChanges, CreateSendsEveryFlag) {
  CommandResult result = Vxctl(vxd_, {"create",
                                      "--kind=container",
                                      "--name",
                                      "web",
                                      "--cpus",
                                      "0.5",
                                      "-m",
                                      "64M",
                                      "--pids",
                                      "50",
                                      "-e",
                                      "A=1",
                                      "-e",
                                      "B=x=y",
                                      "-l",
                                      "tier=front",
                                      "-w",
                                      "/tmp",
                                      "-u",
                                      "1:2",
                                      "--entrypoint",
                                      "/bin/sh",
                                      "--hostname",
                                      "box",
                                      "--network",
                                      "none",
                                      "--restart",
                                      "on-failure",
                                      "--stop-signal",
                                      "INT",
                                      "--stop-timeout",
                                      "500ms",
                                      "--rm",
                                      "-p",
                                      "127.0.0.1:8080:80/udp",
                                      "-v",
                                      "/data:/mnt:ro",
                                      "--privileged",
                                      "busybox:latest",
                                      "--",
                                      "-c",
                                      "echo hi"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "web\n");
  v1::CreateWorkloadRequest request = vxd_.Asked<v1::CreateWorkloadRequest>().at(0);
  EXPECT_FALSE(request.start());
  const v1::Workload& web = request.workload();
  EXPECT_EQ(web.name(), "web");
  EXPECT_EQ(web.kind(), v1::KIND_CONTAINER);
  EXPECT_EQ(web.labels().at("tier"), "front");
  const v1::WorkloadSpec& spec = web.spec();
  EXPECT_EQ(spec.image(), "busybox:latest");
  EXPECT_THAT(spec.command(), ElementsAre("-c", "echo hi"));
  EXPECT_THAT(spec.entrypoint(), ElementsAre("/bin/sh"));
  EXPECT_EQ(spec.env().at("A"), "1");
  EXPECT_EQ(spec.env().at("B"), "x=y");
  EXPECT_EQ(spec.working_dir(), "/tmp");
  EXPECT_EQ(spec.user(), "1:2");
  EXPECT_EQ(spec.hostname(), "box");
  EXPECT_EQ(spec.resources().cpus(), 0.5);
  EXPECT_EQ(spec.resources().memory_bytes(), 64 << 20);
  EXPECT_EQ(spec.resources().pids(), 50);
  EXPECT_FALSE(spec.resources().has_disk_bytes());
  EXPECT_THAT(spec.networks(), ElementsAre("none"));
  EXPECT_EQ(spec.restart(), v1::RESTART_POLICY_ON_FAILURE);
  EXPECT_EQ(spec.stop_signal(), "INT");
  EXPECT_EQ(spec.stop_grace().nanos(), 500'000'000);
  EXPECT_TRUE(spec.remove_on_exit());
  EXPECT_TRUE(spec.privileged());
  EXPECT_EQ(spec.ports(0).host_ip(), "127.0.0.1");
  EXPECT_EQ(spec.ports(0).protocol(), "udp");
  EXPECT_EQ(spec.mounts(0).source(), "/data");
  EXPECT_TRUE(spec.mounts(0).read_only());
}

TEST_F(VxctlChanges, CreateSendsWhatConfines) {
  TempDir dir;
  ASSERT_TRUE(WriteFileAtomic(dir.path() + "/p.json", "{}", 0600).ok());
  const std::string profile = "seccomp=" + dir.path() + "/p.json";
  CommandResult result = Vxctl(vxd_, {"create",
                                      "--kind=container",
                                      "--read-only",
                                      "--init",
                                      "--cap-add",
                                      "NET_ADMIN",
                                      "--cap-drop",
                                      "ALL",
                                      "--security",
                                      profile,
                                      "--security",
                                      "apparmor=mine",
                                      "--security",
                                      "no-new-privileges=false",
                                      "--userns",
                                      "host",
                                      "--device",
                                      "/dev/fuse:/dev/f:rw",
                                      "--device",
                                      "/dev/null:r",
                                      "--tmpfs",
                                      "/tmp:size=1M,mode=700,exec",
                                      "--tmpfs",
                                      "/run",
                                      "-m",
                                      "64M",
                                      "--cpu-weight",
                                      "50",
                                      "--cpuset",
                                      "0",
                                      "--memory-reservation",
                                      "32M",
                                      "--swap",
                                      "16M",
                                      "busybox"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const v1::WorkloadSpec spec = vxd_.Asked<v1::CreateWorkloadRequest>().at(0).workload().spec();
  EXPECT_TRUE(spec.read_only());
  EXPECT_TRUE(spec.init());
  EXPECT_FALSE(spec.privileged());
  EXPECT_THAT(spec.security().cap_add(), ElementsAre("NET_ADMIN"));
  EXPECT_THAT(spec.security().cap_drop(), ElementsAre("ALL"));
  EXPECT_EQ(spec.security().seccomp(), "{}");
  EXPECT_EQ(spec.security().apparmor(), "mine");
  EXPECT_TRUE(spec.security().new_privileges());
  EXPECT_TRUE(spec.security().host_userns());
  EXPECT_EQ(spec.devices(0).target(), "/dev/f");
  EXPECT_EQ(spec.devices(0).access(), "rw");
  EXPECT_EQ(spec.devices(1).target(), "");
  EXPECT_EQ(spec.devices(1).access(), "r");
  EXPECT_EQ(spec.tmpfs(0).size_bytes(), 1 << 20);
  EXPECT_EQ(spec.tmpfs(0).mode(), 0700u);
  EXPECT_TRUE(spec.tmpfs(0).exec());
  EXPECT_FALSE(spec.tmpfs(1).has_size_bytes());
  EXPECT_EQ(spec.resources().cpu_weight(), 50);
  EXPECT_EQ(spec.resources().cpuset(), "0");
  EXPECT_EQ(spec.resources().memory_reservation_bytes(), 32 << 20);
  EXPECT_EQ(spec.resources().swap_bytes(), 16 << 20);
}

TEST_F(VxctlChanges, WhatConfinesAndMakesNoSenseIsMisuse) {
  for (const auto& [flag, value] :
       {std::pair{"--tmpfs", "tmp"}, std::pair{"--tmpfs", "/t:size=much"},
        std::pair{"--tmpfs", "/t:mode=9"}, std::pair{"--tmpfs", "/t:colour=red"},
        std::pair{"--device", "fuse"}, std::pair{"--device", "/a:/b:r:w"},
        std::pair{"--security", "seccomp="}, std::pair{"--security", "seccomp=/not/there"},
        std::pair{"--security", "selinux=x"}, std::pair{"--userns", "guest"},
        std::pair{"--cpu-weight", "much"}, std::pair{"--swap", "much"}}) {
    CommandResult result = Vxctl(vxd_, {"create", "--kind=container", flag, value, "busybox"});
    EXPECT_EQ(result.exit_code, 2) << flag << " " << value;
    EXPECT_THAT(result.err, HasSubstr(flag)) << value;
  }
  EXPECT_TRUE(vxd_.Asked<v1::CreateWorkloadRequest>().empty());
}

TEST_F(VxctlChanges, CreateLeavesWhatIsNotGivenToTheDaemon) {
  EXPECT_EQ(Vxctl(vxd_, {"create", "--kind", "vm", "busybox"}).out, "quiet-fox\n");
  v1::Workload sent = vxd_.Asked<v1::CreateWorkloadRequest>().at(0).workload();
  EXPECT_EQ(sent.name(), "");
  EXPECT_FALSE(sent.spec().has_resources());
  EXPECT_FALSE(sent.spec().has_stop_grace());
  EXPECT_EQ(sent.spec().restart(), v1::RESTART_POLICY_UNSPECIFIED);
}

TEST_F(VxctlChanges, CreateTakesTheNameFirstWhenTheImageIsAFlag) {
  EXPECT_EQ(Vxctl(vxd_, {"create", "--kind=container", "web", "--image", "busybox"}).out, "web\n");
  EXPECT_EQ(vxd_.Asked<v1::CreateWorkloadRequest>().at(0).workload().spec().image(), "busybox");
}

TEST_F(VxctlChanges, CreateWithNoWaitPrintsTheOperation) {
  CommandResult result = Vxctl(vxd_, {"create", "--kind=vm", "--no-wait", "busybox"});
  EXPECT_EQ(result.out, "0000000000000000000000000000abc0\n");
  EXPECT_TRUE(vxd_.Asked<v1::WaitOperationRequest>().empty());
}

TEST_F(VxctlChanges, CreateFailsWithTheOperationsError) {
  vxd_.FailOperations(
      WireError(absl::StatusCode::kResourceExhausted, "NO_SPACE", "the disk is full", "free some"));
  CommandResult result = Vxctl(vxd_, {"create", "--kind=vm", "busybox"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "vxctl: the disk is full (NO_SPACE)\nhint: free some\n");
}

TEST_F(VxctlChanges, EveryVerbActsOnAllThatAreNamed) {
  for (const char* verb : {"start", "stop", "restart", "kill", "pause", "resume", "rm", "delete"}) {
    CommandResult result = Vxctl(vxd_, {verb, "a", "b"});
    EXPECT_EQ(result.exit_code, 0) << verb << result.err;
    EXPECT_EQ(result.out, "a\nb\n") << verb;
  }
  EXPECT_THAT(NamesAsked<v1::StartWorkloadRequest>(), ElementsAre("a", "b"));
  EXPECT_THAT(NamesAsked<v1::RestartWorkloadRequest>(), ElementsAre("a", "b"));
  EXPECT_THAT(NamesAsked<v1::PauseWorkloadRequest>(), ElementsAre("a", "b"));
  EXPECT_THAT(NamesAsked<v1::ResumeWorkloadRequest>(), ElementsAre("a", "b"));
  EXPECT_THAT(NamesAsked<v1::DeleteWorkloadRequest>(), ElementsAre("a", "b", "a", "b"));
}

TEST_F(VxctlChanges, OneFailureIsReportedAndTheRestIsDone) {
  CommandResult result = Vxctl(vxd_, {"stop", "a", "nope", "b"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "a\nb\n");
  EXPECT_EQ(result.err,
            "vxctl: there is no workload \"nope\" (WORKLOAD_NOT_FOUND)\n"
            "hint: vxctl ls -a lists them\n");
}

TEST_F(VxctlChanges, EveryRequestHasAnIdOfItsOwn) {
  Vxctl(vxd_, {"stop", "a", "b"});
  auto stops = vxd_.Asked<v1::StopWorkloadRequest>();
  ASSERT_EQ(stops.size(), 2u);
  EXPECT_EQ(stops[0].request_id().size(), 32u);
  EXPECT_NE(stops[0].request_id(), stops[1].request_id());
}

TEST_F(VxctlChanges, StopSendsItsGraceOnlyWhenGiven) {
  Vxctl(vxd_, {"stop", "a", "-t", "1.5s"});
  Vxctl(vxd_, {"stop", "a"});
  auto stops = vxd_.Asked<v1::StopWorkloadRequest>();
  EXPECT_EQ(stops.at(0).grace().nanos(), 500'000'000);
  EXPECT_EQ(stops.at(0).grace().seconds(), 1);
  EXPECT_FALSE(stops.at(1).has_grace());
}

TEST_F(VxctlChanges, KillSendsTheSignal) {
  Vxctl(vxd_, {"kill", "-s", "HUP", "a"});
  Vxctl(vxd_, {"kill", "a"});
  auto kills = vxd_.Asked<v1::KillWorkloadRequest>();
  EXPECT_EQ(kills.at(0).signal(), "HUP");
  EXPECT_EQ(kills.at(1).signal(), "KILL");
}

TEST_F(VxctlChanges, RmWithoutForceDoesNotForce) {
  Vxctl(vxd_, {"rm", "a"});
  Vxctl(vxd_, {"rm", "-f", "a"});
  auto deletes = vxd_.Asked<v1::DeleteWorkloadRequest>();
  EXPECT_FALSE(deletes.at(0).force());
  EXPECT_TRUE(deletes.at(1).force());
}

TEST_F(VxctlChanges, ALabelSelectsOnTheServer) {
  CommandResult result = Vxctl(vxd_, {"stop", "-l", "tier=front", "-l", "x"});
  EXPECT_EQ(result.out, "a\nb\nc\n");
  EXPECT_THAT(vxd_.Asked<v1::ListWorkloadsRequest>().at(0).filters(),
              ElementsAre("label=tier=front", "label=x"));
}

TEST_F(VxctlChanges, NothingActsOnAllByAccident) {
  EXPECT_EQ(Vxctl(vxd_, {"rm"}).exit_code, 2);
  EXPECT_EQ(Vxctl(vxd_, {"rm", "--all", "a"}).exit_code, 2);
  EXPECT_TRUE(vxd_.Asked<v1::DeleteWorkloadRequest>().empty());
  EXPECT_EQ(Vxctl(vxd_, {"rm", "--all", "-y"}).out, "a\nb\nc\n");
}

TEST_F(VxctlChanges, UpdateSendsAMaskOfWhatIsGiven) {
  CommandResult result =
      Vxctl(vxd_, {"update", "a", "--cpus", "2", "-m", "1G", "--cpuset", "0", "--swap", "0"});
  EXPECT_EQ(result.out, "a\n") << result.err;
  v1::UpdateWorkloadRequest request = vxd_.Asked<v1::UpdateWorkloadRequest>().at(0);
  EXPECT_THAT(request.update_mask().paths(),
              ElementsAre("spec.resources.cpus", "spec.resources.memory_bytes",
                          "spec.resources.cpuset", "spec.resources.swap_bytes"));
  EXPECT_TRUE(request.workload().spec().resources().has_swap_bytes());
  EXPECT_EQ(request.workload().spec().resources().memory_bytes(), int64_t{1} << 30);
}

TEST_F(VxctlChanges, UpdateMergesLabels) {
  v1::Workload workload;
  workload.set_name("a");
  workload.set_etag("e1");
  (*workload.mutable_labels())["keep"] = "1";
  (*workload.mutable_labels())["drop"] = "2";
  vxd_.AddWorkload(workload);
  Vxctl(vxd_, {"set", "a", "-l", "new=3", "-l", "drop-"});
  v1::Workload sent = vxd_.Asked<v1::UpdateWorkloadRequest>().at(0).workload();
  EXPECT_EQ(sent.etag(), "e1");
  EXPECT_EQ(sent.labels().size(), 2u);
  EXPECT_EQ(sent.labels().at("keep"), "1");
  EXPECT_EQ(sent.labels().at("new"), "3");
}

TEST_F(VxctlChanges, UpdateOfNothingIsMisuse) {
  EXPECT_EQ(Vxctl(vxd_, {"update", "a"}).exit_code, 2);
}

TEST_F(VxctlChanges, PlainProgressGoesToStderr) {
  CommandResult result = Vxctl(vxd_, {"--progress=plain", "stop", "a"});
  EXPECT_EQ(result.out, "a\n");
  EXPECT_THAT(result.err, HasSubstr("stop a: "));
}

TEST_F(VxctlChanges, OperationWaitFailsAsTheOperationDid) {
  vxd_.FailOperations(WireError(absl::StatusCode::kAborted, "DAEMON_STOPPED", "vxd was stopped"));
  std::string id = Vxctl(vxd_, {"stop", "a", "--no-wait"}).out;
  id.pop_back();
  CommandResult result = Vxctl(vxd_, {"operation", "wait", id});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "vxctl: vxd was stopped (DAEMON_STOPPED)\n");
}

TEST_F(VxctlChanges, OperationsCanBeSeenAndCancelled) {
  std::string id = Vxctl(vxd_, {"stop", "a", "--no-wait"}).out;
  id.pop_back();
  EXPECT_THAT(Vxctl(vxd_, {"operation", "ls"}).out, HasSubstr(id));
  EXPECT_EQ(Vxctl(vxd_, {"operation", "cancel", id}).out, id + "\n");
  EXPECT_THAT(Vxctl(vxd_, {"operation", "inspect", id}).out, HasSubstr("\"state\": \"cancelled\""));
  EXPECT_EQ(Vxctl(vxd_, {"operation", "inspect", "none"}).exit_code, 1);
}

}  // namespace
}  // namespace vx::cli
