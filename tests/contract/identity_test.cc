// What a driver says of itself and of the host, and what it refuses of a spec.
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using testing::Contains;
using testing::Field;
using testing::IsEmpty;

class Identity : public ContractTest {};

std::vector<std::string> RefusedFields(driver::Driver& driver, const v1::WorkloadSpec& spec) {
  std::vector<std::string> fields;
  for (const FieldViolation& violation : driver.Validate(spec)) {
    EXPECT_FALSE(violation.description.empty()) << violation.field;
    fields.push_back(violation.field);
  }
  return fields;
}

TEST_F(Identity, TheModuleIsTheDriverThatItsNameSays) {
  EXPECT_EQ(driver().name(), Subject::Get().settings().driver);
  EXPECT_TRUE(driver().kind() == v1::KIND_CONTAINER || driver().kind() == v1::KIND_VM);
}

TEST_F(Identity, ProbeSaysTheSameAgain) {
  const v1::DriverInfo info = driver().Probe();
  EXPECT_EQ(info.name(), driver().name());
  EXPECT_EQ(info.kind(), driver().kind());
  EXPECT_EQ(info.state(), v1::DRIVER_STATE_READY);
  EXPECT_THAT(info.capabilities(), Contains("pause"));
  EXPECT_THAT(info.capabilities(), Contains("logs"));
}

TEST_F(Identity, EveryFailedCheckOfDoctorHasARemedy) {
  const std::vector<v1::Check> checks = driver().Doctor();
  ASSERT_FALSE(checks.empty());
  for (const v1::Check& check : checks) {
    EXPECT_FALSE(check.name().empty());
    EXPECT_FALSE(check.message().empty()) << check.name();
    EXPECT_EQ(check.driver(), driver().name()) << check.name();
    EXPECT_NE(check.result(), v1::CHECK_RESULT_UNSPECIFIED) << check.name();
    EXPECT_EQ(check.result() == v1::CHECK_RESULT_FAILED && check.hint().empty(), false)
        << check.name();
  }
}

TEST_F(Identity, SettlingTwiceIsFine) { VX_EXPECT_OK(driver().WaitSettled(patience())); }

TEST_F(Identity, AnOrdinarySpecIsNotRefused) {
  v1::WorkloadSpec spec = NewWorkload(Behaviour::kTrue).spec();
  spec.mutable_resources()->set_memory_bytes(int64_t{256} << 20);
  spec.mutable_resources()->set_cpus(1);
  EXPECT_THAT(RefusedFields(driver(), spec), IsEmpty());
}

TEST_F(Identity, AllThatTheKindCantHonourIsRefusedAtOnce) {
  v1::WorkloadSpec spec;
  spec.set_image("busybox");
  spec.mutable_resources()->set_memory_bytes(int64_t{2} << 20);
  spec.mutable_resources()->set_pids(10);
  spec.mutable_resources()->set_disk_bytes(int64_t{1} << 30);
  const std::vector<std::string> fields = RefusedFields(driver(), spec);
  EXPECT_THAT(fields, Contains("spec.resources.memory_bytes"));
  const bool vm = Subject::Get().vm();
  EXPECT_THAT(fields, Contains(vm ? "spec.resources.pids" : "spec.resources.disk_bytes"));
  EXPECT_THAT(fields,
              testing::Not(Contains(vm ? "spec.resources.disk_bytes" : "spec.resources.pids")));
}

TEST_F(Identity, TheLeastMemoryOfTheKindIsEnough) {
  v1::WorkloadSpec spec = NewWorkload(Behaviour::kTrue).spec();
  const int64_t least = int64_t{Subject::Get().vm() ? 80 : 4} << 20;
  spec.mutable_resources()->set_memory_bytes(least);
  EXPECT_THAT(RefusedFields(driver(), spec), IsEmpty());
  spec.mutable_resources()->set_memory_bytes(least - 1);
  EXPECT_THAT(RefusedFields(driver(), spec), Contains("spec.resources.memory_bytes"));
}

}  // namespace
}  // namespace vx::contract
