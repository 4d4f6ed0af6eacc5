// main of every system test program.
#include <unistd.h>

#include <iostream>

#include "gtest/gtest.h"
#include "tests/system/harness/sandbox.h"

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
  return RUN_ALL_TESTS();
}
