// main of the tests that make what they look for on the host: as root, in mount
// and network namespaces of their own.
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include <iostream>

#include "gtest/gtest.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (geteuid() != 0) {
    std::cerr << "skipped: what it looks for is root's to make\n";
    return 77;
  }
  if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0 ||
      mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) {
    std::cerr << "can't make the test's own namespaces: " << strerror(errno) << "\n";
    return 1;
  }
  return RUN_ALL_TESTS();
}
