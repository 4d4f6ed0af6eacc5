// Limits are real, and Stats is about the run.
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
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
}

TEST_F(Limits, ARunningGuestGivesMemoryBackAndGetsItAgain) {
  if (!Subject::Get().vm()) GTEST_SKIP() << "a container's limit moves with its cgroup";
  v1::Workload workload = NewWorkload(Behaviour::kReportsOnUsr1);
  v1::Resources& resources = *workload.mutable_spec()->mutable_resources();
  resources.set_memory_bytes(256 * kMiB);
  Prepare(workload);
  Create(workload);
  Start(workload);
  const int64_t pid = PidOf(workload.uid());
  auto reader = OpenLog(workload.uid());
  ASSERT_NE(reader, nullptr);
  auto figure = [&](const std::string& key) {
    VX_EXPECT_OK(driver().Kill(workload.uid(), SIGUSR1));
    return Figure(ReadUntil(*reader, "cpus ", patience()), key);
  };
  ReadUntil(*reader, "ready", patience());
  const int64_t at_boot = figure("memory");
  EXPECT_GT(at_boot, 180 * 1024);

  resources.set_memory_bytes(160 * kMiB);
  VX_ASSERT_OK(driver().Update(workload.uid(), resources));
  EXPECT_NEAR(figure("memory"), at_boot - 96 * 1024, 8 * 1024);
  EXPECT_THAT(MemoryLimit(pid), Optional(absl::StrCat((160 * 65 / 64 + 512) * kMiB + kMiB / 2)));

  resources.set_memory_bytes(256 * kMiB);
  VX_ASSERT_OK(driver().Update(workload.uid(), resources));
  EXPECT_NEAR(figure("memory"), at_boot, 8 * 1024);
  EXPECT_THAT(MemoryLimit(pid), Optional(absl::StrCat((256 + 4 + 512) * kMiB)));

  resources.set_memory_bytes(257 * kMiB);
  EXPECT_THAT(driver().Update(workload.uid(), resources),
              IsError(absl::StatusCode::kFailedPrecondition, "STOP_FIRST"));
}

TEST_F(Limits, AGuestThatUsesItsMemoryKeepsIt) {
  if (!Subject::Get().vm()) GTEST_SKIP() << "a container's limit moves with its cgroup";
  v1::Workload workload = LaunchLimited(256 * kMiB, 1);
  WaitForOutput(workload.uid(), "cpus ");
  const int64_t pid = PidOf(workload.uid());
  v1::Resources less = workload.spec().resources();
  less.set_memory_bytes(8 * kMiB);  // less than its kernel takes
  EXPECT_THAT(driver().Update(workload.uid(), less),
              IsError(absl::StatusCode::kFailedPrecondition, "LIMITS_REFUSED"));
  EXPECT_THAT(MemoryLimit(pid), Optional(absl::StrCat((256 + 4 + 512) * kMiB)));
  ExpectPresence(workload.uid(), Presence::kRunning);
}

TEST_F(Limits, ARunningGuestIsHeldToFewerCpusAtOnce) {
  if (!Subject::Get().vm()) GTEST_SKIP() << "seen of containers above";
  v1::Workload workload = LaunchLimited(128 * kMiB, 2);
  WaitForOutput(workload.uid(), "cpus 2");
  const int64_t pid = PidOf(workload.uid());
  EXPECT_EQ(CpuLimit(pid), -1);
  v1::Resources resources = workload.spec().resources();
  resources.set_cpus(0.5);
  VX_ASSERT_OK(driver().Update(workload.uid(), resources));
  EXPECT_EQ(CpuLimit(pid), 50);
  resources.set_cpus(2);
  resources.set_cpu_weight(200);
  VX_ASSERT_OK(driver().Update(workload.uid(), resources));
  EXPECT_EQ(CpuLimit(pid), -1);
  EXPECT_THAT(CgroupValue(static_cast<int>(pid), "cpu", "cpu.shares", "cpu.weight"),
              Optional(AnyOf(std::string("2048"), std::string("200"))));
  resources.set_cpus(10000);
  EXPECT_THAT(driver().Update(workload.uid(), resources),
              IsError(absl::StatusCode::kFailedPrecondition, "STOP_FIRST"));
}

// The first of the four ids of a line of /proc/PID/status; -1 without one.
int64_t IdOf(int64_t pid, const std::string& key) {
  const std::string status = ReadFile(absl::StrCat("/proc/", pid, "/status")).value_or("");
  for (absl::string_view line : absl::StrSplit(status, '\n')) {
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    int64_t id = -1;
    if (fields.size() == 5 && fields[0] == key + ":" && fields[1] == fields[4] &&
        absl::SimpleAtoi(fields[1], &id)) {
      return id;
    }
  }
  return -1;
}

TEST_F(Limits, AVmsCgroupHoldsItsQemu) {
  if (!Subject::Get().vm()) GTEST_SKIP() << "it has no QEMU";
  v1::Workload workload = NewWorkload(Behaviour::kForever);
  v1::Resources& resources = *workload.mutable_spec()->mutable_resources();
  resources.set_memory_bytes(128 * kMiB);
  resources.set_cpus(0.5);
  resources.set_cpu_weight(50);
  resources.set_cpuset("0");
  Prepare(workload);
  Create(workload);
  Start(workload);
  const int pid = static_cast<int>(PidOf(workload.uid()));
  EXPECT_THAT(MemoryLimit(pid), Optional(absl::StrCat((128 + 2 + 512) * kMiB)));
  EXPECT_EQ(CpuLimit(pid), 50);
  EXPECT_THAT(CgroupValue(pid, "pids", "pids.max", "pids.max"), Optional(std::string("258")));
  EXPECT_THAT(CgroupValue(pid, "cpu", "cpu.shares", "cpu.weight"),
              Optional(AnyOf(std::string("512"), std::string("50"))));
  EXPECT_THAT(CgroupValue(pid, "cpuset", "cpuset.cpus", "cpuset.cpus"), Optional(std::string("0")));
  ExpectSaneUsage(workload.uid());
}

TEST_F(Limits, EveryVmsQemuHasAUserOfItsOwn) {
  if (!Subject::Get().vm()) GTEST_SKIP() << "it has no QEMU";
  const v1::Workload one = Launch(Behaviour::kForever), other = Launch(Behaviour::kForever);
  const int64_t pid = PidOf(one.uid()), other_pid = PidOf(other.uid());
  EXPECT_GE(IdOf(pid, "Uid"), 65536);
  EXPECT_GE(IdOf(other_pid, "Uid"), 65536);
  EXPECT_NE(IdOf(pid, "Uid"), IdOf(other_pid, "Uid"));
  EXPECT_GT(IdOf(pid, "Gid"), 0);
}

// All regular files and sockets below `top`.
std::vector<std::string> FilesBelow(const std::string& top) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(top)) {
    if (entry.is_regular_file() || entry.is_socket()) files.push_back(entry.path());
  }
  return files;
}

// Those that a process of these ids may write, or, where they are files, read.
std::vector<std::string> Reached(const std::vector<std::string>& files, uid_t uid, gid_t gid) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return {"no pipe"};
  const pid_t child = fork();
  if (child == 0) {
    const bool became = setgroups(0, nullptr) == 0 && setgid(gid) == 0 && setuid(uid) == 0;
    for (const std::string& file : files) {
      // A socket takes no reading to be connected to.
      struct stat st = {};
      const bool is_file = stat(file.c_str(), &st) == 0 && S_ISREG(st.st_mode);
      const bool reached = access(file.c_str(), W_OK) == 0 ||
                           (is_file && access(file.c_str(), R_OK) == 0);
      if (!became || reached) dprintf(ends[1], "%s\n", file.c_str());
    }
    _exit(0);
  }
  close(ends[1]);
  std::string text(1 << 16, '\0');
  size_t size = 0;
  for (ssize_t n; (n = read(ends[0], &text[size], text.size() - size)) > 0;) size += n;
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return Lines(text.substr(0, size));
}

TEST_F(Limits, AQemuReachesWhatIsItsVmsAndNothingOfOthers) {
  if (!Subject::Get().vm()) GTEST_SKIP() << "it has no QEMU";
  const v1::Workload one = Launch(Behaviour::kForever), other = Launch(Behaviour::kForever);
  const int64_t pid = PidOf(one.uid());
  std::vector<std::string> files = FilesBelow(Subject::Get().environment().state_dir);
  for (std::string& file : FilesBelow(Subject::Get().environment().runtime_dir)) {
    files.push_back(std::move(file));
  }
  const std::vector<std::string> reached =
      Reached(files, IdOf(pid, "Uid"), static_cast<gid_t>(IdOf(pid, "Gid")));
  EXPECT_THAT(reached, testing::Contains(testing::HasSubstr(one.uid())));
  for (const std::string& file : reached) {
    // libvirt's folders are named by the first digits.
    const bool own = file.find(one.uid().substr(0, 8)) != std::string::npos;
    EXPECT_TRUE(own || file.find("/boot/") != std::string::npos) << file;
  }
}

TEST_F(Limits, AQemuOverItsBoundHasCrashedAndSaysSo) {
  if (!Subject::Get().vm()) GTEST_SKIP() << "it has no QEMU";
  const v1::Workload workload = LaunchUntil(Behaviour::kFillsOnUsr1, "ready");
  const int pid = static_cast<int>(PidOf(workload.uid()));
  auto usage = driver().Stats(workload.uid());
  ASSERT_TRUE(usage.ok()) << usage.status();
  // As if its guest were smaller than what it has.
  const std::string bound = absl::StrCat(usage->memory_bytes() + 32 * kMiB);
  ASSERT_TRUE(
      SetCgroupValue(pid, "memory", "memory.limit_in_bytes", "memory.max", bound));
  SetCgroupValue(pid, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max", bound);
  VX_ASSERT_OK(driver().Kill(workload.uid(), SIGUSR1));
  const v1::Exit exit = WaitForEnd(workload.uid());
  EXPECT_EQ(exit.reason(), v1::EXIT_REASON_CRASHED) << exit.ShortDebugString();
  EXPECT_THAT(exit.message(), testing::HasSubstr("wanted more of the host's memory"));
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
