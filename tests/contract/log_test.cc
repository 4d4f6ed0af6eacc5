// The log: both streams, whole, in order, from anywhere, for as long as it is read.
#include <poll.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::LogEntry;
using driver::LogPosition;

class Logs : public ContractTest {
 protected:
  Output Read(const std::string& uid, const LogPosition& position) {
    auto reader = OpenLog(uid, position);
    return reader == nullptr ? Output() : Drain(*reader);
  }
};

bool Readable(int fd, int timeout_ms) {
  pollfd wake{fd, POLLIN, 0};
  return poll(&wake, 1, timeout_ms) > 0;
}

std::string Ticks(int first, int last) {
  std::string text;
  for (int i = first; i <= last; ++i) absl::StrAppend(&text, "tick ", i, "\n");
  return text;
}

// 2000 lines, one longer than any buffer, and a last one without a newline.
TEST_F(Logs, AllThatWasWrittenIsThereInOrderFromAnywhere) {
  const v1::Workload workload = Launch(Behaviour::kManyLines);
  const std::string& uid = workload.uid();
  EXPECT_EQ(WaitForEnd(uid).code(), 0);
  const Output all = Read(uid, {});
  const std::string long_line = std::string(200000, 'x') + "\n";
  EXPECT_TRUE(all.out == Ticks(1, 2000) + long_line + "end") << all.out.size() << " bytes";
  EXPECT_EQ(all.err, "");
  for (size_t i = 1; i < all.entries.size(); ++i) {
    ASSERT_GE(all.entries[i].time, all.entries[i - 1].time) << i;
  }

  EXPECT_EQ(Read(uid, {.tail = 0}).out, "");
  EXPECT_EQ(Read(uid, {.tail = 1}).out, "end");
  EXPECT_TRUE(Read(uid, {.tail = 2}).out == long_line + "end") << "parts of a line are no lines";
  EXPECT_TRUE(Read(uid, {.tail = 4}).out == Ticks(1999, 2000) + long_line + "end");
  EXPECT_EQ(Read(uid, {.tail = 1000000}).out.size(), all.out.size());
  EXPECT_EQ(Read(uid, {.from_end = true}).out, "");

  ASSERT_GT(all.entries.size(), 2000u);
  const absl::Time since = all.entries[1000].time;
  const Output later = Read(uid, {.since = since});
  ASSERT_FALSE(later.entries.empty());
  EXPECT_EQ(later.entries[0].time, since);
  EXPECT_GE(later.entries.size(), all.entries.size() - 1000);
  EXPECT_EQ(Read(uid, {.since = all.entries.back().time + absl::Nanoseconds(1)}).out, "");
}

TEST_F(Logs, AReaderIsWokenByNewOutputAndOnlyThen) {
  const v1::Workload workload = LaunchUntil(Behaviour::kAnswersUsr1, "ready");
  auto reader = OpenLog(workload.uid(), {.from_end = true});
  ASSERT_NE(reader, nullptr);
  LogEntry entry;
  auto more = reader->Next(entry);
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_FALSE(*more) << entry.data;
  EXPECT_FALSE(Readable(reader->wake_fd(), 0));
  for (int i = 0; i < 3; ++i) {
    VX_ASSERT_OK(driver().Kill(workload.uid(), SIGUSR1));
    EXPECT_EQ(ReadUntil(*reader, "usr1\n", patience()).out, "usr1\n");
  }
}

TEST_F(Logs, TheLogOutlivesRunsAndAReaderOutlivesTheLog) {
  const v1::Workload workload = NewWorkload(Behaviour::kStreams);
  const std::string& uid = workload.uid();
  Prepare(workload);
  EXPECT_EQ(RunOnce(workload).code(), 7);
  auto follower = OpenLog(uid);
  ASSERT_NE(follower, nullptr);
  EXPECT_EQ(Drain(*follower).out, "to out\n");
  EXPECT_EQ(RunOnce(workload).code(), 7);
  EXPECT_EQ(OutputOf(uid).out, "to out\nto out\n");
  EXPECT_EQ(OutputOf(uid).err, "to err\nto err\n");

  auto late = OpenLog(uid);
  ASSERT_NE(late, nullptr);
  VX_ASSERT_OK(driver().Release(uid));
  EXPECT_EQ(Drain(*follower).out, "to out\n");
  EXPECT_EQ(Drain(*late).out, "to out\nto out\n");
  EXPECT_THAT(driver().OpenLog(uid, {}).status(),
              IsError(absl::StatusCode::kNotFound, "NOT_PREPARED"));
}

}  // namespace
}  // namespace vx::contract
