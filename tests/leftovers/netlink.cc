#include "tests/leftovers/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace vx::leftovers {
namespace {

constexpr size_t kBuffer = 1 << 18;

bool Ask(int fd, uint16_t type, const std::string& body) {
  nlmsghdr header = {};
  header.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  std::string request(reinterpret_cast<const char*>(&header), sizeof header);
  request += body;
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  return sendto(fd, request.data(), request.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
                sizeof kernel) >= 0;
}

int ErrorIn(std::string_view body) {
  nlmsgerr error = {};
  if (body.size() < sizeof error.error) return EBADMSG;
  memcpy(&error.error, body.data(), sizeof error.error);
  return -error.error;
}

// False when the dump is over.
bool Take(std::string_view packet, std::vector<NetlinkMessage>& messages, int& error) {
  nlmsghdr header;
  while (packet.size() >= sizeof header) {
    memcpy(&header, packet.data(), sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > packet.size()) break;
    const std::string_view body =
        packet.substr(NLMSG_HDRLEN, header.nlmsg_len - static_cast<size_t>(NLMSG_HDRLEN));
    if (header.nlmsg_type == NLMSG_ERROR) error = ErrorIn(body);
    if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) return false;
    messages.push_back({header.nlmsg_type, std::string(body)});
    packet.remove_prefix(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), packet.size()));
  }
  return true;
}

}  // namespace

std::vector<NetlinkMessage> Dump(int protocol, uint16_t type, const std::string& body, int& error) {
  std::vector<NetlinkMessage> messages;
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  error = fd < 0 || !Ask(fd, type, body) ? errno : 0;
  std::string buffer(kBuffer, '\0');
  for (bool more = error == 0; more;) {
    const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) error = n < 0 ? errno : EBADMSG;
    more = n > 0 && Take(std::string_view(buffer.data(), static_cast<size_t>(n)), messages, error);
  }
  if (fd >= 0) close(fd);
  return messages;
}

std::map<uint16_t, std::string> Attributes(std::string_view bytes) {
  std::map<uint16_t, std::string> found;
  nlattr header;
  while (bytes.size() >= sizeof header) {
    memcpy(&header, bytes.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > bytes.size()) break;
    found[header.nla_type & NLA_TYPE_MASK] = bytes.substr(NLA_HDRLEN, header.nla_len - NLA_HDRLEN);
    bytes.remove_prefix(std::min<size_t>(NLA_ALIGN(header.nla_len), bytes.size()));
  }
  return found;
}

std::string Text(const std::map<uint16_t, std::string>& attributes, uint16_t kind) {
  const auto it = attributes.find(kind);
  return it == attributes.end() ? "" : std::string(it->second.c_str());
}

}  // namespace vx::leftovers
