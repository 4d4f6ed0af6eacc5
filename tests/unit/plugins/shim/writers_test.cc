// What the shim writes: logs, and the console's end.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "plugins/shim/console_log.h"
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

TEST(ConsoleLog, KeepsTheEndAndNeverGrowsPastItsBound) {
  TempDir dir;
  ConsoleLog log;
  const std::string path = (dir / "console.log");
  ASSERT_TRUE(log.Open(path.c_str()));
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    const std::string line = absl::StrCat("console line ", i, " of a machine that talks a lot\n");
    log.Write(line.data(), line.size());
    all += line;
    auto now = ReadFile(path);
    ASSERT_TRUE(now.ok());
    ASSERT_LE(now->size(), 64u * 1024);
  }
  auto kept = ReadFile(path);
  ASSERT_TRUE(kept.ok());
  EXPECT_GE(kept->size(), 32u * 1024);
  EXPECT_TRUE(all.ends_with(*kept));
}

}  // namespace
}  // namespace vx::shim
