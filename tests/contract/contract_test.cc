#include "tests/contract/contract_test.h"

#include <poll.h>
#include <signal.h>

#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/ids.h"

namespace vx::driver {

void PrintTo(Presence presence, std::ostream* out) {
  static const char* const names[] = {"none", "prepared", "created", "running", "paused", "exited"};
  *out << names[static_cast<int>(presence)];
}

}  // namespace vx::driver

namespace vx::contract {

using driver::Presence;

std::vector<std::string> Lines(const std::string& text) {
  return absl::StrSplit(text, '\n', absl::SkipEmpty());
}

Output Drain(driver::LogReader& reader) {
  Output output;
  driver::LogEntry entry;
  while (true) {
    auto more = reader.Next(entry);
    EXPECT_TRUE(more.ok()) << more.status();
    if (!more.ok() || !*more) return output;
    EXPECT_TRUE(entry.stream == 1 || entry.stream == 2) << entry.stream;
    (entry.stream == 2 ? output.err : output.out) += entry.data;
    output.entries.push_back(entry);
  }
}

Output ReadUntil(driver::LogReader& reader, const std::string& text, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  Output all;
  while (true) {
    Output some = Drain(reader);
    all.out += some.out;
    all.err += some.err;
    all.entries.insert(all.entries.end(), some.entries.begin(), some.entries.end());
    if (all.out.find(text) != std::string::npos) return all;
    pollfd wake{reader.wake_fd(), POLLIN, 0};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0 || poll(&wake, 1, static_cast<int>(left)) <= 0) {
      ADD_FAILURE() << "no \"" << text << "\" in the log, but: " << all.out << all.err;
      return all;
    }
  }
}

ContractTest::ContractTest() { driver().SetObserver(observations().AsObserver()); }

void ContractTest::TearDown() {
  absl::MutexLock lock(&mutex_);
  for (const std::string& uid : uids_) {
    VX_EXPECT_OK(driver().Release(uid));
    EXPECT_EQ(PresenceOf(uid), Presence::kNone);
    EXPECT_EQ(ListedPresenceOf(uid), Presence::kNone);
    VX_EXPECT_OK(Subject::Get().ReleaseBase(uid));
  }
}

v1::Workload ContractTest::NewWorkload(Behaviour behaviour) {
  v1::Workload workload;
  workload.set_uid(RandomHex(32));
  workload.set_name(absl::StrCat("w", workload.uid().substr(0, 8)));
  workload.set_kind(driver().kind());
  workload.mutable_spec()->set_image("busybox");
  for (const std::string& word : CommandFor(Subject::Get().settings().driver, behaviour)) {
    workload.mutable_spec()->add_command(word);
  }
  if (Subject::Get().vm()) {
    workload.mutable_spec()->mutable_resources()->set_memory_bytes(int64_t{128} << 20);
  }
  absl::MutexLock lock(&mutex_);
  uids_.insert(workload.uid());
  return workload;
}

void ContractTest::Prepare(const v1::Workload& workload) {
  auto base = Subject::Get().AcquireBase(workload.uid());
  ASSERT_TRUE(base.ok()) << base.status();
  VX_ASSERT_OK(driver().Prepare(workload, *base));
}

void ContractTest::Create(const v1::Workload& workload) {
  observations().Forget(workload.uid());
  auto endpoint = driver().Create(workload);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
}

void ContractTest::Start(const v1::Workload& workload) {
  VX_ASSERT_OK(driver().Start(workload.uid()));
}

v1::Workload ContractTest::Launch(Behaviour behaviour) {
  v1::Workload workload = NewWorkload(behaviour);
  Prepare(workload);
  if (!HasFatalFailure()) Create(workload);
  if (!HasFatalFailure()) Start(workload);
  return workload;
}

v1::Workload ContractTest::LaunchUntil(Behaviour behaviour, const std::string& text) {
  v1::Workload workload = Launch(behaviour);
  if (!HasFatalFailure()) WaitForOutput(workload.uid(), text);
  return workload;
}

void ContractTest::WaitForOutput(const std::string& uid, const std::string& text) {
  auto reader = OpenLog(uid);
  ASSERT_NE(reader, nullptr);
  ReadUntil(*reader, text, patience());
}

v1::Exit ContractTest::WaitForEnd(const std::string& uid) {
  driver::Observation end;
  EXPECT_TRUE(observations().WaitForEnd(uid, patience(), &end)) << "nobody told of the end";
  EXPECT_TRUE(end.exit.has_value());
  EXPECT_EQ(end.pid, 0);
  EXPECT_EQ(PresenceOf(uid), Presence::kExited);
  return ExitOf(uid);
}

v1::Exit ContractTest::RunOnce(const v1::Workload& workload) {
  Create(workload);
  if (!HasFatalFailure()) Start(workload);
  if (HasFatalFailure()) return v1::Exit();
  v1::Exit exit = WaitForEnd(workload.uid());
  VX_EXPECT_OK(driver().Delete(workload.uid()));
  return exit;
}

Presence ContractTest::PresenceOf(const std::string& uid) {
  auto seen = driver().Observe(uid);
  EXPECT_TRUE(seen.ok()) << seen.status();
  if (!seen.ok()) return Presence::kNone;
  EXPECT_EQ(seen->uid, uid);
  return seen->presence;
}

v1::Exit ContractTest::ExitOf(const std::string& uid) {
  auto seen = driver().Observe(uid);
  EXPECT_TRUE(seen.ok() && seen->exit.has_value()) << "no exit of " << uid;
  return seen.ok() ? seen->exit.value_or(v1::Exit()) : v1::Exit();
}

void ContractTest::ExpectPresence(const std::string& uid, Presence presence) {
  EXPECT_EQ(PresenceOf(uid), presence);
  EXPECT_EQ(ListedPresenceOf(uid), presence);
}

void ContractTest::ExpectNothingRuns(const std::string& uid) {
  EXPECT_THAT(driver().Kill(uid, SIGTERM), IsNotRunning());
  EXPECT_THAT(driver().Kill(uid, SIGKILL), IsNotRunning());
  EXPECT_THAT(driver().Pause(uid), IsNotRunning());
  EXPECT_THAT(driver().Resume(uid), IsNotRunning());
  EXPECT_THAT(driver().Stats(uid).status(), IsNotRunning());
  EXPECT_THAT(driver().OpenNetns(uid).status(), IsNotRunning());
  EXPECT_THAT(driver().Plug(uid, v1::NetworkAttachment()).status(), IsNotRunning());
  VX_EXPECT_OK(driver().Stop(uid, absl::Seconds(60)));
  VX_EXPECT_OK(driver().Update(uid, v1::Resources()));
}

Presence ContractTest::ListedPresenceOf(const std::string& uid) {
  auto all = driver().List();
  EXPECT_TRUE(all.ok()) << all.status();
  if (!all.ok()) return Presence::kNone;
  Presence presence = Presence::kNone;
  for (const driver::Observation& seen : *all) {
    if (seen.uid != uid) continue;
    EXPECT_EQ(presence, Presence::kNone) << uid << " is listed twice";
    presence = seen.presence;
  }
  return presence;
}

std::unique_ptr<driver::LogReader> ContractTest::OpenLog(const std::string& uid,
                                                         const driver::LogPosition& position) {
  auto reader = driver().OpenLog(uid, position);
  EXPECT_TRUE(reader.ok()) << reader.status();
  return reader.ok() ? *std::move(reader) : nullptr;
}

Output ContractTest::OutputOf(const std::string& uid) {
  auto reader = OpenLog(uid);
  return reader == nullptr ? Output() : Drain(*reader);
}

}  // namespace vx::contract
