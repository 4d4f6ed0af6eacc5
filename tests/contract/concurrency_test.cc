// Calls for several workloads overlap.
#include <thread>
#include <vector>

#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::Presence;

class Concurrency : public ContractTest {
 protected:
  void LiveOneLife() {
    const v1::Workload workload = Launch(Behaviour::kStreams);
    const std::string& uid = workload.uid();
    EXPECT_EQ(WaitForEnd(uid).code(), 7);
    EXPECT_EQ(OutputOf(uid).out, "to out\n");
    VX_EXPECT_OK(driver().Delete(uid));
    EXPECT_EQ(PresenceOf(uid), Presence::kPrepared);
    VX_EXPECT_OK(driver().Release(uid));
    EXPECT_EQ(PresenceOf(uid), Presence::kNone);
  }
};

TEST_F(Concurrency, ManyLivesAtOnceDontDisturbEachOther) {
  std::vector<std::thread> threads;
  for (int i = 0; i < Subject::Get().crowd(); ++i) {
    threads.emplace_back([this] { LiveOneLife(); });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace vx::contract
