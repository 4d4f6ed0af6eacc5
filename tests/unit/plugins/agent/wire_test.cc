#include "plugins/agent/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace vx::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What was taken: "type/stream/channel:body".
class Recorder {
 public:
  bool Feed(WireReader& reader, const std::string& data) {
    return reader.Feed(data, [this](const WireHeader& header, std::string_view body) {
      seen.push_back(std::to_string(static_cast<int>(header.type)) + "/" +
                     std::to_string(header.stream) + "/" + std::to_string(header.channel) + ":" +
                     std::string(body));
      return body != "refuse";
    });
  }

  std::vector<std::string> seen;
};

std::string Bytes(WireHeader header, const std::string& body = "") {
  return std::string(reinterpret_cast<const char*>(&header), sizeof header) + body;
}

TEST(WireReader, TakesFramesThatComeAtOnceOrByteByByte) {
  const std::string bytes = EncodeFrame(WireType::kRequest, 1, 0, "ask") +
                            EncodeFrame(WireType::kData, 1, kStderr, "words") +
                            EncodeFrame(WireType::kEnd, 1, kStdin, "");
  Recorder at_once, in_bytes;
  WireReader one(100), other(100);
  EXPECT_TRUE(at_once.Feed(one, bytes));
  for (char c : bytes) ASSERT_TRUE(in_bytes.Feed(other, std::string(1, c)));
  EXPECT_THAT(at_once.seen, ElementsAre("3/1/0:ask", "5/1/2:words", "6/1/0:"));
  EXPECT_EQ(in_bytes.seen, at_once.seen);
}

TEST(WireReader, RefusesWhatIsNoFrame) {
  const std::string bad[] = {
      Bytes({0x1234, WireType::kData, 0, 1, 0}), Bytes({kWireMagic, WireType{0}, 0, 1, 0}),
      Bytes({kWireMagic, WireType{11}, 0, 1, 0}), Bytes({kWireMagic, WireType::kData, 3, 1, 0}),
      Bytes({kWireMagic, WireType::kReply, 0, 1, 101}),
      Bytes({kWireMagic, WireType::kData, 1, 1, kMaxData + 1}),
      Bytes({kWireMagic, WireType::kReply, 0, 1, 0xffffffff})};
  for (const std::string& bytes : bad) {
    Recorder recorder;
    WireReader reader(100);
    EXPECT_FALSE(recorder.Feed(reader, bytes)) << testing::PrintToString(bytes);
    EXPECT_THAT(recorder.seen, IsEmpty());
  }
}

TEST(WireReader, EndsWithAFrameThatIsRefused) {
  Recorder recorder;
  WireReader reader(100);
  const std::string refused = EncodeFrame(WireType::kRequest, 1, 0, "refuse");
  EXPECT_FALSE(recorder.Feed(reader, refused + EncodeFrame(WireType::kRequest, 2, 0, "after")));
  EXPECT_EQ(recorder.seen.size(), 1);
}

TEST(WireReader, SeeksPastTheRestOfAnEarlierConnection) {
  const std::string rest =
      std::string(1000, 'x') + EncodeFrame(WireType::kData, 7, kStdout, "old").substr(4);
  const std::string bytes = rest + EncodeFrame(WireType::kHello, 0, 0, "new") +
                            EncodeFrame(WireType::kRequest, 1, 0, "ask");
  Recorder at_once, in_bytes;
  WireReader one(100), other(100);
  one.Seek(WireType::kHello);
  other.Seek(WireType::kHello);
  EXPECT_TRUE(at_once.Feed(one, bytes));
  for (char c : bytes) ASSERT_TRUE(in_bytes.Feed(other, std::string(1, c)));
  EXPECT_THAT(at_once.seen, ElementsAre("1/0/0:new", "3/1/0:ask"));
  EXPECT_EQ(in_bytes.seen, at_once.seen);
  EXPECT_EQ(one.skipped(), rest.size());
  EXPECT_EQ(other.skipped(), rest.size());
}

TEST(WireReader, IsOfUseAgainAfterItSeeks) {
  Recorder recorder;
  WireReader reader(100);
  EXPECT_FALSE(recorder.Feed(reader, std::string(20, 'x')));
  reader.Seek(WireType::kHello);
  EXPECT_TRUE(recorder.Feed(reader, "xyz" + EncodeFrame(WireType::kHello, 0, 0, "")));
  EXPECT_THAT(recorder.seen, ElementsAre("1/0/0:"));
}

}  // namespace
}  // namespace vx::agent
