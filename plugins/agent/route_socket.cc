#include "plugins/agent/route_socket.h"

#include <net/if.h>
// After it: they share what they define.
#include <linux/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>

namespace vx::agent {
namespace {

constexpr size_t kReply = 16384;
constexpr int kMaxReplies = 256;
constexpr timeval kPatience = {.tv_sec = 2, .tv_usec = 0};

ifinfomsg OfLink(int index) {
  ifinfomsg body = {};
  body.ifi_family = AF_UNSPEC;
  body.ifi_index = index;
  return body;
}

uint8_t FamilyOf(const IpAddress& address) { return address.v6 ? AF_INET6 : AF_INET; }

std::string MacText(const void* data, size_t size) {
  if (size != 6) return "";
  const auto* m = static_cast<const uint8_t*>(data);
  char text[18];
  snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
  return text;
}

Link ToLink(const nlmsghdr* header) {
  Link link;
  const auto* body = static_cast<const ifinfomsg*>(NLMSG_DATA(header));
  link.index = body->ifi_index;
  // Not its operational state, of which the kernel tells up to a second later.
  link.running = (body->ifi_flags & IFF_LOWER_UP) != 0;
  int left = static_cast<int>(header->nlmsg_len - NLMSG_LENGTH(sizeof *body));
  for (const rtattr* a = IFLA_RTA(body); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
    const char* data = static_cast<const char*>(RTA_DATA(a));
    if (a->rta_type == IFLA_IFNAME) link.name.assign(data, strnlen(data, RTA_PAYLOAD(a)));
    if (a->rta_type == IFLA_ADDRESS) link.mac = MacText(data, RTA_PAYLOAD(a));
  }
  return link;
}

// Of an NLMSG_ERROR, which a success is too.
int ErrorOf(const nlmsghdr* header) {
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof(nlmsgerr))) return EPROTO;
  return -static_cast<const nlmsgerr*>(NLMSG_DATA(header))->error;
}

// The last address of a network, to which all of it listens.
IpAddress BroadcastOf(IpAddress address) {
  for (unsigned bit = address.prefix; bit < 32; ++bit) {
    address.bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> (bit % 8));
  }
  return address;
}

}  // namespace

RouteMessage::RouteMessage(uint16_t type, uint16_t flags) {
  nlmsghdr header = {};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  Append(&header, sizeof header);
}

void RouteMessage::Append(const void* data, size_t size) {
  if (size_ + NLMSG_ALIGN(size) > sizeof bytes_) return;
  memcpy(bytes_ + size_, data, size);
  size_ += NLMSG_ALIGN(size);
  reinterpret_cast<nlmsghdr*>(bytes_)->nlmsg_len = static_cast<uint32_t>(size_);
}

void RouteMessage::Add(uint16_t attribute, const void* value, size_t size) {
  rtattr header = {};
  header.rta_len = static_cast<uint16_t>(RTA_LENGTH(size));
  header.rta_type = attribute;
  if (size_ + RTA_SPACE(size) > sizeof bytes_) return;
  Append(&header, sizeof header);
  Append(value, size);
}

void TakeLinks(const char* data, size_t size, std::vector<Link>& links, bool& done, int& error) {
  // Signed: the padding of the last may go past the end.
  int left = static_cast<int>(size);
  for (const auto* header = reinterpret_cast<const nlmsghdr*>(data); NLMSG_OK(header, left);
       header = NLMSG_NEXT(header, left)) {
    if (header->nlmsg_type == NLMSG_ERROR) error = ErrorOf(header);
    if (header->nlmsg_type == NLMSG_ERROR || header->nlmsg_type == NLMSG_DONE) done = true;
    const bool whole = header->nlmsg_len >= NLMSG_LENGTH(sizeof(ifinfomsg));
    if (header->nlmsg_type == RTM_NEWLINK && whole) links.push_back(ToLink(header));
  }
}

RouteSocket::RouteSocket(uint32_t groups)
    : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = groups;
  if (groups != 0) bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
}

RouteSocket::~RouteSocket() {
  if (fd_ >= 0) close(fd_);
}

int RouteSocket::Send(const RouteMessage& message) {
  return send(fd_, message.data(), message.size(), 0) < 0 ? errno : 0;
}

int RouteSocket::Ask(const RouteMessage& message) {
  if (const int error = Send(message)) return error;
  alignas(nlmsghdr) char reply[kReply];
  const ssize_t n = recv(fd_, reply, sizeof reply, 0);
  if (n < 0) return errno;
  const auto* header = reinterpret_cast<const nlmsghdr*>(reply);
  const bool answer = NLMSG_OK(header, static_cast<int>(n)) &&
                      header->nlmsg_type == NLMSG_ERROR;
  return answer ? ErrorOf(header) : EPROTO;
}

int RouteSocket::ListLinks(std::vector<Link>& links) {
  links.clear();
  const RouteMessage message(RTM_GETLINK, NLM_F_DUMP, OfLink(0));
  if (const int problem = Send(message)) return problem;
  bool done = false;
  int error = 0;
  for (int i = 0; i < kMaxReplies && !done; ++i) {
    alignas(nlmsghdr) char reply[kReply];
    const ssize_t n = recv(fd_, reply, sizeof reply, 0);
    if (n < 0) return errno;
    TakeLinks(reply, static_cast<size_t>(n), links, done, error);
  }
  return done ? error : EPROTO;
}

bool RouteSocket::WaitForNews(const Deadline& deadline) {
  const int left = deadline.LeftMs();
  if (left == 0) return false;
  pollfd p = {fd_, POLLIN, 0};
  if (poll(&p, 1, left) <= 0) return false;
  char news[8192];
  recv(fd_, news, sizeof news, 0);
  return true;
}

int RouteSocket::Rename(int index, const std::string& name) {
  RouteMessage message(RTM_NEWLINK, NLM_F_ACK, OfLink(index));
  message.Add(IFLA_IFNAME, name);
  return Ask(message);
}

int RouteSocket::SetMtu(int index, uint32_t mtu) {
  RouteMessage message(RTM_NEWLINK, NLM_F_ACK, OfLink(index));
  message.Add(IFLA_MTU, mtu);
  return Ask(message);
}

int RouteSocket::SetUp(int index) {
  ifinfomsg body = OfLink(index);
  body.ifi_flags = body.ifi_change = IFF_UP;
  return Ask(RouteMessage(RTM_NEWLINK, NLM_F_ACK, body));
}

int RouteSocket::SetDown(int index) {
  ifinfomsg body = OfLink(index);
  body.ifi_change = IFF_UP;
  return Ask(RouteMessage(RTM_NEWLINK, NLM_F_ACK, body));
}

int RouteSocket::AddAddress(int index, const IpAddress& address) {
  ifaddrmsg body = {};
  body.ifa_family = FamilyOf(address);
  body.ifa_prefixlen = address.prefix;
  body.ifa_index = static_cast<uint32_t>(index);
  if (address.v6) body.ifa_flags = IFA_F_NODAD;
  RouteMessage message(RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body);
  message.Add(IFA_LOCAL, address);
  message.Add(IFA_ADDRESS, address);
  if (!address.v6 && address.prefix < 31) message.Add(IFA_BROADCAST, BroadcastOf(address));
  const int error = Ask(message);
  return error == EEXIST ? 0 : error;
}

int RouteSocket::AddDefaultRoute(int index, const IpAddress& gateway) {
  rtmsg body = {};
  body.rtm_family = FamilyOf(gateway);
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = RTPROT_BOOT;
  body.rtm_scope = RT_SCOPE_UNIVERSE;
  body.rtm_type = RTN_UNICAST;
  RouteMessage message(RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body);
  message.Add(RTA_GATEWAY, gateway);
  message.Add(RTA_OIF, static_cast<uint32_t>(index));
  return Ask(message);
}

}  // namespace vx::agent
