// The writable root belongs to the workload, not to its runs.
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

class Root : public ContractTest {};

TEST_F(Root, WhatARunWroteIsThereInTheNextAndGoneAfterRelease) {
  const v1::Workload workload = NewWorkload(Behaviour::kMemo);
  const std::string& uid = workload.uid();
  Prepare(workload);
  EXPECT_EQ(RunOnce(workload).code(), 0);
  EXPECT_EQ(OutputOf(uid).out, "memo:\n");
  EXPECT_EQ(RunOnce(workload).code(), 0);
  EXPECT_EQ(OutputOf(uid).out, "memo:\nmemo:kept\n");

  VX_ASSERT_OK(driver().Release(uid));
  Prepare(workload);
  EXPECT_EQ(RunOnce(workload).code(), 0);
  EXPECT_EQ(OutputOf(uid).out, "memo:\n") << "root or log of the released workload came back";
}

TEST_F(Root, TwoWorkloadsOfOneImageDontSeeEachOther) {
  const v1::Workload first = NewWorkload(Behaviour::kMemo), second = NewWorkload(Behaviour::kMemo);
  Prepare(first);
  Prepare(second);
  EXPECT_EQ(RunOnce(first).code(), 0);
  EXPECT_EQ(RunOnce(second).code(), 0);
  EXPECT_EQ(OutputOf(second.uid()).out, "memo:\n");
}

}  // namespace
}  // namespace vx::contract
