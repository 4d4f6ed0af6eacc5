#include <gtest/gtest.h>
#include <signal.h>

#include "daemon/base/error.h"
#include "plugins/shim/client.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::shim {
namespace {

class ExitRecordTest : public testing::Test {
 protected:
  absl::StatusOr<std::optional<ExitRecord>> Read(const std::string& text) {
    EXPECT_TRUE(WriteFileAtomic((dir_ / "exit"), text, 0600).ok());
    return ReadExitRecord(dir_.path());
  }

  TempDir dir_;
};

TEST_F(ExitRecordTest, NoneIsThereBeforeTheEnd) {
  auto record = ReadExitRecord(dir_.path());
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_FALSE(record->has_value());
}

TEST_F(ExitRecordTest, EveryFieldIsRead) {
  auto record = Read("code=139 signal=11 oom=1 exec_errno=2 time_ns=1500000000 lost=1\n");
  ASSERT_TRUE(record.ok() && record->has_value()) << record.status();
  EXPECT_EQ((*record)->code, 139);
  EXPECT_EQ((*record)->signal, 11);
  EXPECT_TRUE((*record)->oom);
  EXPECT_EQ((*record)->exec_errno, 2);
  EXPECT_EQ((*record)->time, absl::FromUnixMillis(1500));
  EXPECT_TRUE((*record)->lost);
}

TEST_F(ExitRecordTest, WhatMakesNoSenseIsAnError) {
  for (const char* text : {"", "code=x time_ns=1", "code=1", "hello"}) {
    EXPECT_EQ(ErrorReason(Read(text).status()), "BAD_EXIT_RECORD") << text;
  }
}

v1::ExitReason ReasonOf(const ExitRecord& record, bool oom = false) {
  return ToExit(record, oom).reason();
}

TEST(ToExit, TheReasonFollowsFromTheRecord) {
  EXPECT_EQ(ReasonOf({.code = 0}), v1::EXIT_REASON_EXITED);
  EXPECT_EQ(ReasonOf({.code = 7}), v1::EXIT_REASON_EXITED);
  EXPECT_EQ(ReasonOf({.code = 143, .signal = SIGTERM}), v1::EXIT_REASON_CRASHED);
  EXPECT_EQ(ReasonOf({.code = 137, .signal = SIGKILL, .oom = true}), v1::EXIT_REASON_OOM);
  EXPECT_EQ(ReasonOf({.lost = true}), v1::EXIT_REASON_LOST);
}

TEST(ToExit, AnOomKillInTheGroupCountsOnlyForAnEndByKill) {
  EXPECT_EQ(ReasonOf({.code = 137, .signal = SIGKILL}, true), v1::EXIT_REASON_OOM);
  // A shell whose child was killed.
  EXPECT_EQ(ReasonOf({.code = 137}, true), v1::EXIT_REASON_OOM);
  EXPECT_EQ(ReasonOf({.code = 0}, true), v1::EXIT_REASON_EXITED);
  EXPECT_EQ(ReasonOf({.code = 137, .signal = SIGKILL}, false), v1::EXIT_REASON_CRASHED);
}

TEST(ToExit, KeepsTimeCodeAndSignalAndSaysWhy) {
  const v1::Exit exit =
      ToExit({.code = 139, .signal = SIGSEGV, .time = absl::FromUnixMillis(1500)}, false);
  EXPECT_EQ(exit.code(), 139);
  EXPECT_EQ(exit.signal(), SIGSEGV);
  EXPECT_EQ(exit.time().seconds(), 1);
  EXPECT_EQ(exit.time().nanos(), 500000000);
  EXPECT_EQ(exit.message(), "killed by SIGSEGV");
  EXPECT_NE(ToExit({.code = 127, .exec_errno = ENOENT}, false).message().find("No such file"),
            std::string::npos);
}

}  // namespace
}  // namespace vx::shim
