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

  const v1::Workload other = NewWorkload(Behaviour::kMemo);
  Prepare(other);
  EXPECT_EQ(RunOnce(other).code(), 0);
  EXPECT_EQ(OutputOf(other.uid()).out, "memo:\n") << "two workloads share a root";

  VX_ASSERT_OK(driver().Release(uid));
  Prepare(workload);
  EXPECT_EQ(RunOnce(workload).code(), 0);
  EXPECT_EQ(OutputOf(uid).out, "memo:\n") << "root or log of the released workload came back";
}

}  // namespace
}  // namespace vx::contract
