#include "daemon/core/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace vx::core {
namespace {

v1::Workload Good() {
  v1::Workload workload;
  workload.set_name("web");
  workload.set_kind(v1::KIND_CONTAINER);
  workload.mutable_spec()->set_image("busybox");
  workload.mutable_spec()->add_command("true");
  return workload;
}

std::vector<std::string> Refused(const v1::Workload& workload) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation : ValidateWorkload(workload)) {
    EXPECT_FALSE(violation.description.empty());
    fields.push_back(violation.field);
  }
  return fields;
}

TEST(ValidationTest, AGoodWorkloadHasNoViolation) {
  EXPECT_THAT(Refused(Good()), testing::IsEmpty());
}

TEST(ValidationTest, NamesFollowTheRule) {
  for (const char* good : {"", "a", "web-1", "0", "a-b-c"}) {
    v1::Workload workload = Good();
    workload.set_name(good);
    EXPECT_THAT(Refused(workload), testing::IsEmpty()) << good;
  }
  for (const std::string& bad :
       {std::string("-a"), std::string("a-"), std::string("A"), std::string("a_b"),
        std::string("a.b"), std::string("a b"), std::string("../x"), std::string(64, 'a'),
        std::string("a\0b", 3), std::string("ä")}) {
    v1::Workload workload = Good();
    workload.set_name(bad);
    EXPECT_THAT(Refused(workload), testing::ElementsAre("name")) << bad;
  }
}

TEST(ValidationTest, CpusAreAboveZeroFiniteAndThere) {
  for (double bad : {0.0, -1.0, 0.001, 1e6, std::numeric_limits<double>::quiet_NaN(),
                     std::numeric_limits<double>::infinity()}) {
    v1::Resources resources;
    resources.set_cpus(bad);
    ASSERT_EQ(ValidateResources(resources).size(), 1u) << bad;
  }
  v1::Resources half;
  half.set_cpus(0.5);
  EXPECT_TRUE(ValidateResources(half).empty());
}

TEST(ValidationTest, MemoryIsAboveZeroAndNotMoreThanTheHosts) {
  for (int64_t bad : {int64_t{0}, int64_t{-1}, int64_t{1} << 60}) {
    v1::Resources resources;
    resources.set_memory_bytes(bad);
    ASSERT_EQ(ValidateResources(resources).size(), 1u) << bad;
  }
}

TEST(ValidationTest, VariablesHaveNamesWithoutEqualsOrNul) {
  v1::Workload workload = Good();
  (*workload.mutable_spec()->mutable_env())[""] = "x";
  EXPECT_THAT(Refused(workload), testing::ElementsAre("spec.env"));
  workload = Good();
  (*workload.mutable_spec()->mutable_env())["A=B"] = "x";
  EXPECT_THAT(Refused(workload), testing::ElementsAre("spec.env"));
}

TEST(ValidationTest, ArgumentsHaveNoNulAndABound) {
  v1::Workload workload = Good();
  workload.mutable_spec()->add_command(std::string("a\0b", 3));
  EXPECT_THAT(Refused(workload), testing::ElementsAre("spec.command"));
  workload = Good();
  workload.mutable_spec()->add_command(std::string(2 << 20, 'a'));
  EXPECT_THAT(Refused(workload), testing::ElementsAre("spec.command"));
}

TEST(ValidationTest, LabelsAreBounded) {
  std::map<std::string, std::string> labels;
  for (int i = 0; i < 65; ++i) labels["k" + std::to_string(i)] = "";
  EXPECT_EQ(ValidateLabels(labels).size(), 1u);
  EXPECT_EQ(ValidateLabels({{"bad key", ""}}).size(), 1u);
  EXPECT_EQ(ValidateLabels({{"k", std::string(256, 'v')}}).size(), 1u);
  EXPECT_TRUE(ValidateLabels({{"org.example/role", "db"}}).empty());
}

TEST(ValidationTest, WhatConfinesIsCheckedFieldByField) {
  v1::Workload good = Good();
  v1::WorkloadSpec* spec = good.mutable_spec();
  spec->add_tmpfs()->set_target("/tmp");
  spec->mutable_tmpfs(0)->set_mode(01777);
  spec->add_devices()->set_source("/dev/null");
  spec->mutable_devices(0)->set_access("rm");
  spec->set_privileged(true);
  spec->set_read_only(true);
  EXPECT_THAT(Refused(good), testing::IsEmpty());

  v1::Workload bad = Good();
  spec = bad.mutable_spec();
  for (const char* target : {"tmp", "/", "/a/../b", "/t", "/t"}) {
    spec->add_tmpfs()->set_target(target);
  }
  spec->mutable_tmpfs(3)->set_size_bytes(0);
  spec->mutable_tmpfs(3)->set_mode(010000);
  spec->add_devices()->set_source("null");
  spec->add_devices()->set_source("/dev/null");
  spec->mutable_devices(1)->set_target("/etc/x");
  spec->mutable_devices(1)->set_access("rx");
  spec->mutable_security()->set_seccomp(std::string((1 << 20) + 1, ' '));
  spec->mutable_security()->set_apparmor("two words");
  EXPECT_THAT(Refused(bad),
              testing::ElementsAre(
                  "spec.tmpfs[0].target", "spec.tmpfs[1].target", "spec.tmpfs[2].target",
                  "spec.tmpfs[3].size_bytes", "spec.tmpfs[3].mode", "spec.tmpfs[4].target",
                  "spec.devices[0].source", "spec.devices[0].target", "spec.devices[1].target",
                  "spec.devices[1].access", "spec.security.seccomp", "spec.security.apparmor"));
}

TEST(ValidationTest, WhatTheKernelMountsIsNoPlaceForMemory) {
  for (const char* target : {"/dev", "/proc", "/proc/x", "/sys"}) {
    v1::Workload bad = Good();
    bad.mutable_spec()->add_tmpfs()->set_target(target);
    EXPECT_THAT(Refused(bad), testing::ElementsAre("spec.tmpfs[0].target")) << target;
  }
  v1::Workload good = Good();
  good.mutable_spec()->add_tmpfs()->set_target("/dev/shm");
  good.mutable_spec()->add_tmpfs()->set_target("/process");
  EXPECT_THAT(Refused(good), testing::IsEmpty());
}

TEST(ValidationTest, SharesOfTheHostAreInRange) {
  for (const char* good : {"0", "0-0", "0,0-0"}) {
    v1::Resources resources;
    resources.set_cpuset(good);
    EXPECT_TRUE(ValidateResources(resources).empty()) << good;
  }
  for (const char* bad : {"-1", "1-0", "0-", "0,", "a", "0-1-2", "100000"}) {
    v1::Resources resources;
    resources.set_cpuset(bad);
    EXPECT_EQ(ValidateResources(resources).size(), 1u) << bad;
  }
  v1::Workload workload = Good();
  v1::Resources& resources = *workload.mutable_spec()->mutable_resources();
  resources.set_memory_bytes(100 << 20);
  resources.set_cpu_weight(10001);
  resources.set_memory_reservation_bytes(200 << 20);
  resources.set_swap_bytes(-1);
  EXPECT_THAT(Refused(workload),
              testing::ElementsAre("spec.resources.cpu_weight", "spec.resources.swap_bytes",
                                   "spec.resources.memory_reservation_bytes"));
}

TEST(ValidationTest, SwapAddsToALimitWhichAnUpdateNeedNotGive) {
  v1::Workload workload = Good();
  workload.mutable_spec()->mutable_resources()->set_swap_bytes(1);
  EXPECT_THAT(Refused(workload), testing::ElementsAre("spec.resources.swap_bytes"));
  EXPECT_TRUE(ValidateResources(workload.spec().resources()).empty());
}

v1::Workload Mounting(const std::string& source, const std::string& target,
                      const std::string& subpath = "") {
  v1::Workload workload = Good();
  v1::Mount* mount = workload.mutable_spec()->add_mounts();
  mount->set_source(source);
  mount->set_target(target);
  mount->set_subpath(subpath);
  return workload;
}

TEST(ValidationTest, AMountNamesAVolumeOrAPathAndAPlaceInside) {
  EXPECT_THAT(Refused(Mounting("data", "/data")), testing::IsEmpty());
  EXPECT_THAT(Refused(Mounting("data", "/data", "a/b")), testing::IsEmpty());
  EXPECT_THAT(Refused(Mounting("/srv", "/data")), testing::IsEmpty());
  for (const char* bad : {"", "Data", "../x", "./x", "a/b", "/a/../b"}) {
    EXPECT_THAT(Refused(Mounting(bad, "/data")), testing::ElementsAre("spec.mounts[0].source"))
        << bad;
  }
  for (const char* bad : {"", "/", "data", "/a/../b", "/proc", "/sys/fs", "/dev"}) {
    EXPECT_THAT(Refused(Mounting("data", bad)), testing::ElementsAre("spec.mounts[0].target"))
        << bad;
  }
  for (const char* bad : {"/a", "..", "a/../../b"}) {
    EXPECT_THAT(Refused(Mounting("data", "/data", bad)),
                testing::ElementsAre("spec.mounts[0].subpath"))
        << bad;
  }
  EXPECT_THAT(Refused(Mounting("/srv", "/data", "a")),
              testing::ElementsAre("spec.mounts[0].subpath"));
}

TEST(ValidationTest, TwoMountsHaveTwoPlaces) {
  v1::Workload workload = Mounting("data", "/data");
  *workload.mutable_spec()->add_mounts() = workload.spec().mounts(0);
  EXPECT_THAT(Refused(workload), testing::ElementsAre("spec.mounts[1].target"));
  v1::Workload tmpfs = Mounting("data", "/data");
  tmpfs.mutable_spec()->add_tmpfs()->set_target("/data");
  EXPECT_THAT(Refused(tmpfs), testing::ElementsAre("spec.mounts[0].target"));
}

TEST(ValidationTest, AVolumeIsAFolderOrADiskWithASize) {
  const auto fields = [](const v1::Volume& volume) {
    std::vector<std::string> names;
    for (const FieldViolation& violation : ValidateVolume(volume)) names.push_back(violation.field);
    return names;
  };
  v1::Volume volume;
  EXPECT_THAT(fields(volume), testing::IsEmpty());
  volume.set_name("a/b");
  EXPECT_THAT(fields(volume), testing::ElementsAre("volume.name"));
  volume.set_name("data");
  volume.mutable_spec()->set_format("raw");
  EXPECT_THAT(fields(volume), testing::ElementsAre("volume.spec.format"));
  volume.mutable_spec()->set_type(v1::VOLUME_TYPE_BLOCK);
  EXPECT_THAT(fields(volume), testing::ElementsAre("volume.spec.size_bytes"));
  volume.mutable_spec()->set_size_bytes(1 << 20);
  EXPECT_THAT(fields(volume), testing::IsEmpty());
  volume.mutable_spec()->set_size_bytes((1 << 20) + 1);
  volume.mutable_spec()->set_format("vhd");
  EXPECT_THAT(fields(volume),
              testing::UnorderedElementsAre("volume.spec.size_bytes", "volume.spec.format"));
}

}  // namespace
}  // namespace vx::core
