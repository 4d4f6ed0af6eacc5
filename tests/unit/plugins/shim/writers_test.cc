// What the shim writes: logs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "plugins/shim/client.h"
#include "plugins/shim/log_reader.h"
#include "plugins/shim/log_writer.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::shim {
namespace {

struct Written {
  std::string out;
  std::string err;
  int lines = 0;
};

class LogWriterTest : public testing::Test {
 protected:
  void Write(int stream, const std::string& data) {
    if (!open_) open_ = writer_.Open(log_.c_str());
    ASSERT_TRUE(open_);
    writer_.Write(stream, data.data(), data.size());
  }

  Written ReadBack() {
    Written written;
    auto reader = FileLogReader::Open(log_, {});
    EXPECT_TRUE(reader.ok()) << reader.status();
    driver::LogEntry entry;
    while (reader.ok() && *(*reader)->Next(entry)) {
      (entry.stream == 2 ? written.err : written.out) += entry.data;
      ++written.lines;
    }
    return written;
  }

  TempDir dir_;
  const std::string log_ = (dir_ / "log");
  LogWriter writer_;
  bool open_ = false;
};

TEST_F(LogWriterTest, EveryByteComesBack) {
  std::string data;
  for (int i = 0; i < 200000; ++i) data.push_back(static_cast<char>(i * 7));
  for (size_t at = 0; at < data.size(); at += 16384) Write(1, data.substr(at, 16384));
  EXPECT_EQ(ReadBack().out, data);
}

TEST_F(LogWriterTest, ManyShortLinesInOneReadAreAllThere) {
  std::string data;
  for (int i = 0; i < 3000; ++i) absl::StrAppend(&data, i % 10, "\n");
  Write(1, data);
  const Written written = ReadBack();
  EXPECT_EQ(written.out, data);
  EXPECT_EQ(written.lines, 3000);
}

TEST_F(LogWriterTest, StreamsStayApart) {
  Write(1, "out\n");
  Write(2, "err\n");
  Write(1, "more");
  const Written written = ReadBack();
  EXPECT_EQ(written.out, "out\nmore");
  EXPECT_EQ(written.err, "err\n");
}

TEST_F(LogWriterTest, LinesAreOfTheFormatOfCri) {
  Write(1, "a\nb");
  auto text = ReadFile(log_);
  ASSERT_TRUE(text.ok());
  ASSERT_EQ(text->size(), 2 * 42u);
  EXPECT_EQ(text->substr(30, 12), " stdout F a\n");
  EXPECT_EQ(text->substr(72, 12), " stdout P b\n");
}

TEST_F(LogWriterTest, TheTimeIsNow) {
  const absl::Time before = absl::Now();
  Write(1, "a\n");
  auto reader = FileLogReader::Open(log_, {});
  driver::LogEntry entry;
  ASSERT_TRUE(reader.ok() && *(*reader)->Next(entry));
  EXPECT_GE(entry.time, before - absl::Milliseconds(10));
  EXPECT_LE(entry.time, absl::Now() + absl::Milliseconds(10));
}

TEST_F(LogWriterTest, ALogThatWasTornGoesOnOnALineOfItsOwn) {
  ASSERT_TRUE(WriteFileAtomic(log_, "2026-02-28T23:59:59.000000001Z stdout F to", 0600).ok());
  Write(1, "next\n");
  EXPECT_EQ(ReadBack().out, "to\nnext\n");
}

// A log of three files of about 2,000 bytes.
class DividedLogTest : public LogWriterTest {
 protected:
  DividedLogTest() { open_ = writer_.Open(log_.c_str(), {2000, 3}); }

  void WriteLines(int first, int count) {
    for (int i = first; i < first + count; ++i) Write(1, absl::StrCat("line ", i, "\n"));
  }
  static std::string Lines(int first, int count) {
    std::string all;
    for (int i = first; i < first + count; ++i) absl::StrAppend(&all, "line ", i, "\n");
    return all;
  }
  static std::string ReadOn(driver::LogReader& reader) {
    std::string all;
    driver::LogEntry entry;
    while (*reader.Next(entry)) all += entry.data;
    return all;
  }
};

TEST_F(DividedLogTest, KeepsTheNewestWithinItsBounds) {
  WriteLines(0, 1000);
  int64_t size = 0;
  for (const char* end : {"", ".1", ".2"}) {
    auto file = ReadFile(log_ + end);
    ASSERT_TRUE(file.ok()) << end;
    size += static_cast<int64_t>(file->size());
  }
  EXPECT_FALSE(PathExists(log_ + ".3"));
  EXPECT_LT(size, 3 * 2100);
  const std::string kept = ReadBack().out;
  EXPECT_TRUE(Lines(0, 1000).ends_with(kept));
  EXPECT_TRUE(kept.starts_with("line "));
  EXPECT_GT(kept.size(), Lines(950, 50).size());
}

TEST_F(DividedLogTest, AFileBeginsWithALine) {
  for (int i = 0; i < 400; ++i) {
    Write(1, "begun ");
    Write(1, "and ended\n");
  }
  EXPECT_TRUE(ReadBack().out.starts_with("begun and ended\n"));
}

TEST_F(DividedLogTest, AFollowerMissesNothing) {
  WriteLines(0, 10);
  auto reader = OpenLog(log_, {});
  ASSERT_TRUE(reader.ok());
  std::string seen = ReadOn(**reader);
  for (int i = 10; i < 1000; i += 50) {
    WriteLines(i, 50);
    seen += ReadOn(**reader);
  }
  EXPECT_EQ(seen, Lines(0, 1010));
}

TEST_F(DividedLogTest, AFollowerIsWokenByANewFile) {
  WriteLines(0, 1);
  auto reader = OpenLog(log_, {});
  ASSERT_TRUE(reader.ok());
  for (int i = 1; i < 200; ++i) {
    ReadOn(**reader);
    WriteLines(i, 1);
    pollfd p{(*reader)->wake_fd(), POLLIN, 0};
    ASSERT_EQ(poll(&p, 1, 0), 1) << i;
    driver::LogEntry entry;
    ASSERT_TRUE(*(*reader)->Next(entry)) << i;
    ASSERT_EQ(entry.data, absl::StrCat("line ", i, "\n"));
  }
}

TEST_F(DividedLogTest, AFollowerWhoIsTooSlowGoesOnWithTheOldestThereIs) {
  WriteLines(0, 10);
  auto reader = OpenLog(log_, {});
  ASSERT_TRUE(reader.ok());
  WriteLines(10, 990);
  const std::string seen = ReadOn(**reader);
  EXPECT_TRUE(seen.starts_with(Lines(0, 10)));
  EXPECT_TRUE(seen.ends_with(Lines(950, 50)));
}

TEST_F(DividedLogTest, TheTailReachesIntoOlderFiles) {
  WriteLines(0, 1000);
  driver::LogPosition position;
  position.tail = 50;
  auto reader = OpenLog(log_, position);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(ReadOn(**reader), Lines(950, 50));
}

TEST_F(DividedLogTest, AMissingNumberHidesNothing) {
  WriteLines(0, 1000);
  ASSERT_EQ(rename((log_ + ".2").c_str(), (log_ + ".3").c_str()), 0);
  ASSERT_EQ(rename((log_ + ".1").c_str(), (log_ + ".2").c_str()), 0);
  driver::LogPosition position;
  position.tail = 80;
  auto reader = OpenLog(log_, position);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(ReadOn(**reader), Lines(920, 80));
}

}  // namespace
}  // namespace vx::shim
