// The host's end of an agent's port, with guests that keep to the protocol and guests
// that don't. Their end of the wire is written by hand here.
#include "plugins/libvirt/agent_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "plugins/libvirt/agent_session.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

using agent::EncodeFrame;
using agent::WireHeader;
using agent::WireType;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

struct Frame {
  WireHeader header;
  std::string body;
};

// QEMU's socket and what is behind it.
class Guest {
 public:
  explicit Guest(const std::string& path) {
    listener_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
  }

  void Accept() { port_ = UniqueFd(accept(listener_.get(), nullptr, nullptr)); }
  void HangUp() { port_.reset(); }
  void Say(const std::string& bytes) {
    EXPECT_EQ(send(port_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // False when the host has hung up meanwhile.
  bool Flood(const std::string& bytes) {
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t n = send(port_.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) return false;
      at += static_cast<size_t>(n);
    }
    return true;
  }
  bool HasHungUp() {
    char c;
    ssize_t n;
    while ((n = recv(port_.get(), &c, 1, 0)) > 0) {
    }
    return true;
  }

  // The next frame of the host's.
  Frame Next() {
    Frame frame;
    ReadFully(&frame.header, sizeof frame.header);
    frame.body.resize(frame.header.length);
    ReadFully(frame.body.data(), frame.body.size());
    return frame;
  }
  void Greet(const std::string& before = "") {
    agent::v1::Hello hello;
    EXPECT_TRUE(hello.ParseFromString(Next().body));
    Say(before + Welcome(hello.nonce()));
  }
  static std::string Welcome(uint64_t nonce) {
    agent::v1::Welcome welcome;
    welcome.set_nonce(nonce);
    welcome.set_version(agent::kWireVersion);
    welcome.add_features("exec");
    return EncodeFrame(WireType::kWelcome, 0, 0, welcome.SerializeAsString());
  }
  // Takes a request and lets it run.
  uint32_t StartCommand() {
    const Frame request = Next();
    EXPECT_EQ(request.header.type, WireType::kRequest);
    Say(EncodeFrame(WireType::kReply, request.header.stream, 0, ""));
    return request.header.stream;
  }

 private:
  void ReadFully(void* data, size_t size) {
    for (size_t done = 0; done < size;) {
      const ssize_t n = recv(port_.get(), static_cast<char*>(data) + done, size - done, 0);
      ASSERT_GT(n, 0) << "the host hung up";
      done += static_cast<size_t>(n);
    }
  }

  UniqueFd listener_;
  UniqueFd port_;
};

std::string ExitFrame(uint32_t stream, int code) {
  agent::v1::Exit exit;
  exit.set_code(code);
  return EncodeFrame(WireType::kExit, stream, 0, exit.SerializeAsString());
}

bool IsReadable(int fd, absl::Duration patience = absl::ZeroDuration()) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
}

bool IsWritable(int fd, absl::Duration patience = absl::ZeroDuration()) {
  pollfd p{fd, POLLOUT, 0};
  return poll(&p, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
}

// All of it, to its end.
std::string ReadAll(driver::Output& output) {
  std::string all;
  char buffer[10000];
  while (IsReadable(output.fd(), kPatience)) {
    const absl::StatusOr<size_t> n = output.Read(buffer, sizeof buffer);
    if (!n.ok()) break;
    all.append(buffer, *n);
  }
  return all;
}

class AgentChannelTest : public testing::Test {
 protected:
  AgentChannelTest() : guest_(dir_.path("agent")) {
    channel_ = std::make_shared<AgentChannel>(&watcher_, dir_.path("agent"), [] {});
    channel_->Connect();
    guest_.Accept();
  }
  ~AgentChannelTest() override { channel_->Close(); }

  void Greet() {
    guest_.Greet();
    ASSERT_TRUE(channel_->WaitReady(absl::Now() + kPatience).ok());
  }

  // A command that runs; `stream_` is its number.
  std::unique_ptr<driver::ExecSession> Exec(driver::ExecSpec spec = {.argv = {"x"},
                                                                     .stdin = true}) {
    std::thread guest([this] { stream_ = guest_.StartCommand(); });
    auto session = ExecByAgent(channel_, spec, absl::Now() + kPatience);
    guest.join();
    EXPECT_TRUE(session.ok()) << session.status();
    return session.ok() ? *std::move(session) : nullptr;
  }

  // The connection is over, and the session says why.
  void ExpectBroken(driver::ExecSession& session) {
    ASSERT_TRUE(IsReadable(session.end_fd(), kPatience));
    EXPECT_EQ(ErrorReason(session.Result().status()), "AGENT_BROKEN");
    EXPECT_FALSE(channel_->ready());
  }

  TempDir dir_;
  Watcher watcher_;
  Guest guest_;
  std::shared_ptr<AgentChannel> channel_;
  uint32_t stream_ = 0;
};

TEST_F(AgentChannelTest, IsReadyOnceTheAgentHasAnsweredThisHello) {
  EXPECT_FALSE(channel_->ready());
  // The rest of an earlier connection: half a frame, a welcome to another hello.
  guest_.Greet(std::string(100, 'x') + EncodeFrame(WireType::kData, 3, 1, "old") +
               Guest::Welcome(12345));
  EXPECT_TRUE(channel_->WaitReady(absl::Now() + kPatience).ok());
  EXPECT_THAT(channel_->features(), testing::ElementsAre("exec"));
}

TEST_F(AgentChannelTest, ACommandsStreamsComeApartAndBeforeItsEnd) {
  Greet();
  auto session = Exec();
  guest_.Say(EncodeFrame(WireType::kData, stream_, agent::kStdout, "out") +
             EncodeFrame(WireType::kData, stream_, agent::kStderr, "err") +
             EncodeFrame(WireType::kEnd, stream_, agent::kStdout, "") +
             EncodeFrame(WireType::kEnd, stream_, agent::kStderr, "") + ExitFrame(stream_, 7));
  ASSERT_TRUE(IsReadable(session->end_fd(), kPatience));
  EXPECT_EQ(ReadAll(*session->output()), "out");
  EXPECT_EQ(ReadAll(*session->error()), "err");
  EXPECT_EQ(session->Result()->code(), 7);
}

TEST_F(AgentChannelTest, WhatReadsGivesRoomBack) {
  Greet();
  auto session = Exec();
  const std::string piece(agent::kMaxData, 'x');
  size_t sent = 0;
  for (; sent + piece.size() <= agent::kOutputRoom; sent += piece.size()) {
    guest_.Say(EncodeFrame(WireType::kData, stream_, agent::kStdout, piece));
  }
  char buffer[agent::kOutputRoom / 2];
  size_t read = 0;
  while (read < sent / 2) {
    ASSERT_TRUE(IsReadable(session->output()->fd(), kPatience));
    read += *session->output()->Read(buffer, std::min(sizeof buffer, sent / 2 - read));
  }
  const Frame room = guest_.Next();
  EXPECT_EQ(room.header.type, WireType::kRoom);
  EXPECT_EQ(room.header.channel, agent::kStdout);
  uint32_t more = 0;
  memcpy(&more, room.body.data(), sizeof more);
  EXPECT_GT(more, 0);
  EXPECT_LE(more, read);
}

TEST_F(AgentChannelTest, InputWaitsForTheGuestsRoom) {
  Greet();
  auto session = Exec();
  const std::string much(2 * agent::kRoom, 'x');
  EXPECT_EQ(*session->input()->Write(much), agent::kRoom);
  EXPECT_EQ(*session->input()->Write(much), 0);
  EXPECT_FALSE(IsWritable(session->input()->fd()));
  const uint32_t room = 1000;
  guest_.Say(EncodeFrame(WireType::kRoom, stream_, agent::kStdin,
                         {reinterpret_cast<const char*>(&room), sizeof room}));
  ASSERT_TRUE(IsWritable(session->input()->fd(), kPatience));
  EXPECT_EQ(*session->input()->Write(much), room);
}

TEST_F(AgentChannelTest, WhoeverGoesEndsTheCommand) {
  Greet();
  Exec().reset();
  const Frame reset = guest_.Next();
  EXPECT_EQ(reset.header.type, WireType::kReset);
  EXPECT_EQ(reset.header.stream, stream_);
  // What was on its way still comes; then the stream is over and the next one works.
  guest_.Say(EncodeFrame(WireType::kData, stream_, agent::kStdout, "late") +
             EncodeFrame(WireType::kReset, stream_, 0, ""));
  EXPECT_NE(Exec(), nullptr);
}

TEST_F(AgentChannelTest, AMachineThatIsGoneEndsCommandsAsKilled) {
  Greet();
  auto session = Exec();
  guest_.HangUp();
  ASSERT_TRUE(IsReadable(session->end_fd(), kPatience));
  EXPECT_EQ(session->Result()->code(), 137);
  EXPECT_EQ(ReadAll(*session->output()), "");
  EXPECT_FALSE(session->input()->Write("x").ok());
}

TEST_F(AgentChannelTest, AGuestThatDoesNotAnswerIsNamed) {
  const absl::Status status = channel_->WaitReady(absl::Now() + absl::Milliseconds(50));
  EXPECT_EQ(ErrorReason(status), "AGENT_UNAVAILABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("not come up"));
}

TEST_F(AgentChannelTest, ARequestThatIsNotAnsweredTimesOut) {
  Greet();
  auto session =
      ExecByAgent(channel_, {.argv = {"x"}}, absl::Now() + absl::Milliseconds(50));
  EXPECT_EQ(ErrorReason(session.status()), "AGENT_UNAVAILABLE");
}

TEST_F(AgentChannelTest, WhatAnAgentCantDoIsNotAsked) {
  Greet();
  agent::v1::Request request;
  request.mutable_thaw();
  auto reply = channel_->Ask(request, "freeze", absl::Now() + kPatience);
  EXPECT_EQ(ErrorReason(reply.status()), "AGENT_TOO_OLD");
}

TEST_F(AgentChannelTest, SessionsAreBounded) {
  Greet();
  std::vector<std::unique_ptr<driver::ExecSession>> sessions;
  for (int i = 0; i < agent::kMaxStreams; ++i) sessions.push_back(Exec());
  auto one_more = ExecByAgent(channel_, {.argv = {"x"}}, absl::Now() + kPatience);
  EXPECT_EQ(ErrorReason(one_more.status()), "TOO_MANY_SESSIONS");
}

TEST_F(AgentChannelTest, AFloodBeforeTheWelcomeIsCutOff) {
  EXPECT_FALSE(guest_.Flood(std::string(16 << 20, 'x')));
  EXPECT_FALSE(channel_->ready());
}

TEST_F(AgentChannelTest, ABrokenConnectionIsNotTriedAgainAtOnce) {
  Greet();
  auto session = Exec();
  guest_.Say("no frame at all");
  ExpectBroken(*session);
  const absl::Status status = channel_->WaitReady(absl::Now() + absl::Milliseconds(50));
  EXPECT_EQ(ErrorReason(status), "AGENT_UNAVAILABLE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("broke the protocol"));
}

TEST_F(AgentChannelTest, AHostileGuestHoldsUpNoOther) {
  TempDir other_dir;
  Guest other(other_dir.path("agent"));
  auto channel = std::make_shared<AgentChannel>(&watcher_, other_dir.path("agent"), [] {});
  channel->Connect();
  other.Accept();
  std::thread flood([this] { guest_.Flood(std::string(64 << 20, 'x')); });
  other.Greet();
  EXPECT_TRUE(channel->WaitReady(absl::Now() + kPatience).ok());
  flood.join();
  channel->Close();
}

struct Crime {
  const char* name;
  // What a guest says of a stream that runs.
  std::string (*bytes)(uint32_t stream);
};

class HostileGuest : public AgentChannelTest, public testing::WithParamInterface<Crime> {};

TEST_P(HostileGuest, IsCutOff) {
  Greet();
  auto session = Exec();
  guest_.Flood(GetParam().bytes(stream_));
  ExpectBroken(*session);
  EXPECT_TRUE(guest_.HasHungUp());
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string Room(uint32_t stream, uint8_t channel, uint32_t bytes) {
  return EncodeFrame(WireType::kRoom, stream, channel,
                     {reinterpret_cast<const char*>(&bytes), sizeof bytes});
}

const Crime kCrimes[] = {
    {"MoreThanThereIsRoomFor",
     [](uint32_t s) {
       return Repeat(EncodeFrame(WireType::kData, s, 1, std::string(agent::kMaxOutput, 'x')), 3);
     }},
    {"DataOfNothing", [](uint32_t s) { return EncodeFrame(WireType::kData, s, 1, ""); }},
    {"DataToItsOwnInput", [](uint32_t s) { return EncodeFrame(WireType::kData, s, 0, "x"); }},
    {"DataBehindTheEnd",
     [](uint32_t s) {
       return EncodeFrame(WireType::kEnd, s, 1, "") + EncodeFrame(WireType::kData, s, 1, "x");
     }},
    {"TwoEnds", [](uint32_t s) { return Repeat(EncodeFrame(WireType::kEnd, s, 1, ""), 2); }},
    {"RoomForNothing", [](uint32_t s) { return Room(s, 0, 0); }},
    {"RoomWithoutEnd", [](uint32_t s) { return Room(s, 0, 0xffffffff); }},
    {"RoomForAnOutput", [](uint32_t s) { return Room(s, 1, 1); }},
    {"RoomOfAnotherSize", [](uint32_t s) { return EncodeFrame(WireType::kRoom, s, 0, "xx"); }},
    {"AnUnknownStream", [](uint32_t s) { return EncodeFrame(WireType::kData, s + 1, 1, "x"); }},
    {"AStreamThatIsOver",
     [](uint32_t s) { return Repeat(EncodeFrame(WireType::kReset, s + 9, 0, ""), 2); }},
    {"ASecondReply", [](uint32_t s) { return EncodeFrame(WireType::kReply, s, 0, ""); }},
    {"AnExitThatIsNone", [](uint32_t s) { return EncodeFrame(WireType::kExit, s, 0, "\xff\xff"); }},
    {"ASecondWelcome", [](uint32_t) { return Guest::Welcome(1); }},
    {"ARequest", [](uint32_t s) { return EncodeFrame(WireType::kRequest, s, 0, ""); }},
    {"AHello", [](uint32_t) { return EncodeFrame(WireType::kHello, 0, 0, ""); }},
    {"AMessageTooLong",
     [](uint32_t s) {
       return EncodeFrame(WireType::kReply, s, 0, std::string(agent::kMaxAgentMessage + 1, 'x'));
     }},
    {"NoFrame", [](uint32_t) { return std::string(100, '\0'); }},
};

INSTANTIATE_TEST_SUITE_P(AgentChannel, HostileGuest, testing::ValuesIn(kCrimes),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace vx::libvirt
