// The console of a machine, where the kind has one.
#include "absl/time/clock.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

class ConsoleOf : public ContractTest {
 protected:
  void SetUp() override {
    if (driver().console() == nullptr) GTEST_SKIP() << "there is no machine";
  }

  driver::Console& console() { return *driver().console(); }

  std::unique_ptr<driver::LogReader> OpenConsoleLog(const std::string& uid) {
    auto reader = console().OpenConsoleLog(uid, {});
    EXPECT_TRUE(reader.ok()) << reader.status();
    return reader.ok() ? *std::move(reader) : nullptr;
  }
};

TEST_F(ConsoleOf, WhatAMachineSaysIsKeptOverRuns) {
  const v1::Workload workload = NewWorkload(Behaviour::kTrue);
  EXPECT_THAT(console().OpenConsoleLog(workload.uid(), {}).status(),
              IsError(absl::StatusCode::kNotFound, "NOT_PREPARED"));
  Prepare(workload);
  EXPECT_EQ(RunOnce(workload).code(), 0);
  const Output once = Drain(*OpenConsoleLog(workload.uid()));
  EXPECT_EQ(RunOnce(workload).code(), 0);
  const Output twice = Drain(*OpenConsoleLog(workload.uid()));
  EXPECT_TRUE(twice.out.starts_with(once.out));
  EXPECT_GT(twice.entries.size(), once.entries.size());
  auto reader = OpenConsoleLog(workload.uid());
  VX_ASSERT_OK(driver().Release(workload.uid()));
  EXPECT_EQ(Drain(*reader).out, twice.out);
  EXPECT_THAT(console().OpenConsoleLog(workload.uid(), {}).status(),
              IsError(absl::StatusCode::kNotFound, "NOT_PREPARED"));
}

TEST_F(ConsoleOf, OneAtATimeTypesAndOnlyOnWhatRuns) {
  const v1::Workload workload = NewWorkload(Behaviour::kForever);
  Prepare(workload);
  EXPECT_THAT(console().OpenConsoleInput(workload.uid()).status(), IsNotRunning());
  Create(workload);
  Start(workload);
  auto first = console().OpenConsoleInput(workload.uid());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(console().OpenConsoleInput(workload.uid()).status(),
              IsError(absl::StatusCode::kFailedPrecondition, "CONSOLE_BUSY"));
  EXPECT_EQ((*first)->Write("x\r").value_or(0), 2u);
  VX_EXPECT_OK((*first)->Resize({80, 24}));
  VX_EXPECT_OK((*first)->Close().status());
  first->reset();
  const absl::Time deadline = absl::Now() + patience();
  auto second = console().OpenConsoleInput(workload.uid());
  while (ErrorReason(second.status()) == "CONSOLE_BUSY" && absl::Now() < deadline) {
    second = console().OpenConsoleInput(workload.uid());
  }
  EXPECT_TRUE(second.ok()) << second.status();
  VX_ASSERT_OK(driver().Kill(workload.uid(), 9));
  EXPECT_THAT(console().OpenConsoleInput(workload.uid()).status(), IsNotRunning());
}

}  // namespace
}  // namespace vx::contract
