// Network and mount namespaces of a test's own.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <string>

#include "daemon/base/subprocess.h"

namespace vx::agent {

class OwnNamespacesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_EQ(unshare(CLONE_NEWNET | CLONE_NEWNS), 0);
    ASSERT_EQ(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  }

  // What a command of a shell says; it must work.
  static std::string Shell(const std::string& script) {
    auto out = RunCommandOk({"sh", "-c", script});
    EXPECT_TRUE(out.ok()) << script << ": " << out.status();
    return out.value_or("");
  }
};

}  // namespace vx::agent
