// What the fake has beyond the contract, which tests/contract proves.
#include "plugins/fake/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::fake {
namespace {

using driver::Presence;

class FakeDriverTest : public testing::Test {
 protected:
  FakeDriverTest() {
    environment_.state_dir = dir_ / "s";
    environment_.runtime_dir = dir_ / "r";
    EXPECT_TRUE(MakeDirs(environment_.state_dir, 0700).ok());
    EXPECT_TRUE(MakeDirs(environment_.runtime_dir, 0700).ok());
  }

  FakeDriver& Open() {
    driver_ = nullptr;
    driver_ = std::make_unique<FakeDriver>(environment_);
    driver_->Probe();
    return *driver_;
  }

  v1::Workload NewWorkload(const std::string& uid, const std::vector<std::string>& command) {
    v1::Workload workload;
    workload.set_uid(uid);
    workload.set_name("name-" + uid);
    for (const std::string& word : command) workload.mutable_spec()->add_command(word);
    return workload;
  }

  void Launch(const std::string& uid, const std::vector<std::string>& command) {
    const v1::Workload workload = NewWorkload(uid, command);
    ASSERT_TRUE(driver_->Prepare(workload, {}).ok());
    ASSERT_TRUE(driver_->Create(workload, {}).ok());
    ASSERT_TRUE(driver_->Start(uid).ok());
  }

  Presence PresenceOf(const std::string& uid) { return driver_->Observe(uid)->presence; }

  TempDir dir_{"/dev/shm"};
  driver::Environment environment_;
  std::unique_ptr<FakeDriver> driver_;
};

TEST_F(FakeDriverTest, KindAndFormAreOptions) {
  EXPECT_EQ(Open().kind(), v1::KIND_CONTAINER);
  EXPECT_EQ(driver_->base_form(), driver::BaseForm::kLayers);
  environment_.options = {{"fake.kind", "vm"}, {"fake.base_form", "disk"}};
  EXPECT_EQ(Open().kind(), v1::KIND_VM);
  EXPECT_EQ(driver_->base_form(), driver::BaseForm::kDisk);
}

TEST_F(FakeDriverTest, AHostThatCantRunItIsAnOption) {
  environment_.options["fake.unavailable"] = "the moon is full";
  const v1::DriverInfo info = Open().Probe();
  EXPECT_EQ(info.state(), v1::DRIVER_STATE_UNAVAILABLE);
  EXPECT_EQ(info.reason(), "the moon is full");
  EXPECT_EQ(driver_->Doctor()[0].result(), v1::CHECK_RESULT_FAILED);
}

TEST_F(FakeDriverTest, SettlingTakesTheTimeOfItsOptionAndGivesUp) {
  environment_.options["fake.settle_ms"] = "50";
  Open();
  EXPECT_TRUE(absl::IsDeadlineExceeded(driver_->WaitSettled(absl::Milliseconds(10))));
  EXPECT_TRUE(driver_->WaitSettled(absl::Seconds(10)).ok());
}

TEST_F(FakeDriverTest, AFaultHitsItsMethodForWhomItIsMeantAsOftenAsItSays) {
  environment_.options["fake.fail"] = "create:a:2,start:name-b,release:*:1";
  Open();
  const v1::Workload a = NewWorkload("a", {"true"}), b = NewWorkload("b", {"true"});
  ASSERT_TRUE(driver_->Prepare(a, {}).ok());
  ASSERT_TRUE(driver_->Prepare(b, {}).ok());
  EXPECT_EQ(ErrorReason(driver_->Create(a, {}).status()), "FAKE_FAULT");
  EXPECT_EQ(PresenceOf("a"), Presence::kPrepared);
  EXPECT_EQ(ErrorReason(driver_->Create(a, {}).status()), "FAKE_FAULT");
  EXPECT_TRUE(driver_->Create(a, {}).ok());
  EXPECT_TRUE(driver_->Start("a").ok());
  EXPECT_TRUE(driver_->Create(b, {}).ok());
  EXPECT_EQ(ErrorReason(driver_->Start("b")), "FAKE_FAULT");
  EXPECT_EQ(ErrorReason(driver_->Start("b")), "FAKE_FAULT");
  driver_->hooks().Clear();
  EXPECT_TRUE(driver_->Start("b").ok());
  EXPECT_TRUE(driver_->Release("b").ok());
}

TEST_F(FakeDriverTest, ADelayHoldsTheCallAndNotTheDriver) {
  environment_.options["fake.delay_ms"] = "prepare=100";
  Open();
  const absl::Time before = absl::Now();
  ASSERT_TRUE(driver_->Prepare(NewWorkload("a", {"true"}), {}).ok());
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(99));
}

TEST_F(FakeDriverTest, ARunGoesOnWhileNoDriverIsThere) {
  Open();
  Launch("ends", {"tick", "1", "20", ";", "exit", "4"});
  Launch("stays", {"echo", "hi", ";", "sleep", "infinity"});
  Launch("waits", {"sleep", "infinity"});
  ASSERT_TRUE(driver_->Pause("waits").ok());
  driver_ = nullptr;
  absl::SleepFor(absl::Milliseconds(40));  // what passes is time

  absl::BlockingCounter told(1);
  driver_ = std::make_unique<FakeDriver>(environment_);
  driver_->SetObserver([&](const driver::Observation& seen) {
    EXPECT_EQ(seen.uid, "ends");
    told.DecrementCount();
  });
  ASSERT_TRUE(driver_->WaitSettled(absl::Seconds(10)).ok());
  told.Wait();
  driver_->SetObserver(nullptr);
  EXPECT_EQ(driver_->Observe("ends")->exit->code(), 4);
  EXPECT_EQ(PresenceOf("stays"), Presence::kRunning);
  EXPECT_EQ(PresenceOf("waits"), Presence::kPaused);
  auto log = driver_->OpenLog("ends", {});
  ASSERT_TRUE(log.ok());
  driver::LogEntry entry;
  for (int i = 1; i <= 20; ++i) {
    ASSERT_TRUE((*log)->Next(entry).value()) << i;
    EXPECT_EQ(entry.data, absl::StrCat("tick ", i, "\n"));
  }
  EXPECT_FALSE((*log)->Next(entry).value());
}

TEST_F(FakeDriverTest, WhatACrashInPrepareLeftCanBeReleased) {
  Open();
  ASSERT_TRUE(MakeDirs(environment_.state_dir + "/half", 0700).ok());
  Open();
  EXPECT_EQ(PresenceOf("half"), Presence::kNone);
  EXPECT_TRUE(driver_->Delete("half").ok());
  EXPECT_TRUE(driver_->Release("half").ok());
  EXPECT_FALSE(PathExists(environment_.state_dir + "/half"));
}

TEST_F(FakeDriverTest, ThousandsOfRunsCostOneThread) {
  constexpr int kRuns = 2000;
  Open();
  absl::Mutex mutex;
  int ended = 0;
  driver_->SetObserver([&](const driver::Observation& seen) {
    absl::MutexLock lock(&mutex);
    ++ended;
  });
  for (int i = 0; i < kRuns; ++i) Launch(absl::StrCat("u", i), {"sleep", "0.01"});
  auto all_ended = [&] { return ended == kRuns; };
  {
    absl::MutexLock lock(&mutex);
    EXPECT_TRUE(mutex.AwaitWithTimeout(absl::Condition(&all_ended), absl::Minutes(1)));
  }
  driver_->SetObserver(nullptr);
  EXPECT_EQ(driver_->List()->size(), size_t{kRuns});
  EXPECT_LE(ListDir("/proc/self/task")->size(), 4u);
}

}  // namespace
}  // namespace vx::fake
