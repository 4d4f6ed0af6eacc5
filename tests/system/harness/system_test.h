// Fixtures of the system tests.
#pragma once

#include <memory>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/system/harness/daemon.h"

namespace vx::system_test {

// One daemon for all tests of a suite; each test's workloads are removed after
// it, and nothing of them may be left. At the end of the suite nothing of the
// daemon's may be left on the host.
class SharedDaemonTest : public testing::Test {
 protected:
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  void SetUp() override;
  void TearDown() override;

  static Daemon& vx() { return *daemon_; }
  static Result Vxctl(const Words& args) { return daemon_->Vxctl(args); }

 private:
  static std::unique_ptr<Daemon> daemon_;
};

// The same test for each kind: parity.
class EachKindTest : public SharedDaemonTest, public testing::WithParamInterface<std::string> {
 protected:
  std::string kind_flag() const { return "--kind=" + GetParam(); }
  bool vm() const { return GetParam() == "vm"; }
  // `vxctl run -d --name NAME FLAGS busybox -- sh -c SCRIPT`; fails the test if
  // that does.
  void RunDetached(const std::string& name, const std::string& script, const Words& flags = {});
  // `vxctl run --rm FLAGS busybox -- sh -c SCRIPT` in the foreground.
  Result RunScript(const std::string& script, const Words& flags = {});
};

#define VX_EACH_KIND(Suite)                                                  \
  INSTANTIATE_TEST_SUITE_P(Kinds, Suite, testing::Values("container", "vm"), \
                           [](const auto& info) { return info.param; })

// A daemon of its own for each test, not started yet.
class OwnDaemonTest : public testing::Test {
 protected:
  void TearDown() override;
  Daemon vx_;
};

// Matches a Result of a command that failed with `code`, and whose stderr holds
// all of the words that follow.
testing::Matcher<const Result&> FailsSaying(int code, const Words& words);
// Matches a Result with exit status 0.
testing::Matcher<const Result&> Succeeds();

}  // namespace vx::system_test
