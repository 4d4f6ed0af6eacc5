#include "plugins/libvirt/accel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/subprocess.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kProbe[] = VX_BIN "/vx-kvm-probe";

class AccelTest : public ::testing::Test {
 protected:
  // A probe that does as it is told.
  std::string Script(const std::string& body) {
    dir_.Write("probe", "#!/bin/sh\n" + body + "\n");
    chmod(dir_.path("probe").c_str(), 0755);
    return dir_.path("probe");
  }

  TempDir dir_;
};

TEST(KvmProbeTest, AnswersInTimeOnAnyHost) {
  const absl::Time start = absl::Now();
  auto result = RunCommand({kProbe}, absl::Seconds(10));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_LT(absl::Now() - start, absl::Seconds(4));
  EXPECT_THAT(result->exit_code, AnyOf(0, 1, 2, 128 + SIGALRM));
}

TEST_F(AccelTest, ASettingIsTakenAsItIs) {
  EXPECT_EQ(ErrorReason(ChooseAccel("kvm", "/nonexistent").status()), "NO_KVM");
  EXPECT_FALSE(ChooseAccel("tcg", "/nonexistent")->kvm);
}

TEST_F(AccelTest, AnyOtherSettingIsRefused) {
  auto accel = ChooseAccel("hvf", kProbe);
  EXPECT_EQ(accel.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(accel.status()), "BAD_ACCEL");
  EXPECT_THAT(std::string(accel.status().message()), HasSubstr("hvf"));
}

TEST_F(AccelTest, AutoGoesByTheProbe) {
  auto works = ChooseAccel("auto", Script("echo it works; exit 0"));
  EXPECT_TRUE(works->kvm);
  EXPECT_STREQ(works->name(), "kvm");
  EXPECT_EQ(works->finding, "it works");
  auto broken = ChooseAccel("auto", Script("echo it is slow; exit 1"));
  EXPECT_FALSE(broken->kvm);
  EXPECT_STREQ(broken->name(), "tcg");
  EXPECT_EQ(broken->finding, "it is slow");
}

TEST_F(AccelTest, AHangingGuestMeansEmulation) {
  auto accel = ChooseAccel("auto", Script("kill -ALRM $$"));
  EXPECT_FALSE(accel->kvm);
  EXPECT_THAT(accel->finding, HasSubstr("hangs"));
}

TEST_F(AccelTest, AMissingProbeMeansEmulation) {
  auto accel = ChooseAccel("auto", "/nonexistent/vx-kvm-probe");
  ASSERT_TRUE(accel.ok());
  EXPECT_FALSE(accel->kvm);
  EXPECT_THAT(accel->finding, HasSubstr("/nonexistent/vx-kvm-probe"));
}

}  // namespace
}  // namespace vx::libvirt
