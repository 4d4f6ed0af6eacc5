// Limits are real, and Stats is about the run.
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/contract/cgroups.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::Presence;
using testing::AnyOf;
using testing::ElementsAre;
using testing::Optional;

constexpr int64_t kMiB = 1 << 20;

class Limits : public ContractTest {
 protected:
  v1::Workload LaunchLimited(int64_t memory_bytes, double cpus) {
    v1::Workload workload = NewWorkload(Behaviour::kLimits);
    workload.mutable_spec()->mutable_resources()->set_memory_bytes(memory_bytes);
    workload.mutable_spec()->mutable_resources()->set_cpus(cpus);
    Prepare(workload);
    Create(workload);
    Start(workload);
    return workload;
  }

  int64_t PidOf(const std::string& uid) {
    auto seen = driver().Observe(uid);
    return seen.ok() ? seen->pid : 0;
  }

  static absl::Duration CpuTime(const v1::Usage& usage) {
    return absl::Seconds(usage.cpu_time().seconds()) + absl::Nanoseconds(usage.cpu_time().nanos());
  }

  void ExpectSaneUsage(const std::string& uid) {
    auto usage = driver().Stats(uid);
    ASSERT_TRUE(usage.ok()) << usage.status();
    EXPECT_GE(CpuTime(*usage), absl::ZeroDuration());
    EXPECT_LT(CpuTime(*usage), absl::Minutes(10));
    EXPECT_GT(usage->memory_bytes(), 0);
    EXPECT_LT(usage->memory_bytes(), int64_t{2048} * kMiB);
    // What runs inside a guest is its own affair.
    EXPECT_GE(usage->pids(), Subject::Get().vm() ? 0 : 1);
    auto again = driver().Stats(uid);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_GE(CpuTime(*again), CpuTime(*usage));
  }
};

// Value of the line "KEY N"; -1 when there is none.
int64_t Figure(const Output& output, const std::string& key) {
  for (const std::string& line : Lines(output.out)) {
    int64_t value = 0;
    if (line.starts_with(key + " ") && absl::SimpleAtoi(line.substr(key.size() + 1), &value)) {
      return value;
    }
  }
  return -1;
}

std::optional<std::string> MemoryLimit(int64_t pid) {
  return CgroupValue(static_cast<int>(pid), "memory", "memory.limit_in_bytes", "memory.max");
}

// Hundredths of a cpu by the cgroup's quota; -1 when it has none.
int64_t CpuLimit(int64_t pid) {
  const auto max = CgroupValue(static_cast<int>(pid), "cpu", "cpu.cfs_quota_us", "cpu.max");
  const auto period = CgroupValue(static_cast<int>(pid), "cpu", "cpu.cfs_period_us", "cpu.max");
  if (!max || !period) return -1;
  int64_t quota = 0, length = 0;
  const size_t space = period->find(' ');
  const std::string of = space == std::string::npos ? *period : period->substr(space + 1);
  if (!absl::SimpleAtoi(max->substr(0, max->find(' ')), &quota) || quota < 0) return -1;
  return absl::SimpleAtoi(of, &length) && length > 0 ? quota * 100 / length : -1;
}

TEST_F(Limits, AContainersCgroupHoldsMemoryCpusAndPids) {
  if (!Subject::Get().real() || Subject::Get().vm()) GTEST_SKIP() << "no cgroup is asked of it";
  v1::Workload workload = NewWorkload(Behaviour::kForever);
  workload.mutable_spec()->mutable_resources()->set_memory_bytes(64 * kMiB);
  workload.mutable_spec()->mutable_resources()->set_cpus(0.5);
  workload.mutable_spec()->mutable_resources()->set_pids(33);
  Prepare(workload);
  Create(workload);
  Start(workload);
  const int64_t pid = PidOf(workload.uid());
  EXPECT_THAT(MemoryLimit(pid), Optional(absl::StrCat(64 * kMiB)));
  EXPECT_EQ(CpuLimit(pid), 50);
  EXPECT_THAT(CgroupValue(static_cast<int>(pid), "pids", "pids.max", "pids.max"),
              Optional(std::string("33")));
  ExpectSaneUsage(workload.uid());

  v1::Resources more = workload.spec().resources();
  more.set_memory_bytes(96 * kMiB);
  more.set_cpus(0.25);
  VX_ASSERT_OK(driver().Update(workload.uid(), more));
  EXPECT_THAT(MemoryLimit(pid), Optional(absl::StrCat(96 * kMiB)));
  EXPECT_EQ(CpuLimit(pid), 25);
}

TEST_F(Limits, AContainerWithoutLimitsHasTheDefaultOfProcessesOnly) {
  if (!Subject::Get().real() || Subject::Get().vm()) GTEST_SKIP() << "no cgroup is asked of it";
  const v1::Workload workload = Launch(Behaviour::kForever);
  const int64_t pid = PidOf(workload.uid());
  EXPECT_THAT(CgroupValue(static_cast<int>(pid), "pids", "pids.max", "pids.max"),
              Optional(std::string("4096")));
  EXPECT_EQ(CpuLimit(pid), -1);
}

TEST_F(Limits, AGuestSeesItsMemoryAndItsCpus) {
  if (!Subject::Get().vm()) GTEST_SKIP() << "a container sees the host's";
  const v1::Workload workload = LaunchLimited(160 * kMiB, 1.5);
  WaitForOutput(workload.uid(), "cpus ");
  const Output output = OutputOf(workload.uid());
  // The kernel keeps a part for itself.
  EXPECT_GT(Figure(output, "memory"), 90 * 1024);
  EXPECT_LE(Figure(output, "memory"), 160 * 1024);
  EXPECT_EQ(Figure(output, "cpus"), 2);
  ExpectSaneUsage(workload.uid());

  v1::Resources more = workload.spec().resources();
  more.set_memory_bytes(192 * kMiB);
  EXPECT_THAT(
      driver().Update(workload.uid(), more),
      AnyOf(absl::OkStatus(), IsError(absl::StatusCode::kFailedPrecondition, "STOP_FIRST")));
}

TEST_F(Limits, TheNextRunTakesItsLimitsFromTheSpec) {
  if (Subject::Get().real()) GTEST_SKIP() << "seen by the tests of the kinds";
  v1::Workload workload = LaunchLimited(128 * kMiB, 1);
  WaitForOutput(workload.uid(), "\n1\n");
  EXPECT_THAT(Lines(OutputOf(workload.uid()).out), ElementsAre(absl::StrCat(128 * kMiB), "1"));
  ExpectSaneUsage(workload.uid());
  VX_ASSERT_OK(driver().Delete(workload.uid()));
  workload.mutable_spec()->mutable_resources()->set_cpus(0.5);
  Create(workload);
  Start(workload);
  WaitForOutput(workload.uid(), "\n0.5\n");
}

}  // namespace
}  // namespace vx::contract
