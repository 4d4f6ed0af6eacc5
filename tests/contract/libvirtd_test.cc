// A libvirtd that goes away under the driver ends nothing and is missed in words.
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/subprocess.h"
#include "tests/contract/contract_test.h"
#include "tests/contract/libvirtd.h"

namespace vx::contract {
namespace {

using driver::Presence;

auto IsUnavailable() { return IsError(absl::StatusCode::kUnavailable, "LIBVIRT_UNAVAILABLE"); }

class LibvirtdTest : public ContractTest {
 protected:
  void SetUp() override {
    libvirtd_ = Subject::Get().libvirtd();
    if (libvirtd_ == nullptr) GTEST_SKIP() << "there is none under the driver";
  }
  void TearDown() override {
    if (libvirtd_ != nullptr) VX_EXPECT_OK(libvirtd_->Start());
    ContractTest::TearDown();
  }

  // What a paused VM is while there is no libvirtd, and after it came back.
  void ExpectKnownThrough(int signal) {
    const v1::Workload workload = LaunchUntil(Behaviour::kForever, "ready");
    VX_ASSERT_OK(driver().Pause(workload.uid()));
    ExpectPresence(workload.uid(), Presence::kPaused);
    const int64_t pid = driver().Observe(workload.uid())->pid;
    libvirtd_->Stop(signal);

    ExpectPresence(workload.uid(), Presence::kPaused);
    EXPECT_EQ(driver().Observe(workload.uid())->pid, pid);
    EXPECT_THAT(driver().Resume(workload.uid()), IsUnavailable());
    const v1::Workload other = NewWorkload(Behaviour::kForever);
    Prepare(other);
    EXPECT_THAT(driver().Create(other).status(), IsUnavailable());

    VX_ASSERT_OK(libvirtd_->Start());
    VX_ASSERT_OK(driver().Resume(workload.uid()));
    ExpectPresence(workload.uid(), Presence::kRunning);
    EXPECT_EQ(driver().Observe(workload.uid())->pid, pid);
    Create(other);
    Start(other);
  }

  Libvirtd* libvirtd_ = nullptr;
};

TEST_F(LibvirtdTest, AVmIsKnownWhileLibvirtdIsStoppedAndAfterwards) { ExpectKnownThrough(SIGTERM); }

TEST_F(LibvirtdTest, AVmIsKnownThoughLibvirtdWasKilled) { ExpectKnownThrough(SIGKILL); }

TEST_F(LibvirtdTest, AVmThatOthersPauseIsToldOf) {
  const v1::Workload workload = LaunchUntil(Behaviour::kForever, "ready");
  const std::string domain =
      absl::StrCat("vx-", Subject::Get().environment().instance_id, "-", workload.uid());
  auto virsh = RunCommandOk({"virsh", "-c", "qemu:///system", "suspend", domain});
  ASSERT_TRUE(virsh.ok()) << virsh.status();
  EXPECT_TRUE(observations().WaitFor(workload.uid(), Presence::kPaused, patience()));
}

TEST_F(LibvirtdTest, AVmEndsAndIsDeletedWithoutLibvirtd) {
  const v1::Workload workload = LaunchUntil(Behaviour::kEndsOnTerm, "ready");
  const v1::Workload killed = LaunchUntil(Behaviour::kForever, "ready");
  libvirtd_->Stop(SIGKILL);
  VX_EXPECT_OK(driver().Stop(workload.uid(), patience()));
  EXPECT_EQ(ExitOf(workload.uid()).code(), 3);
  VX_EXPECT_OK(driver().Kill(killed.uid(), SIGKILL));
  EXPECT_EQ(ExitOf(killed.uid()).signal(), SIGKILL);
  VX_EXPECT_OK(driver().Delete(workload.uid()));
  VX_EXPECT_OK(driver().Release(killed.uid()));
  VX_ASSERT_OK(libvirtd_->Start());
  Create(workload);
  Start(workload);
}

}  // namespace
}  // namespace vx::contract
