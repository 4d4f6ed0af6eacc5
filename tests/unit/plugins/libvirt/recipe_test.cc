#include "plugins/libvirt/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "plugins/agent/boot_network.h"

namespace vx::libvirt {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<std::string> BadFields(const v1::WorkloadSpec& spec) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation : CheckSpec(spec)) fields.push_back(violation.field);
  return fields;
}

TEST(CheckSpecTest, DefaultsAndLeastValuesAreFine) {
  v1::WorkloadSpec spec;
  EXPECT_THAT(BadFields(spec), IsEmpty());
  spec.mutable_resources()->set_memory_bytes(int64_t{80} << 20);
  spec.mutable_resources()->set_cpus(0.01);
  spec.mutable_resources()->set_disk_bytes(1);
  spec.mutable_resources()->set_cpu_weight(50);
  spec.mutable_resources()->set_cpuset("0");
  EXPECT_THAT(BadFields(spec), IsEmpty());
}

TEST(CheckSpecTest, EverythingThatIsWrongIsSaidAtOnce) {
  v1::WorkloadSpec spec;
  spec.mutable_resources()->set_memory_bytes((int64_t{80} << 20) - 1);
  spec.mutable_resources()->set_cpus(0);
  spec.mutable_resources()->set_disk_bytes(0);
  spec.mutable_resources()->set_pids(5);
  EXPECT_THAT(BadFields(spec),
              UnorderedElementsAre("spec.resources.memory_bytes", "spec.resources.cpus",
                                   "spec.resources.disk_bytes", "spec.resources.pids"));
}

TEST(CheckSpecTest, WhatIsAboutTheHostsKernelIsRefused) {
  v1::WorkloadSpec spec;
  spec.set_init(true);
  spec.set_stdin(true);
  spec.set_tty(true);
  spec.set_read_only(true);
  spec.add_tmpfs()->set_target("/t");
  EXPECT_THAT(BadFields(spec), IsEmpty()) << "a guest has these";
  spec.set_privileged(true);
  spec.mutable_security()->add_cap_drop("ALL");
  spec.add_devices()->set_source("/dev/null");
  spec.mutable_resources()->set_memory_reservation_bytes(1);
  spec.mutable_resources()->set_swap_bytes(0);
  EXPECT_THAT(BadFields(spec),
              UnorderedElementsAre("spec.privileged", "spec.security", "spec.devices",
                                   "spec.resources.memory_reservation_bytes",
                                   "spec.resources.swap_bytes"));
}

TEST(CheckSpecTest, NetworksBeyondTheSlotsForTheirCardsAreRefused) {
  v1::WorkloadSpec spec;
  for (size_t i = 0; i < agent::kMaxNics; ++i) spec.add_networks("n");
  EXPECT_THAT(BadFields(spec), IsEmpty());
  spec.add_networks("one-more");
  EXPECT_THAT(BadFields(spec), UnorderedElementsAre("spec.networks"));
}

TEST(CheckSpecTest, NotANumberIsNoNumberOfCpus) {
  v1::WorkloadSpec spec;
  spec.mutable_resources()->set_cpus(std::nan(""));
  EXPECT_THAT(BadFields(spec), UnorderedElementsAre("spec.resources.cpus"));
}

}  // namespace
}  // namespace vx::libvirt
