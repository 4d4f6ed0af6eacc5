// Groups of the kernel that this runs on, of whatever version. Needs root; what a
// host does not have is skipped with a word.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/unique_fd.h"
#include "plugins/cgroup/cgroup.h"
#include "plugins/cgroup/device_filter.h"
#include "plugins/cgroup/files.h"

namespace vx::cgroup {
namespace {

using testing::HasSubstr;
using testing::Optional;

constexpr int64_t kMiB = 1 << 20;

#define ASSERT_FINE(expression)                            \
  do {                                                     \
    const absl::Status fine = (expression);                \
    ASSERT_TRUE(fine.ok()) << #expression << ": " << fine; \
  } while (false)

// One group of the test's own, in every hierarchy, gone with it.
class KernelTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    auto layout = FindCgroups();
    if (!layout.ok() || layout->mode == CgroupMode::kNone) GTEST_SKIP() << "no cgroups are mounted";
    layout_ = *layout;
    path_ = absl::StrCat("/vx-test-", getpid(), "/group");
    group_ = Cgroup::Open(layout_, path_);
    ASSERT_FINE(group_->Make({}));
  }

  void TearDown() override {
    if (group_ == nullptr) return;
    EXPECT_TRUE(group_->Kill(absl::Seconds(10)).ok());
    for (pid_t pid : children_) waitpid(pid, nullptr, 0);
    const absl::Status removed = group_->Remove();
    EXPECT_TRUE(removed.ok()) << removed;
  }

  bool v2() const { return layout_.mode == CgroupMode::kV2; }
  bool Has(const std::string& controller) const {
    if (!v2()) return layout_.controllers.contains(controller);
    return HasWord(ReadFile(layout_.unified + "/cgroup.controllers").value_or(""), controller);
  }

  // Of the file by that version's name.
  std::string Read(const std::string& controller, const std::string& v1,
                   const std::string& v2_name) {
    const std::string mount = v2() ? layout_.unified : layout_.controllers.at(controller);
    auto text = ReadFile(absl::StrCat(mount, path_, "/", v2() ? v2_name : v1));
    return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : text.status().ToString();
  }

  // A process that is in the group, and whose exit status is what `run` returns.
  pid_t Enter(const std::function<int()>& run) {
    auto doors = group_->OpenDoors();
    int inside_pipe[2];
    if (!doors.ok() || pipe2(inside_pipe, O_CLOEXEC) < 0) return -1;
    UniqueFd read_end(inside_pipe[0]), write_end(inside_pipe[1]);
    const pid_t pid = fork();
    if (pid == 0) {
      bool inside = true;
      for (const UniqueFd& tasks : doors->tasks) inside = inside && write(tasks.get(), "0", 1) == 1;
      if (doors->into.valid()) {
        const UniqueFd procs(openat(doors->into.get(), "cgroup.procs", O_WRONLY));
        inside = inside && write(procs.get(), "0", 1) == 1;
      }
      write_end.reset();
      _exit(inside ? run() : 99);
    }
    children_.push_back(pid);
    write_end.reset();
    char none;
    read(read_end.get(), &none, 1);
    return pid;
  }

  // Its wait status.
  int WaitFor(pid_t pid) {
    std::erase(children_, pid);
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
  }
  int ExitStatus(const std::function<int()>& run) {
    const int status = WaitFor(Enter(run));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  static bool HasWord(const std::string& text, const std::string& word) {
    const std::vector<std::string> words = absl::StrSplit(text, absl::ByAnyChar(" \n"));
    return std::find(words.begin(), words.end(), word) != words.end();
  }

  CgroupLayout layout_;
  std::string path_;
  std::unique_ptr<Cgroup> group_;
  std::vector<pid_t> children_;
};

int Sleep() {
  while (true) pause();
}

int UseMemory() {
  constexpr size_t kSize = 256 * kMiB;
  void* memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  return memory == MAP_FAILED ? 1 : 0;
}

// 0, or the number of the error.
int OpenDevice(const char* path, int flags) {
  const UniqueFd fd(open(path, flags | O_CLOEXEC));
  return fd.valid() ? 0 : errno;
}

// A disk, by number; nothing when there is none.
std::optional<BlockDevice> AnyDisk() {
  for (const std::string& name : ListDir("/sys/block").value_or(std::vector<std::string>())) {
    const std::string numbers = ReadFile("/sys/block/" + name + "/dev").value_or("");
    const std::vector<std::string> parts = absl::StrSplit(absl::StripAsciiWhitespace(numbers), ':');
    BlockDevice disk;
    if (parts.size() == 2 && !name.starts_with("loop") && !name.starts_with("ram") &&
        absl::SimpleAtoi(parts[0], &disk.major) && absl::SimpleAtoi(parts[1], &disk.minor)) {
      return disk;
    }
  }
  return std::nullopt;
}

TEST_F(KernelTest, MemoryAndSwapMoveTogetherInBothDirections) {
  if (!Has("memory")) GTEST_SKIP() << "no controller memory";
  const bool counts_swap =
      PathExists(absl::StrCat(v2() ? layout_.unified : layout_.controllers.at("memory"), path_,
                              v2() ? "/memory.swap.max" : "/memory.memsw.limit_in_bytes"));
  if (!counts_swap) GTEST_SKIP() << "the kernel does not count swap";
  const std::pair<int64_t, int64_t> steps[] = {{64, 96}, {128, 256}, {32, 32}, {32, 128}, {16, 64}};
  for (const auto& [memory, both] : steps) {
    ASSERT_FINE(group_->Apply({.memory_bytes = memory * kMiB, .memory_swap_bytes = both * kMiB}));
    EXPECT_EQ(Read("memory", "memory.limit_in_bytes", "memory.max"), absl::StrCat(memory * kMiB));
    EXPECT_EQ(Read("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
              absl::StrCat((v2() ? both - memory : both) * kMiB));
  }
  ASSERT_FINE(group_->Apply({.memory_bytes = 48 * kMiB}));
  auto stats = group_->Stats();
  ASSERT_FINE(stats.status());
  EXPECT_THAT(stats->memory.limit, Optional(48 * kMiB));
  EXPECT_THAT(stats->memory.swap_limit, Optional(0));
  ASSERT_FINE(group_->Apply({.memory_bytes = -1}));
  EXPECT_EQ(group_->Stats()->memory.limit, std::nullopt);
  EXPECT_EQ(group_->Stats()->memory.swap_limit, std::nullopt);
}

TEST_F(KernelTest, QuotaBurstAndIdleMoveInAnyOrder) {
  if (!Has("cpu")) GTEST_SKIP() << "no controller cpu";
  auto burst = [&] { return Read("cpu", "cpu.cfs_burst_us", "cpu.max.burst"); };
  ASSERT_FINE(group_->Apply({.cpu_quota = 50000, .cpu_period = 100000, .cpu_burst = 50000}));
  EXPECT_EQ(burst(), "50000");
  ASSERT_FINE(group_->Apply({.cpu_quota = 20000, .cpu_burst = 10000}));
  EXPECT_EQ(burst(), "10000");
  ASSERT_FINE(group_->Apply({.cpu_quota = 30000}));
  EXPECT_EQ(burst(), "10000") << "what is left out stays";
  EXPECT_EQ(Read("cpu", "cpu.cfs_quota_us", "cpu.max"), v2() ? "30000 100000" : "30000");
  ASSERT_FINE(group_->Apply({.cpu_idle = 1}));
  EXPECT_EQ(Read("cpu", "cpu.idle", "cpu.idle"), "1");
  ASSERT_FINE(group_->Apply({.cpu_shares = 2048, .cpu_idle = 0}));
  EXPECT_EQ(Read("cpu", "cpu.shares", "cpu.weight"), v2() ? "79" : "2048");
  ASSERT_FINE(group_->Apply({.cpu_quota = -1, .cpu_burst = 0}));
  EXPECT_EQ(Read("cpu", "cpu.cfs_quota_us", "cpu.max"), v2() ? "max 100000" : "-1");
}

TEST_F(KernelTest, ProcessorsAreChosen) {
  if (!Has("cpuset")) GTEST_SKIP() << "no controller cpuset";
  ASSERT_FINE(group_->Apply({.cpus = "0", .mems = "0"}));
  EXPECT_EQ(Read("cpuset", "cpuset.cpus", "cpuset.cpus"), "0");
  const absl::Status refused = group_->Apply({.cpus = "9999"});
  EXPECT_EQ(ErrorReason(refused), "CGROUP_LIMIT");
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("limit cpu.cpus (cgroup controller cpuset)"));
}

TEST_F(KernelTest, WhatRunsIsBoundToProcessorsLater) {
  if (!Has("cpuset")) GTEST_SKIP() << "no controller cpuset";
  const pid_t child = Enter(Sleep);
  ASSERT_FINE(group_->Apply({.cpus = "0"}));
  const std::string status = ReadFile(absl::StrCat("/proc/", child, "/status")).value_or("");
  EXPECT_THAT(status, HasSubstr("Cpus_allowed_list:\t0\n"));
}

TEST_F(KernelTest, PidsAreBoundAndRefusalsCounted) {
  if (!Has("pids")) GTEST_SKIP() << "no controller pids";
  ASSERT_FINE(group_->Apply({.pids = 1}));
  EXPECT_EQ(ExitStatus([] { return fork() < 0 && errno == EAGAIN ? 0 : 1; }), 0);
  auto stats = group_->Stats();
  ASSERT_FINE(stats.status());
  EXPECT_THAT(stats->pids.limit, Optional(1));
  EXPECT_THAT(stats->pids.refused, Optional(1));
}

TEST_F(KernelTest, ADiskIsThrottledByNumber) {
  const std::optional<BlockDevice> disk = AnyDisk();
  if (!Has(v2() ? "io" : "blkio") || !disk) GTEST_SKIP() << "no controller blkio, or no disk";
  BlockLimits block;
  block.read_bps = {{*disk, 1 << 20}};
  block.write_iops = {{*disk, 77}};
  ASSERT_FINE(group_->Apply({.block = block}));
  EXPECT_THAT(Read("blkio", "blkio.throttle.read_bps_device", "io.max"), HasSubstr("1048576"));
  EXPECT_THAT(Read("blkio", "blkio.throttle.write_iops_device", "io.max"), HasSubstr("77"));
  block.read_bps[0].rate = 0;
  ASSERT_FINE(group_->Apply({.block = block}));
  EXPECT_THAT(Read("blkio", "blkio.throttle.read_bps_device", "io.max"), Not(HasSubstr("1048576")));
  const absl::Status refused = group_->Apply({.block = {.read_bps = {{{4000, 1}, 1}}}});
  EXPECT_EQ(ErrorReason(refused), "CGROUP_LIMIT") << "there is no such disk";
}

TEST_F(KernelTest, HugepagesAreBound) {
  if (!Has("hugetlb")) GTEST_SKIP() << "no controller hugetlb in a hierarchy of its own version";
  if (!PathExists("/sys/kernel/mm/hugepages/hugepages-2048kB")) GTEST_SKIP() << "no pages of 2 MB";
  ASSERT_FINE(group_->Apply({.hugepages = {{"2MB", 4 * kMiB}}}));
  EXPECT_EQ(Read("hugetlb", "hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.max"),
            absl::StrCat(4 * kMiB));
}

TEST_F(KernelTest, WhatTheHostLacksIsRefusedByName) {
  if (Has("net_cls")) GTEST_SKIP() << "it has net_cls";
  const absl::Status refused = group_->Apply({.network_class = 1});
  EXPECT_EQ(ErrorReason(refused), "CGROUP_CONTROLLERS");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("network.classID"));
  EXPECT_EQ(ErrorReason(group_->Apply({.kernel_memory_bytes = kMiB})), "CGROUP_CONTROLLERS");
}

TEST_F(KernelTest, UnifiedFilesAreWrittenByName) {
  if (!v2()) GTEST_SKIP() << "the controllers are of v1";
  ASSERT_FINE(group_->Apply({.unified = {{"memory.high", "8388608"}, {"cgroup.max.depth", "1"}}}));
  EXPECT_EQ(Read("", "", "memory.high"), "8388608");
  EXPECT_EQ(Read("", "", "cgroup.max.depth"), "1");
  EXPECT_EQ(ErrorReason(group_->Apply({.unified = {{"memory.none", "1"}}})), "CGROUP_CONTROLLERS");
}

// In whichever way the host has.
TEST_F(KernelTest, DevicesAreAllowedAndDenied) {
  if (!v2() && !Has("devices") && layout_.unified.empty()) GTEST_SKIP() << "no way to hold them";
  ASSERT_FINE(group_->Apply({.devices = {{.allow = false}, {true, 'c', 1, 3, kRead}}}));
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/null", O_RDONLY); }), 0);
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/null", O_RDWR); }), EPERM);
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/zero", O_RDONLY); }), EPERM);
  ASSERT_FINE(group_->Apply({.devices = {{.allow = true}, {false, 'c', 1, 5, kAnyAccess}}}));
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/null", O_RDWR); }), 0);
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/zero", O_RDONLY); }), EPERM);
}

size_t AttachedPrograms(const std::string& group) {
  const UniqueFd fd(open(group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  __u32 ids[16];
  bpf_attr attr{};
  attr.query.target_fd = static_cast<__u32>(fd.get());
  attr.query.attach_type = BPF_CGROUP_DEVICE;
  attr.query.prog_ids = reinterpret_cast<uintptr_t>(ids);
  attr.query.prog_cnt = std::size(ids);
  return syscall(SYS_bpf, BPF_PROG_QUERY, &attr, sizeof attr) == 0 ? attr.query.prog_cnt : 999;
}

TEST_F(KernelTest, TheKernelTakesTheProgramAndReplacesIt) {
  if (layout_.unified.empty()) GTEST_SKIP() << "cgroup2 is not mounted";
  const std::string group = layout_.unified + path_;
  ASSERT_FINE(AttachDeviceFilter(group, {{true, 'c', 1, 3, kRead},
                                         {true, 'c', 1, 3, kWrite},
                                         {true, 'c', -1, -1, kMknod},
                                         {true, 'b', 7, -1, kAnyAccess}}));
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/null", O_RDWR); }), 0);
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/zero", O_RDONLY); }), EPERM);
  EXPECT_EQ(AttachedPrograms(group), 1u);
  std::vector<DeviceRule> many(500, {false, 'b', 8, -1, kAnyAccess});
  many.push_back({true, 'c', 1, 5, kRead});
  ASSERT_FINE(AttachDeviceFilter(group, many));
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/null", O_RDONLY); }), EPERM);
  EXPECT_EQ(ExitStatus([] { return OpenDevice("/dev/zero", O_RDONLY); }), 0);
  EXPECT_EQ(AttachedPrograms(group), 1u);
}

TEST_F(KernelTest, MakingADeviceNeedsTheRightToMakeIt) {
  if (layout_.unified.empty()) GTEST_SKIP() << "cgroup2 is not mounted";
  const std::string node = absl::StrCat("/tmp/vx-test-node-", getpid());
  const absl::Cleanup remove_node = [&] { unlink(node.c_str()); };
  auto make = [&] { return mknod(node.c_str(), S_IFCHR | 0600, makedev(1, 3)) == 0 ? 0 : errno; };
  ASSERT_FINE(AttachDeviceFilter(layout_.unified + path_, {{true, 'c', 1, 3, kRead | kWrite}}));
  EXPECT_EQ(ExitStatus(make), EPERM);
  ASSERT_FINE(AttachDeviceFilter(layout_.unified + path_, {{true, 'c', -1, -1, kMknod}}));
  EXPECT_EQ(ExitStatus(make), 0);
}

TEST_F(KernelTest, AStrikeOfTheOomKillerIsCountedBeforeItsVictimIsGone) {
  if (!Has("memory")) GTEST_SKIP() << "no controller memory";
  ASSERT_FINE(group_->Apply({.memory_bytes = 16 * kMiB}));
  for (int strikes = 1; strikes <= 20; ++strikes) {
    ASSERT_EQ(ExitStatus(UseMemory), 128 + SIGKILL);
    ASSERT_EQ(group_->OomKills(), strikes);
  }
  auto stats = group_->Stats();
  ASSERT_FINE(stats.status());
  EXPECT_THAT(stats->memory.oom_kills, Optional(20));
  // Newer kernels no longer count v1's.
  EXPECT_THAT(stats->memory.max_events, Optional(testing::Ge(v2() ? 1 : 0)));
  EXPECT_GT(stats->memory.peak.value_or(16 * kMiB), 8 * kMiB);
}

// Whether it tells within `patience`.
bool Tells(const OomNotice& notice, absl::Duration patience) {
  // The events of poll and epoll have the same values.
  pollfd p{notice.fd(), static_cast<short>(notice.events()), 0};
  return poll(&p, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1 &&
         (p.revents & p.events) != 0;
}

TEST_F(KernelTest, EachStrikeOfTheOomKillerIsNoticedOnce) {
  if (!Has("memory")) GTEST_SKIP() << "no controller memory";
  ASSERT_FINE(group_->Apply({.memory_bytes = 16 * kMiB}));
  auto notice = group_->WatchOom();
  ASSERT_FINE(notice.status());
  for (int strike = 0; strike < 3; ++strike) {
    EXPECT_FALSE(Tells(*notice, absl::ZeroDuration()));
    ASSERT_EQ(ExitStatus(UseMemory), 128 + SIGKILL);
    ASSERT_TRUE(Tells(*notice, absl::Seconds(10)));
    // v2 holds back what comes within 10 ms of another change.
    while (Tells(*notice, absl::Milliseconds(50))) notice->Drain();
  }
}

TEST_F(KernelTest, AStrikeBeforeANoticeIsNoneOfIts) {
  if (!Has("memory")) GTEST_SKIP() << "no controller memory";
  ASSERT_FINE(group_->Apply({.memory_bytes = 16 * kMiB}));
  auto before = group_->WatchOom();
  ASSERT_FINE(before.status());
  ASSERT_EQ(ExitStatus(UseMemory), 128 + SIGKILL);
  ASSERT_TRUE(Tells(*before, absl::Seconds(10)));
  while (Tells(*before, absl::Milliseconds(50))) before->Drain();
  auto after = group_->WatchOom();
  ASSERT_FINE(after.status());
  EXPECT_FALSE(Tells(*after, absl::ZeroDuration()));
}

TEST_F(KernelTest, ThereIsNoNoticeOfAGroupThatIsNotThere) {
  EXPECT_FALSE(Cgroup::Open(layout_, path_ + "-other")->WatchOom().ok());
}

TEST_F(KernelTest, StatsTellWhatWasUsed) {
  const int status = ExitStatus([] {
    volatile uint64_t sum = 0;
    for (uint64_t i = 0; i < 100'000'000; ++i) sum = sum + i;
    return 0;
  });
  ASSERT_EQ(status, 0);
  auto stats = group_->Stats();
  ASSERT_FINE(stats.status());
  EXPECT_GT(stats->cpu.total, absl::ZeroDuration());
  ASSERT_TRUE(stats->cpu.user && stats->cpu.system);
  EXPECT_GT(*stats->cpu.user, absl::ZeroDuration());
  EXPECT_EQ(stats->cpu.throttled_periods.value_or(0), 0);
  const pid_t pid = Enter(Sleep);
  EXPECT_EQ(group_->Stats()->pids.current, Has("pids") ? 1 : 0);
  kill(pid, SIGKILL);
  WaitFor(pid);
  if (PathExists("/proc/pressure/cpu") && !layout_.unified.empty()) {
    EXPECT_TRUE(stats->cpu_pressure && stats->cpu_pressure->some);
  }
}

TEST_F(KernelTest, WhatIsFrozenStaysFrozenAndCanBeKilled) {
  const pid_t pid = Enter(Sleep);
  ASSERT_FINE(group_->Freeze(true));
  EXPECT_TRUE(group_->IsFrozen());
  ASSERT_FINE(group_->Freeze(false));
  EXPECT_FALSE(group_->IsFrozen());
  ASSERT_FINE(group_->Freeze(true));
  ASSERT_FINE(group_->Kill(absl::Seconds(10)));
  EXPECT_EQ(WTERMSIG(WaitFor(pid)), SIGKILL);
}

}  // namespace
}  // namespace vx::cgroup
