#include "plugins/shim/log_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "plugins/shim/client.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::shim {
namespace {

using driver::LogEntry;
using driver::LogPosition;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kTime[] = "2026-02-28T23:59:59.000000001Z";

class LogReaderTest : public testing::Test {
 protected:
  void Append(const std::string& text) {
    UniqueFd fd(open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    ASSERT_EQ(write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  void AppendLine(const std::string& content, char tag = 'F', const char* stream = "stdout",
                  const char* time = kTime) {
    Append(absl::StrCat(time, " ", stream, " ", std::string(1, tag), " ", content, "\n"));
  }

  std::unique_ptr<driver::LogReader> Open(const LogPosition& position = {}) {
    auto reader = OpenLog(log_, position);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return reader.ok() ? *std::move(reader) : nullptr;
  }

  static std::vector<std::string> ReadAll(driver::LogReader& reader) {
    std::vector<std::string> all;
    LogEntry entry;
    while (true) {
      auto more = reader.Next(entry);
      EXPECT_TRUE(more.ok()) << more.status();
      if (!more.ok() || !*more) return all;
      all.push_back(entry.data);
    }
  }

  static bool IsReadable(int fd, int millis = 0) {
    pollfd p{fd, POLLIN, 0};
    return poll(&p, 1, millis) == 1;
  }

  TempDir dir_;
  const std::string log_ = (dir_ / "log");
};

TEST(ParseLogLine, TakesTimeStreamAndContentApart) {
  LogEntry entry;
  ASSERT_TRUE(ParseLogLine("1970-01-02T00:00:01.000000002Z stderr F a  b ", entry));
  EXPECT_EQ(absl::ToUnixNanos(entry.time), (int64_t{86401} * 1000000000) + 2);
  EXPECT_EQ(entry.stream, 2);
  EXPECT_EQ(entry.data, "a  b \n");
  ASSERT_TRUE(ParseLogLine(absl::StrCat(kTime, " stdout P "), entry));
  EXPECT_EQ(entry.data, "");
}

TEST(ParseLogLine, RefusesWhatIsNoLine) {
  LogEntry entry;
  for (const char* line :
       {"", "garbage", "2026-02-28T23:59:59.000000001Z stdout X a",
        "2026-02-28T23:59:59.000000001Z stdin_ F a", "2026-02-28 23:59:59.000000001Z stdout F a",
        "2026-0x-28T23:59:59.000000001Z stdout F a", "2026-02-28T23:59:59.000000001Z stdout"}) {
    EXPECT_FALSE(ParseLogLine(line, entry)) << line;
  }
}

TEST_F(LogReaderTest, PartsOfALineAreOneEntry) {
  AppendLine("one", 'P');
  AppendLine("two", 'P');
  AppendLine("three");
  AppendLine("four");
  EXPECT_THAT(ReadAll(*Open()), ElementsAre("onetwothree\n", "four\n"));
}

TEST_F(LogReaderTest, APartEndsWhereTheOtherStreamSpeaks) {
  AppendLine("prompt", 'P');
  AppendLine("error", 'F', "stderr");
  AppendLine(" rest");
  EXPECT_THAT(ReadAll(*Open()), ElementsAre("prompt", "error\n", " rest\n"));
}

TEST_F(LogReaderTest, APromptIsThereBeforeItsLineIs) {
  AppendLine("login: ", 'P');
  auto reader = Open();
  EXPECT_THAT(ReadAll(*reader), ElementsAre("login: "));
  AppendLine("root");
  EXPECT_THAT(ReadAll(*reader), ElementsAre("root\n"));
}

TEST_F(LogReaderTest, TailCountsLinesNotParts) {
  for (int i = 0; i < 5; ++i) {
    AppendLine(absl::StrCat(i, "a"), 'P');
    AppendLine(absl::StrCat(i, "b"));
  }
  EXPECT_THAT(ReadAll(*Open({.tail = 2})), ElementsAre("3a3b\n", "4a4b\n"));
  EXPECT_THAT(ReadAll(*Open({.tail = 0})), IsEmpty());
  EXPECT_EQ(ReadAll(*Open({.tail = 100})).size(), 5u);
}

TEST_F(LogReaderTest, TailFindsItsPlaceInALogOfManyBlocks) {
  const std::string long_line(3000, 'x');
  for (int i = 0; i < 100; ++i) AppendLine(absl::StrCat(i, long_line));
  const std::vector<std::string> last = ReadAll(*Open({.tail = 60}));
  ASSERT_EQ(last.size(), 60u);
  EXPECT_EQ(last.front(), absl::StrCat(40, long_line, "\n"));
  EXPECT_EQ(last.back(), absl::StrCat(99, long_line, "\n"));
}

TEST_F(LogReaderTest, SinceSkipsWhatIsOlder) {
  AppendLine("old", 'F', "stdout", "2026-01-01T00:00:00.000000000Z");
  AppendLine("new", 'F', "stdout", "2026-01-01T00:00:01.000000000Z");
  LogPosition position;
  position.since = absl::FromCivil(absl::CivilSecond(2026, 1, 1, 0, 0, 1), absl::UTCTimeZone());
  EXPECT_THAT(ReadAll(*Open(position)), ElementsAre("new\n"));
}

TEST_F(LogReaderTest, FromEndShowsOnlyWhatComes) {
  AppendLine("before");
  auto reader = Open({.from_end = true});
  EXPECT_THAT(ReadAll(*reader), IsEmpty());
  AppendLine("after");
  EXPECT_THAT(ReadAll(*reader), ElementsAre("after\n"));
}

TEST_F(LogReaderTest, ATornLineIsSkipped) {
  AppendLine("good");
  Append("2026-02-28T23:5\n");
  AppendLine("again");
  EXPECT_THAT(ReadAll(*Open()), ElementsAre("good\n", "again\n"));
}

TEST_F(LogReaderTest, HalfALineIsWaitedFor) {
  Append(absl::StrCat(kTime, " stdout F be"));
  auto reader = Open();
  EXPECT_THAT(ReadAll(*reader), IsEmpty());
  Append("gun\n");
  EXPECT_THAT(ReadAll(*reader), ElementsAre("begun\n"));
}

TEST_F(LogReaderTest, TheWakeUpIsThereUntilAllIsRead) {
  AppendLine("first");
  auto reader = Open();
  EXPECT_EQ(ReadAll(*reader).size(), 1u);
  EXPECT_FALSE(IsReadable(reader->wake_fd()));
  AppendLine("second");
  EXPECT_TRUE(IsReadable(reader->wake_fd(), 1000));
  EXPECT_THAT(ReadAll(*reader), ElementsAre("second\n"));
  EXPECT_FALSE(IsReadable(reader->wake_fd()));
}

TEST_F(LogReaderTest, GoesOnAfterTheFileIsRemoved) {
  AppendLine("kept");
  auto reader = Open();
  unlink(log_.c_str());
  EXPECT_THAT(ReadAll(*reader), ElementsAre("kept\n"));
}

TEST_F(LogReaderTest, AMissingLogIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(OpenLog((dir_ / "none"), {}).status()));
}

}  // namespace
}  // namespace vx::shim
