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

TEST(ValidationTest, AGoodWorkloadHasNoViolation) { EXPECT_THAT(Refused(Good()), testing::IsEmpty()); }

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

}  // namespace
}  // namespace vx::core
