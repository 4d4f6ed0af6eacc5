#include "plugins/shim/frame_reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace vx::shim {
namespace {

class Recorder final : public FrameHandler {
 public:
  void OnHello() override { log += "hello;"; }
  void OnOutput(int stream, const char* data, size_t size) override {
    (stream == 2 ? err : out).append(data, size);
  }
  void OnStarted(const StartedFrame& frame) override {
    log += "started " + std::to_string(frame.command) + ";";
  }
  void OnRoom(uint32_t bytes) override { log += "room " + std::to_string(bytes) + ";"; }
  void OnExit(const ExitFrame& frame) override {
    log += "exit " + std::to_string(frame.code) + ";";
  }

  std::string log, out, err;
};

std::string Frame(FrameType type, const std::string& body) {
  const FrameHeader header{type, static_cast<uint32_t>(body.size())};
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + body;
}

std::string Hello(uint32_t version) {
  return Frame(FrameType::kHello,
               std::string(reinterpret_cast<const char*>(&version), sizeof version) + "vx-agent");
}

std::string Exit(int32_t code) {
  const ExitFrame exit{code, 0, 0, 0};
  return Frame(FrameType::kExit, std::string(reinterpret_cast<const char*>(&exit), sizeof exit));
}

std::string Started(uint64_t command) {
  const StartedFrame started{1, 2, command};
  return Frame(FrameType::kStarted,
               std::string(reinterpret_cast<const char*>(&started), sizeof started));
}

std::string Room(uint32_t bytes) {
  return Frame(FrameType::kRoom, std::string(reinterpret_cast<const char*>(&bytes), sizeof bytes));
}

std::string WholeRun() {
  return Hello(kAgentProtocolVersion) + Started(5) + Room(9) +
         Frame(FrameType::kStdout, "to out\n") + Frame(FrameType::kStderr, "to err\n") +
         Frame(FrameType::kStdout, "") + Frame(FrameType::kStdout, std::string(kMaxFrame, 'x')) +
         Exit(7);
}

void ExpectWholeRun(const Recorder& seen) {
  EXPECT_EQ(seen.log, "hello;started 5;room 9;exit 7;");
  EXPECT_EQ(seen.out, "to out\n" + std::string(kMaxFrame, 'x'));
  EXPECT_EQ(seen.err, "to err\n");
}

TEST(FrameReader, TakesARunThatComesAtOnce) {
  Recorder seen;
  FrameReader reader(seen);
  const std::string bytes = WholeRun();
  EXPECT_TRUE(reader.Feed(bytes.data(), bytes.size()));
  ExpectWholeRun(seen);
}

TEST(FrameReader, TakesARunThatComesByteByByte) {
  Recorder seen;
  FrameReader reader(seen);
  for (const char c : WholeRun()) ASSERT_TRUE(reader.Feed(&c, 1));
  ExpectWholeRun(seen);
}

TEST(FrameReader, RefusesWhatBreaksTheProtocol) {
  const std::string too_long = Frame(FrameType::kStdout, std::string(kMaxFrame + 1, 'x'));
  for (const std::string& bytes :
       {too_long, Frame(static_cast<FrameType>(99), "x"), Frame(FrameType::kConfig, "x"),
        Frame(FrameType::kExit, "short"), Frame(FrameType::kStarted, "x"),
        Frame(FrameType::kHello, "v"), Hello(kAgentProtocolVersion + 1)}) {
    Recorder seen;
    FrameReader reader(seen);
    EXPECT_FALSE(reader.Feed(bytes.data(), bytes.size())) << int{bytes[0]};
    EXPECT_EQ(seen.log, "");
    EXPECT_EQ(seen.out, "");
  }
}

}  // namespace
}  // namespace vx::shim
