// The serial console of a machine's shim: with a socket as the machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "plugins/shim/client.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::shim {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
const std::string kBegins = absl::StrCat(kConsoleBegins, "\n");

class ShimConsole : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteFileAtomic((dir_ / "config"), "c", 0600).ok());
    Launch();
  }
  void TearDown() override { End(); }

  void Launch(int64_t log_size = 0) {
    auto client = Client::Launch({.program = VX_SHIM,
                                  .dir = dir_.path(),
                                  .log = (dir_ / "log"),
                                  .console_log = (dir_ / "said"),
                                  .log_size = log_size,
                                  .log_files = 2});
    ASSERT_TRUE(client.ok()) << client.status();
    client_ = *std::move(client);
    machine_ = Connect("console");
  }

  void End() {
    machine_.reset();
    EXPECT_TRUE(client_->MachineGone().ok());
    EXPECT_TRUE(client_->WaitEnd(kPatience));
  }

  UniqueFd Connect(const char* name) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir_ / name).copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  void Say(const std::string& text) {
    EXPECT_EQ(write(machine_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  // What the machine gets to read, `size` bytes.
  std::string Heard(size_t size) {
    std::string data;
    char piece[4096];
    while (data.size() < size) {
      pollfd readable{machine_.get(), POLLIN, 0};
      if (poll(&readable, 1, 20'000) <= 0) break;
      const ssize_t n = read(machine_.get(), piece, std::min(sizeof piece, size - data.size()));
      if (n <= 0) break;
      data.append(piece, static_cast<size_t>(n));
    }
    return data;
  }

  std::unique_ptr<driver::LogReader> Reader(const driver::LogPosition& position = {}) {
    auto reader = OpenLog((dir_ / "said"), position);
    EXPECT_TRUE(reader.ok()) << reader.status();
    return reader.ok() ? *std::move(reader) : nullptr;
  }

  // The entries that are there now.
  std::vector<std::string> Said(int stream) {
    std::vector<std::string> entries;
    auto reader = Reader();
    driver::LogEntry entry;
    while (*reader->Next(entry)) {
      if (entry.stream == stream) entries.push_back(entry.data);
    }
    return entries;
  }

  // Waits until `text` is in the log.
  static bool WaitFor(driver::LogReader& reader, const std::string& text) {
    std::string all;
    driver::LogEntry entry;
    const absl::Time deadline = absl::Now() + kPatience;
    while (absl::Now() < deadline) {
      while (*reader.Next(entry)) all += entry.data;
      if (all.find(text) != std::string::npos) return true;
      pollfd readable{reader.wake_fd(), POLLIN, 0};
      poll(&readable, 1, 1000);
    }
    return false;
  }

  // Once who had it before is known to have gone.
  std::unique_ptr<driver::Input> OpenFreed() {
    const absl::Time deadline = absl::Now() + kPatience;
    auto input = client_->OpenConsole();
    while (ErrorReason(input.status()) == "CONSOLE_BUSY" && absl::Now() < deadline) {
      input = client_->OpenConsole();
    }
    EXPECT_TRUE(input.ok()) << input.status();
    return input.ok() ? *std::move(input) : nullptr;
  }

  TempDir dir_;
  std::unique_ptr<Client> client_;
  UniqueFd machine_;
};

TEST_F(ShimConsole, WhatComesByteByByteIsKeptLineByLine) {
  for (const char c : std::string("one\r\ntwo\r\n")) Say(std::string(1, c));
  ASSERT_TRUE(WaitFor(*Reader(), "two\r\n"));
  EXPECT_THAT(Said(1), testing::ElementsAre("one\r\n", "two\r\n"));
  struct stat st{};
  ASSERT_EQ(stat((dir_ / "said").c_str(), &st), 0);
  EXPECT_LT(st.st_size, 300);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
}

TEST_F(ShimConsole, APromptIsSeenThoughItsLineDoesNotEnd) {
  auto reader = Reader({.from_end = true});
  Say("login: ");
  EXPECT_TRUE(WaitFor(*reader, "login: "));
}

TEST_F(ShimConsole, LinesLongerThanAnyBufferAreWhole) {
  const std::string line = std::string(100'000, 'x') + "\n";
  Say("short ");
  Say(line + "next\n");
  ASSERT_TRUE(WaitFor(*Reader(), "next\n"));
  std::string all;
  for (const std::string& entry : Said(1)) all += entry;
  EXPECT_TRUE(all == "short " + line + "next\n") << all.size();
}

TEST_F(ShimConsole, ItsLogSurvivesRunsAndTellsThemApart) {
  Say("first\n");
  End();
  Launch();
  Say("second, without its end");
  End();
  Launch();
  EXPECT_THAT(Said(1), testing::ElementsAre("first\n", "second, without its end"));
  EXPECT_THAT(Said(2), testing::ElementsAre(kBegins, kBegins, kBegins));
}

TEST_F(ShimConsole, AGuestCantClaimToBeSwitchedOn) {
  Say(kBegins);
  ASSERT_TRUE(WaitFor(*Reader(), kBegins + kBegins));
  EXPECT_THAT(Said(2), testing::ElementsAre(kBegins));
}

TEST_F(ShimConsole, WhatIsTypedReachesTheMachine) {
  auto input = client_->OpenConsole();
  ASSERT_TRUE(input.ok()) << input.status();
  EXPECT_EQ(*(*input)->Write("ls\r"), 3u);
  EXPECT_EQ(Heard(3), "ls\r");
  // Neither is known to a serial line.
  EXPECT_TRUE((*input)->Resize({80, 24}).ok());
  EXPECT_TRUE(*(*input)->Close());
  EXPECT_EQ(*(*input)->Write("x"), 1u);
  EXPECT_EQ(Heard(1), "x");
}

TEST_F(ShimConsole, OneAtATimeTypes) {
  auto first = client_->OpenConsole();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(ErrorReason(client_->OpenConsole().status()), "CONSOLE_BUSY");
  EXPECT_EQ(*(*first)->Write("a"), 1u);
  EXPECT_EQ(Heard(1), "a");
  first->reset();
  auto second = OpenFreed();
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(*second->Write("b"), 1u);
  EXPECT_EQ(Heard(1), "b");
}

TEST_F(ShimConsole, AMachineThatDoesNotReadHoldsUpNobody) {
  auto input = client_->OpenConsole();
  ASSERT_TRUE(input.ok()) << input.status();
  const std::string piece(kMaxInput, 'k');
  size_t sent = 0;
  for (size_t n = 1; n > 0 && sent < (64 << 20); sent += n) n = *(*input)->Write(piece);
  EXPECT_LT(sent, 64u << 20) << "what nobody reads piles up";
  EXPECT_TRUE(client_->Status().ok());
  Say("still here\n");
  EXPECT_TRUE(WaitFor(*Reader(), "still here\n"));
  // And all of it comes, once somebody reads.
  EXPECT_EQ(Heard(sent).size(), sent);
}

TEST_F(ShimConsole, WhoLeavesWhatNobodyReadsFreesTheConsole) {
  auto input = client_->OpenConsole();
  ASSERT_TRUE(input.ok()) << input.status();
  const std::string piece(kMaxInput, 'k');
  for (size_t n = 1; n > 0;) n = *(*input)->Write(piece);
  input->reset();
  EXPECT_NE(OpenFreed(), nullptr);
}

TEST_F(ShimConsole, AFloodIsBoundedAndStopsNothing) {
  End();
  Launch(/*log_size=*/64 << 10);
  const std::string flood(32 << 10, '\n');
  for (int written = 0; written < (8 << 20);) {
    const ssize_t n = write(machine_.get(), flood.data(), flood.size());
    ASSERT_GT(n, 0);
    written += static_cast<int>(n);
  }
  EXPECT_TRUE(client_->Status().ok());
  Say("end\n");
  EXPECT_TRUE(WaitFor(*Reader({.tail = 10}), "end\n"));
  for (const char* name : {"said", "said.1"}) {
    struct stat st{};
    ASSERT_EQ(stat((dir_ / name).c_str(), &st), 0) << name;
    // What one look finds is written whole: a line of the log for each byte of it.
    EXPECT_LE(st.st_size, 1 << 20) << name;
  }
  EXPECT_FALSE(PathExists((dir_ / "said.2")));
}

TEST_F(ShimConsole, NobodyTypesOnWhatHasEnded) {
  End();
  EXPECT_EQ(ErrorReason(client_->OpenConsole().status()), "NOT_RUNNING");
  Launch();
}

TEST(ShimWithoutConsoleLog, DropsWhatTheConsoleSays) {
  TempDir dir;
  ASSERT_TRUE(WriteFileAtomic((dir / "config"), "c", 0600).ok());
  auto client =
      Client::Launch({.program = VX_SHIM, .dir = dir.path(), .log = (dir / "log"), .runtime = {}});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_TRUE((*client)->MachineGone().ok());
  EXPECT_TRUE((*client)->WaitEnd(kPatience));
}

}  // namespace
}  // namespace vx::shim
