// main of every system test program. Whatever its tests leave in its namespaces,
// or running below it, fails it.
#include <unistd.h>

#include <iostream>

#include "gtest/gtest.h"
#include "tests/leftovers/leftovers.h"
#include "tests/system/harness/sandbox.h"

namespace {

class LeftAtTheEnd : public testing::Environment {
 public:
  LeftAtTheEnd() { scope_.here = scope_.children = true; }
  void SetUp() override { before_ = Look(scope_).findings; }
  void TearDown() override {
    const auto report = LookAfter(scope_, before_, std::chrono::seconds(10));
    for (const std::string& left : report.Lines()) ADD_FAILURE() << "left behind: " << left;
  }

 private:
  vx::leftovers::Scope scope_;
  std::set<vx::leftovers::Finding> before_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (geteuid() != 0) {
    std::cerr << "skipped: real containers and VMs need root\n";
    return 77;
  }
  std::string problem = vx::system_test::EnterSandbox();
  if (!problem.empty()) {
    std::cerr << "can't make the test's own namespaces: " << problem << "\n";
    return 1;
  }
  testing::AddGlobalTestEnvironment(new LeftAtTheEnd);  // gtest owns it
  return RUN_ALL_TESTS();
}
