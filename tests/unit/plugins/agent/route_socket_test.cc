#include "plugins/agent/route_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string.h>

#include <cerrno>
#include <random>

namespace vx::agent {
namespace {

using ::testing::IsEmpty;

// A reply as the kernel sends it: one link, then the end.
std::string Dump() {
  ifinfomsg body = {};
  body.ifi_index = 7;
  RouteMessage link(RTM_NEWLINK, 0, body);
  link.Add(IFLA_IFNAME, std::string("eth0"));
  link.Add(IFLA_ADDRESS, "\x52\x54\x00\x12\x34\xab", 6);
  RouteMessage end(NLMSG_DONE, 0, int{0});
  return std::string(static_cast<const char*>(link.data()), link.size()) +
         std::string(static_cast<const char*>(end.data()), end.size());
}

TEST(RouteMessageTest, IsWhatTheKernelReads) {
  RouteMessage message(RTM_NEWLINK, NLM_F_ACK, ifinfomsg{});
  message.Add(IFLA_MTU, uint32_t{1400});
  message.Add(IFLA_IFNAME, std::string("eth12"));
  nlmsghdr header;
  memcpy(&header, message.data(), sizeof header);
  EXPECT_EQ(header.nlmsg_len, message.size());
  EXPECT_EQ(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
  // Each attribute begins at a multiple of four.
  EXPECT_EQ(message.size(), NLMSG_LENGTH(sizeof(ifinfomsg)) + 8 + 4 + 8);
}

TEST(TakeLinksTest, FindsNameAndHardwareAddress) {
  std::vector<Link> links;
  bool done = false;
  int error = 0;
  const std::string dump = Dump();
  TakeLinks(dump.data(), dump.size(), links, done, error);
  ASSERT_EQ(links.size(), 1);
  EXPECT_EQ(links[0].index, 7);
  EXPECT_EQ(links[0].name, "eth0");
  EXPECT_EQ(links[0].mac, "52:54:00:12:34:ab");
  EXPECT_TRUE(done);
  EXPECT_EQ(error, 0);
}

TEST(TakeLinksTest, AnErrorEndsTheList) {
  nlmsgerr body = {};
  body.error = -EPERM;
  const RouteMessage refusal(NLMSG_ERROR, 0, body);
  std::vector<Link> links;
  bool done = false;
  int error = 0;
  TakeLinks(static_cast<const char*>(refusal.data()), refusal.size(), links, done, error);
  EXPECT_THAT(links, IsEmpty());
  EXPECT_TRUE(done);
  EXPECT_EQ(error, EPERM);
}

TEST(TakeLinksTest, SurvivesBytesThatWereTamperedWith) {
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    std::string dump = Dump();
    for (int i = 0; i < 3; ++i) dump[random() % dump.size()] = static_cast<char>(random());
    std::vector<Link> links;
    bool done = false;
    int error = 0;
    TakeLinks(dump.data(), random() % (dump.size() + 1), links, done, error);
    EXPECT_LE(links.size(), 2u);
  }
}

}  // namespace
}  // namespace vx::agent
