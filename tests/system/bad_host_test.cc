// Hosts that lack something: vxd starts all the same, runs what it can, and says
// what is missing.
#include <signal.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

class BadHostTest : public OwnDaemonTest {
 protected:
  Result RunTrue(const std::string& kind) {
    return vx_.Vxctl({"run", "--rm", "--kind=" + kind, "busybox", "--", "true"});
  }
  // After the driver has finished its probe, as a run waits for it.
  void ExpectUnavailable(const std::string& driver, const std::string& word) {
    Json info = vx_.Driver(driver);
    ASSERT_TRUE(info.is_object()) << "info does not list " << driver;
    EXPECT_EQ(info["state"], "unavailable");
    EXPECT_THAT(info["reason"].get<std::string>(), HasSubstr(word));
  }
};

TEST_F(BadHostTest, WithoutAGuestKernelVmsAreRefusedAndContainersRun) {
  vx_.Start({.args = {"--set", "vm.kernel=/nonexistent/vmlinuz"}});
  EXPECT_THAT(RunTrue("vm"), FailsSaying(1, {"/nonexistent/vmlinuz", "hint:"}));
  EXPECT_THAT(RunTrue("container"), Succeeds());
  ExpectUnavailable("libvirt", "/nonexistent/vmlinuz");
}

TEST_F(BadHostTest, WithoutQemuVmsAreRefusedAndContainersRun) {
  vx_.Start({.args = {"--set", "vm.emulator=/nonexistent/qemu"}});
  EXPECT_THAT(RunTrue("vm"), FailsSaying(1, {"/nonexistent/qemu", "hint:"}));
  EXPECT_THAT(RunTrue("container"), Succeeds());
  ExpectUnavailable("libvirt", "/nonexistent/qemu");
}

TEST_F(BadHostTest, WithoutTheLibvirtModuleContainersRun) {
  std::string drivers = vx_.dir() + "/drivers";
  ASSERT_TRUE(MakeDirs(drivers, 0755).ok());
  std::filesystem::copy_file(VX_TEST_BUILD_DIR "/lib/vx/drivers/container.so",
                             drivers + "/container.so");
  // The module finds what it links beside where it was built.
  vx_.Start({.args = {"--set", "drivers.dir=" + drivers}});
  EXPECT_THAT(RunTrue("vm"), FailsSaying(1, {"libvirt", "hint:"}));
  EXPECT_THAT(RunTrue("container"), Succeeds());
  ExpectUnavailable("libvirt", "libvirt.so");
}

TEST_F(BadHostTest, WithADriverSwitchedOffItsKindIsRefused) {
  vx_.Start({.args = {"--set", "drivers.enabled=container"}});
  EXPECT_THAT(RunTrue("vm"), FailsSaying(1, {"vm"}));
  EXPECT_THAT(RunTrue("container"), Succeeds());
}

TEST_F(BadHostTest, WithoutACgroupHierarchyContainersAreRefused) {
  vx_.Start({.wrapper = {"unshare", "--mount", "sh", "-c",
                         "mount -t tmpfs none /sys/fs/cgroup && exec \"$@\"", "sh"}});
  EXPECT_THAT(RunTrue("container"), FailsSaying(1, {"cgroup", "hint:"}));
  ExpectUnavailable("container", "cgroup");
  EXPECT_THAT(vx_.Vxctl({"doctor"}).out, HasSubstr("cgroup"));
}

TEST_F(BadHostTest, AVmThatRunsIsLookedAfterWhereNoMoreCanRun) {
  vx_.Start();
  for (const char* name : {"stays", "dies"}) {
    ASSERT_THAT(
        vx_.Vxctl({"launch", "--kind=vm", "--name", name, "busybox", "--", "sleep", "1000"}),
        Succeeds());
  }
  const pid_t qemu = vx_.Inspect("dies")["status"]["pid"];
  vx_.Kill();
  ASSERT_EQ(kill(qemu, SIGKILL), 0);
  vx_.Start({.args = {"--set", "vm.emulator=/nonexistent/qemu"}});
  EXPECT_THAT(vx_.Vxctl({"wait", "dies"}), Succeeds());
  EXPECT_EQ(vx_.State("stays"), "running");
  EXPECT_THAT(vx_.Vxctl({"start", "dies"}), FailsSaying(1, {"/nonexistent/qemu", "hint:"}));
  ExpectUnavailable("libvirt", "/nonexistent/qemu");
  EXPECT_THAT(vx_.Vxctl({"stop", "-t", "0s", "stays"}), Succeeds());
  EXPECT_EQ(vx_.State("stays"), "stopped");
  EXPECT_THAT(vx_.Vxctl({"rm", "stays", "dies"}), Succeeds());
}

TEST_F(BadHostTest, DoctorSaysWhichChecksFailAndWhatToDo) {
  vx_.Start({.args = {"--set", "vm.kernel=/nonexistent/vmlinuz"}});
  Result result = vx_.Vxctl({"doctor"});
  EXPECT_THAT(result.out, HasSubstr("/nonexistent/vmlinuz")) << result;
}

}  // namespace
}  // namespace vx::system_test
