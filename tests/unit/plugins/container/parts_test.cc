// The driver's smaller parts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "plugins/container/bundle.h"
#include "plugins/container/probe.h"
#include "plugins/container/run_files.h"
#include "plugins/container/runtime/config.h"
#include "plugins/container/trash.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::container {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::StartsWith;

BundleSpec ExampleSpec() {
  BundleSpec spec;
  spec.process.argv = {"sh", "-c", "echo \"hi\"\n"};
  spec.process.env = {"PATH=/bin", "HOME=/"};
  spec.process.working_dir = "/w";
  spec.process.user = "web";
  spec.process.hostname = "host";
  spec.layers = {"/l/0", "/l/1"};
  spec.root = "/state/root";
  spec.cgroup = "/vx-1/uid";
  spec.first_id = 500000;
  return spec;
}

TEST(Bundle, IsWhatTheRuntimeReads) {
  auto config = ParseConfig(MakeBundle(ExampleSpec()), "/bundle");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->process.args, ElementsAre("sh", "-c", "echo \"hi\"\n"));
  EXPECT_EQ(config->user, "web");
  EXPECT_EQ(config->hostname, "host");
  EXPECT_THAT(config->overlay->lower, ElementsAre("/l/0", "/l/1"));
  EXPECT_FALSE(config->overlay->is_volatile);
  EXPECT_EQ(config->root_uid(), 500000u);
  EXPECT_EQ(config->cgroups_path, "/vx-1/uid");
  EXPECT_TRUE(config->process.no_new_privileges);
  EXPECT_EQ(config->limits.pids, kDefaultPids);
  EXPECT_FALSE(config->limits.memory_bytes.has_value());
}

const MountConfig* MountOn(const Config& config, const std::string& destination) {
  for (const MountConfig& mount : config.mounts) {
    if (mount.destination == destination) return &mount;
  }
  return nullptr;
}

BundleSpec Mounting(const std::string& target, const driver::MountSource& source) {
  BundleSpec spec = ExampleSpec();
  spec.mounts.emplace_back().set_target(target);
  spec.sources = {source};
  return spec;
}

TEST(Bundle, AVolumeIsMountedWithTheOwnersThatItHasOnDisk) {
  auto config =
      ParseConfig(MakeBundle(Mounting("/data", {.path = "/v/data", .is_volume = true})), "/bundle");
  ASSERT_TRUE(config.ok()) << config.status();
  const MountConfig* mount = MountOn(*config, "/data");
  ASSERT_NE(mount, nullptr);
  EXPECT_EQ(mount->source, "/v/data");
  EXPECT_TRUE(mount->maps_ids);
  EXPECT_TRUE(mount->copies_up);
  EXPECT_EQ(mount->flags, static_cast<unsigned long>(MS_BIND | MS_NOSUID | MS_NODEV));
}

TEST(Bundle, WhatIsReadOnlyOrNotWantedIsNotFilled) {
  BundleSpec spec = Mounting("/data", {.path = "/v/data", .is_volume = true});
  spec.mounts[0].set_read_only(true);
  auto config = ParseConfig(MakeBundle(spec), "/bundle");
  EXPECT_FALSE(MountOn(*config, "/data")->copies_up);
  EXPECT_NE(MountOn(*config, "/data")->flags & MS_RDONLY, 0u);
  spec.mounts[0].set_read_only(false);
  spec.mounts[0].set_no_copy(true);
  config = ParseConfig(MakeBundle(spec), "/bundle");
  EXPECT_FALSE(MountOn(*config, "/data")->copies_up);
}

TEST(Bundle, AHostPathComesWithWhatIsMountedBelowIt) {
  BundleSpec spec = Mounting("/host", {.path = "/srv"});
  auto config = ParseConfig(MakeBundle(spec), "/bundle");
  EXPECT_TRUE(MountOn(*config, "/host")->maps_ids_below);
  EXPECT_FALSE(MountOn(*config, "/host")->copies_up);
  EXPECT_NE(MountOn(*config, "/host")->flags & MS_REC, 0u);
  spec.confinement.user_namespace = false;
  spec.confinement.sees_all = true;
  config = ParseConfig(MakeBundle(spec), "/bundle");
  EXPECT_FALSE(MountOn(*config, "/host")->maps_ids);
  EXPECT_EQ(MountOn(*config, "/host")->flags & MS_NODEV, 0u);
}

TEST(Bundle, AMountOnAnotherComesAfterIt) {
  BundleSpec spec = Mounting("/t/inner", {.path = "/v", .is_volume = true});
  spec.confinement.tmpfs.emplace_back().set_target("/t");
  auto config = ParseConfig(MakeBundle(spec), "/bundle");
  EXPECT_LT(MountOn(*config, "/t"), MountOn(*config, "/t/inner"));
}

TEST(Bundle, GivesNoCapabilityThatReachesTheHost) {
  auto config = ParseConfig(MakeBundle(ExampleSpec()), "/bundle");
  ASSERT_TRUE(config.ok());
  for (const char* name : {"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_NET_ADMIN",
                           "CAP_SYS_RAWIO", "CAP_BPF", "CAP_DAC_READ_SEARCH"}) {
    EXPECT_EQ(config->process.capabilities.bounding >> CapabilityNumber(name) & 1, 0u) << name;
  }
}

Config ConfigOf(const BundleSpec& spec) {
  auto config = ParseConfig(MakeBundle(spec), "/bundle");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : Config();
}

// The names of the capabilities that a spec leads to.
std::vector<std::string> CapabilitiesOf(const v1::WorkloadSpec& spec) {
  return ToConfinement(spec)->capabilities;
}

TEST(Confinement, DropWinsOverAddUnlessItIsAll) {
  v1::WorkloadSpec spec;
  spec.mutable_security()->add_cap_add("net_admin");
  spec.mutable_security()->add_cap_add("CAP_KILL");
  spec.mutable_security()->add_cap_drop("KILL");
  EXPECT_THAT(CapabilitiesOf(spec), Contains("CAP_NET_ADMIN"));
  EXPECT_THAT(CapabilitiesOf(spec), Contains("CAP_CHOWN"));
  EXPECT_THAT(CapabilitiesOf(spec), Not(Contains("CAP_KILL")));
  spec.mutable_security()->add_cap_drop("all");
  EXPECT_THAT(CapabilitiesOf(spec), ElementsAre("CAP_NET_ADMIN"));
  v1::WorkloadSpec all;
  all.mutable_security()->add_cap_add("ALL");
  all.mutable_security()->add_cap_drop("SYS_ADMIN");
  EXPECT_EQ(CapabilitiesOf(all).size(), CapabilityNames().size() - 1);
  v1::WorkloadSpec privileged;
  privileged.set_privileged(true);
  EXPECT_EQ(CapabilitiesOf(privileged).size(), CapabilityNames().size());
}

TEST(Confinement, WhatAContainerCantHonourIsNamed) {
  v1::WorkloadSpec spec;
  spec.mutable_security()->add_cap_add("FLY");
  spec.mutable_security()->set_seccomp("{}");
  spec.add_devices()->set_source("/etc");
  std::vector<std::string> fields;
  for (const FieldViolation& violation : CheckConfinement(spec)) fields.push_back(violation.field);
  EXPECT_THAT(fields, ElementsAre("spec.security.cap_add", "spec.security.seccomp",
                                  "spec.devices[0].source"));
  v1::WorkloadSpec good;
  good.mutable_security()->set_seccomp("unconfined");
  good.add_tmpfs()->set_target("/dev/shm");
  good.add_devices()->set_source("/dev/null");
  EXPECT_TRUE(CheckConfinement(good).empty());
}

TEST(Confinement, FiltersAreTheDefaultNoneOrTheirOwn) {
  v1::WorkloadSpec spec;
  EXPECT_FALSE(IsUnfiltered(spec) || HasOwnFilter(spec));
  spec.set_privileged(true);
  EXPECT_TRUE(IsUnfiltered(spec));
  spec.mutable_security()->set_seccomp("{...}");
  EXPECT_TRUE(!IsUnfiltered(spec) && HasOwnFilter(spec));
  spec.mutable_security()->set_seccomp("unconfined");
  EXPECT_TRUE(IsUnfiltered(spec) && !HasOwnFilter(spec));
}

TEST(Bundle, APrivilegedContainerIsTheHostsRoot) {
  BundleSpec spec = ExampleSpec();
  v1::WorkloadSpec wanted;
  wanted.set_privileged(true);
  spec.confinement = *ToConfinement(wanted);
  const Config config = ConfigOf(spec);
  EXPECT_EQ(config.new_namespaces & CLONE_NEWUSER, 0);
  EXPECT_TRUE(config.uid_mappings.empty());
  EXPECT_TRUE(config.masked_paths.empty());
  EXPECT_TRUE(config.readonly_paths.empty());
  EXPECT_FALSE(config.process.no_new_privileges);
  EXPECT_NE(config.process.capabilities.bounding >> CapabilityNumber("CAP_SYS_ADMIN") & 1, 0u);
}

TEST(Bundle, FilesystemsInMemoryComeAfterWhatTheyLieOn) {
  BundleSpec spec = ExampleSpec();
  v1::WorkloadSpec wanted;
  wanted.add_tmpfs()->set_target("/a/b");
  wanted.add_tmpfs()->set_target("/a");
  wanted.mutable_tmpfs(1)->set_exec(true);
  wanted.set_read_only(true);
  spec.confinement = *ToConfinement(wanted);
  spec.resources.set_memory_bytes(32 << 20);
  const Config config = ConfigOf(spec);
  EXPECT_TRUE(config.readonly_root);
  const MountConfig& last = config.mounts.back();
  EXPECT_EQ(last.destination, "/a/b");
  EXPECT_EQ(last.data, "mode=1777,size=16777216");
  EXPECT_EQ(last.flags, static_cast<unsigned long>(MS_NOSUID | MS_NODEV | MS_NOEXEC));
  EXPECT_EQ(config.mounts[config.mounts.size() - 2].flags,
            static_cast<unsigned long>(MS_NOSUID | MS_NODEV));
}

TEST(Bundle, AnInitRunsTheCommand) {
  BundleSpec spec = ExampleSpec();
  spec.init_program = "/usr/bin/vx-init";
  const Config config = ConfigOf(spec);
  EXPECT_EQ(config.process.args[0], "/dev/.vx-init");
  EXPECT_EQ(config.process.args[1], "--exec-fd=4");
  EXPECT_EQ(config.process.args[2], "sh");
  EXPECT_EQ(config.mounts.back().source, "/usr/bin/vx-init");
}

TEST(Bundle, HomeIsLeftToTheRuntimeUnlessItWasSaid) {
  BundleSpec spec = ExampleSpec();
  EXPECT_THAT(ParseConfig(MakeBundle(spec), "/b")->process.env, Not(Contains(StartsWith("HOME="))));
  spec.sets_home = true;
  EXPECT_THAT(ParseConfig(MakeBundle(spec), "/b")->process.env, Contains("HOME=/"));
}

TEST(Bundle, BytesThatAreNoTextDontBreakIt) {
  BundleSpec spec = ExampleSpec();
  spec.process.argv = {"echo", "\xff\xfe"};
  EXPECT_TRUE(ParseConfig(MakeBundle(spec), "/b").ok());
}

TEST(Limits, AreThoseOfTheSpecOrNone) {
  v1::Resources resources;
  cgroup::CgroupLimits limits = ToLimits(resources, cgroup::CgroupMode::kV1);
  EXPECT_EQ(limits.memory_bytes, -1);
  EXPECT_EQ(limits.cpu_quota, -1);
  EXPECT_EQ(limits.pids, kDefaultPids);
  resources.set_memory_bytes(64 << 20);
  resources.set_cpus(1.5);
  resources.set_pids(10);
  limits = ToLimits(resources, cgroup::CgroupMode::kV1);
  EXPECT_EQ(limits.memory_bytes, 64 << 20);
  EXPECT_EQ(limits.cpu_quota, 150000);
  EXPECT_EQ(limits.cpu_period, 100000);
  EXPECT_EQ(limits.pids, 10);
  resources.set_cpus(0.001);
  EXPECT_EQ(ToLimits(resources, cgroup::CgroupMode::kV1).cpu_quota, 1000)
      << "the kernel takes no less";
}

TEST(Limits, AWeightIsWhatTheKernelTakesForTheSame) {
  v1::Resources resources;
  EXPECT_EQ(ToLimits(resources, cgroup::CgroupMode::kV1).cpu_shares, 1024);
  resources.set_memory_bytes(100);
  resources.set_swap_bytes(20);
  resources.set_memory_reservation_bytes(50);
  resources.set_cpuset("0");
  const cgroup::CgroupLimits limits = ToLimits(resources, cgroup::CgroupMode::kV1);
  EXPECT_EQ(limits.memory_swap_bytes, 120) << "both together";
  EXPECT_EQ(limits.memory_reservation_bytes, 50);
  EXPECT_EQ(limits.cpus, "0");
}

TEST(Bundle, DevicesThatItIsNotGivenAreDenied) {
  BundleSpec spec = ExampleSpec();
  v1::WorkloadSpec wanted;
  v1::Device* device = wanted.add_devices();
  device->set_source("/dev/null");
  device->set_target("/dev/sub/n");
  device->set_access("r");
  spec.confinement = *ToConfinement(wanted);
  const Config config = ConfigOf(spec);
  ASSERT_EQ(config.devices.size(), 1u);
  EXPECT_EQ(config.devices[0].path, "/dev/sub/n");
  ASSERT_GT(config.limits.devices.size(), 2u);
  EXPECT_FALSE(config.limits.devices.front().allow);
  EXPECT_EQ(config.limits.devices.back(), (cgroup::DeviceRule{true, 'c', 1, 3, cgroup::kRead}));
  v1::WorkloadSpec privileged;
  privileged.set_privileged(true);
  spec.confinement = *ToConfinement(privileged);
  EXPECT_TRUE(ConfigOf(spec).limits.devices.empty());
}

TEST(Probe, ComparesKernels) {
  EXPECT_TRUE(IsKernelAtLeast("6.1.0-13-amd64", 6, 1));
  EXPECT_TRUE(IsKernelAtLeast("6.18.44", 6, 1));
  EXPECT_TRUE(IsKernelAtLeast("7.0", 6, 1));
  EXPECT_FALSE(IsKernelAtLeast("5.19.2", 6, 1));
  EXPECT_FALSE(IsKernelAtLeast("6.0.9", 6, 1));
  EXPECT_FALSE(IsKernelAtLeast("weird", 6, 1));
}

TEST(Probe, MissingProgramsAreNamed) {
  TempDir empty;
  const std::vector<v1::Check> checks = CheckHost(empty.path());
  const v1::DriverInfo info = ToDriverInfo(checks);
  EXPECT_EQ(info.state(), v1::DRIVER_STATE_UNAVAILABLE);
  EXPECT_FALSE(info.hint().empty());
  EXPECT_EQ(checks.back().name(), "programs");
  EXPECT_NE(checks.back().message().find("vx-shim"), std::string::npos);
}

TEST(Probe, TheFirstFailureIsTheReason) {
  v1::Check ok, bad;
  ok.set_result(v1::CHECK_RESULT_OK);
  bad.set_result(v1::CHECK_RESULT_FAILED);
  bad.set_message("no cgroup hierarchy is visible");
  bad.set_hint("mount one");
  EXPECT_EQ(ToDriverInfo({ok, ok}).state(), v1::DRIVER_STATE_READY);
  const v1::DriverInfo info = ToDriverInfo({ok, bad});
  EXPECT_EQ(info.state(), v1::DRIVER_STATE_UNAVAILABLE);
  EXPECT_EQ(info.reason(), "no cgroup hierarchy is visible");
  EXPECT_EQ(info.hint(), "mount one");
}

TEST(RunFiles, ComeBackAsTheyWereWritten) {
  TempDir dir;
  ASSERT_TRUE(WriteRunNotes(dir.path(), {12, "a command with spaces"}).ok());
  auto notes = ReadRunNotes(dir.path());
  ASSERT_TRUE(notes.ok());
  EXPECT_EQ(notes->stop_signal, 12);
  EXPECT_EQ(notes->argv0, "a command with spaces");
  EXPECT_EQ(ReadStartTime(dir.path()), absl::InfinitePast());
  const absl::Time now = absl::FromUnixNanos(1234567890123456789);
  ASSERT_TRUE(WriteStartTime(dir.path(), now).ok());
  EXPECT_EQ(ReadStartTime(dir.path()), now);
  EXPECT_FALSE(ShimDied(dir.path()));
  ASSERT_TRUE(WriteShimDied(dir.path()).ok());
  EXPECT_TRUE(ShimDied(dir.path()));
}

TEST(Trash, WhatIsThrownAwayIsGoneByNameAtOnceAndWhollyInTheEnd) {
  TempDir dir;
  const std::string can = dir.path() + "/.trash";
  {
    Trash trash(can);
    trash.Start();
    for (int i = 0; i < 20; ++i) {
      const std::string path = absl::StrCat(dir.path(), "/thing", i);
      ASSERT_TRUE(MakeDirs(path + "/a/b/c", 0700).ok());
      ASSERT_TRUE(trash.Throw(path).ok());
      EXPECT_FALSE(PathExists(path));
    }
    EXPECT_TRUE(trash.Throw(dir.path() + "/never").ok());
  }
  EXPECT_TRUE(ListDir(can)->empty());
}

TEST(Trash, GoesOnWithWhatAnEarlierOneLeft) {
  TempDir dir;
  const std::string can = dir.path() + "/.trash";
  ASSERT_TRUE(MakeDirs(can + "/old/folder", 0700).ok());
  {
    Trash trash(can);
    trash.Start();
  }
  EXPECT_TRUE(ListDir(can)->empty());
}

}  // namespace
}  // namespace vx::container
