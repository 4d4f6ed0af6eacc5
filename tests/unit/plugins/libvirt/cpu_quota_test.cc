#include "plugins/libvirt/cpu_quota.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

TEST(CpuQuotaTest, WithoutAControllerAFractionIsRefused) {
  TempDir dir;
  const CpuQuota quota("/vx-test", dir.path());
  EXPECT_EQ(ErrorReason(quota.Limit("vm", getpid(), 0.5)), "NO_CPU_CONTROLLER");
  dir.Write("cgroup.controllers", "cpuset memory\n");
  EXPECT_EQ(ErrorReason(quota.Limit("vm", getpid(), 0.5)), "NO_CPU_CONTROLLER");
}

// On the host's own cgroups, where it may: a process that sleeps is bounded.
TEST(CpuQuotaTest, BoundsAProcessAndLeavesNothing) {
  const std::string parent = "/vx-test-" + std::to_string(getpid());
  const CpuQuota quota(parent);
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const absl::Status status = quota.Limit("vm", child, 0.25);
  const std::string v1 = "/sys/fs/cgroup/cpu" + parent, v2 = "/sys/fs/cgroup" + parent;
  const std::string group = (PathExists(v2) ? v2 : v1) + "/vm";
  auto limit = ReadFile(group + (PathExists(v2) ? "/cpu.max" : "/cpu.cfs_quota_us"));
  auto members = ReadFile(group + "/cgroup.procs");
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  quota.Remove("vm");
  quota.Remove("vm");
  if (!status.ok()) GTEST_SKIP() << status;
  EXPECT_EQ(limit->substr(0, 5), "25000");
  EXPECT_EQ(*members, std::to_string(child) + "\n");
  EXPECT_FALSE(PathExists(v1));
  EXPECT_FALSE(PathExists(v2));
}

}  // namespace
}  // namespace vx::libvirt
