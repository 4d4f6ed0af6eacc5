#include "daemon/network/proxy/forward.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

namespace vx::network::proxy {
namespace {

constexpr int kBacklog = 512;

bool ParsePort(const char* text, in_port_t& port) {
  char* end = nullptr;
  const unsigned long number = strtoul(text, &end, 10);
  if (end == text || *end != 0 || number == 0 || number > 65535) return false;
  port = htons(static_cast<uint16_t>(number));
  return true;
}

bool ParseV6(char* text, Endpoint& endpoint) {
  char* end = strstr(text, "]:");
  if (end == nullptr) return false;
  *end = 0;
  endpoint.v6 = {};
  endpoint.v6.sin6_family = AF_INET6;
  endpoint.size = sizeof endpoint.v6;
  return inet_pton(AF_INET6, text + 1, &endpoint.v6.sin6_addr) == 1 &&
         ParsePort(end + 2, endpoint.v6.sin6_port);
}

bool ParseV4(char* text, Endpoint& endpoint) {
  char* end = strchr(text, ':');
  if (end == nullptr) return false;
  *end = 0;
  endpoint.v4 = {};
  endpoint.v4.sin_family = AF_INET;
  endpoint.size = sizeof endpoint.v4;
  return inet_pton(AF_INET, text, &endpoint.v4.sin_addr) == 1 &&
         ParsePort(end + 1, endpoint.v4.sin_port);
}

bool ParseEndpoint(char* text, Endpoint& endpoint) {
  return text[0] == '[' ? ParseV6(text, endpoint) : ParseV4(text, endpoint);
}

}  // namespace

bool ParseForward(char* text, Forward& forward) {
  char* rest = nullptr;
  const char* protocol = strtok_r(text, ",", &rest);
  if (protocol == nullptr) return false;
  forward.udp = strcmp(protocol, "udp") == 0;
  if (!forward.udp && strcmp(protocol, "tcp") != 0) return false;
  char* listen = strtok_r(nullptr, ",", &rest);
  if (listen == nullptr || !ParseEndpoint(listen, forward.listen)) return false;
  forward.targets = 0;
  while (char* to = strtok_r(nullptr, ",", &rest)) {
    if (forward.targets == kMostTargets) return false;
    if (!ParseEndpoint(to, forward.to[forward.targets++])) return false;
  }
  return forward.targets > 0;
}

bool Open(Forward& forward) {
  const int type = forward.udp ? SOCK_DGRAM : SOCK_STREAM;
  forward.fd = socket(forward.listen.any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (forward.fd < 0) return false;
  const int on = 1;
  if (forward.listen.any.sa_family == AF_INET6) {
    setsockopt(forward.fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  // Of UDP it would let two have the same port.
  if (!forward.udp) setsockopt(forward.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(forward.fd, &forward.listen.any, forward.listen.size) < 0) return false;
  return forward.udp || listen(forward.fd, kBacklog) == 0;
}

}  // namespace vx::network::proxy
