#include "plugins/libvirt/recipe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

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

TEST(CheckSpecTest, NotANumberIsNoNumberOfCpus) {
  v1::WorkloadSpec spec;
  spec.mutable_resources()->set_cpus(std::nan(""));
  EXPECT_THAT(BadFields(spec), UnorderedElementsAre("spec.resources.cpus"));
}

}  // namespace
}  // namespace vx::libvirt
