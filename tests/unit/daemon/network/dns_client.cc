#include "tests/unit/daemon/network/dns_client.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <poll.h>
#include <resolv.h>
#include <sys/socket.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "daemon/base/unique_fd.h"

namespace vx::network {
namespace {

constexpr int kPatienceMillis = 5000;
constexpr size_t kMostBytes = 4096;

int TypeOf(const std::string& type) {
  return type == "AAAA" ? ns_t_aaaa : type == "PTR" ? ns_t_ptr : ns_t_a;
}

UniqueFd ConnectTo(const std::string& server) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(server.c_str(), "53", &hints, &found) != 0) return UniqueFd();
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  UniqueFd fd(socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), found->ai_addr, found->ai_addrlen) < 0) return UniqueFd();
  return fd;
}

std::string DataOf(const ns_msg& message, const ns_rr& record) {
  char text[NS_MAXDNAME] = "";
  if (ns_rr_type(record) == ns_t_a) inet_ntop(AF_INET, ns_rr_rdata(record), text, sizeof text);
  if (ns_rr_type(record) == ns_t_aaaa) inet_ntop(AF_INET6, ns_rr_rdata(record), text, sizeof text);
  if (ns_rr_type(record) == ns_t_ptr) {
    dn_expand(ns_msg_base(message), ns_msg_end(message), ns_rr_rdata(record), text, sizeof text);
  }
  return text;
}

Answer Parse(const unsigned char* bytes, int size) {
  Answer answer;
  ns_msg message;
  if (ns_initparse(bytes, size, &message) < 0) return answer;
  answer.rcode = ns_msg_getflag(message, ns_f_rcode);
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record;
    if (ns_parserr(&message, ns_s_an, i, &record) == 0) {
      answer.data.push_back(DataOf(message, record));
    }
  }
  return answer;
}

}  // namespace

Answer Ask(const std::string& server, const std::string& name, const std::string& type) {
  unsigned char bytes[kMostBytes];
  const int size = res_mkquery(ns_o_query, name.c_str(), ns_c_in, TypeOf(type), nullptr, 0,
                               nullptr, bytes, sizeof bytes);
  const UniqueFd fd = ConnectTo(server);
  if (size < 0 || !fd.valid() || send(fd.get(), bytes, size, 0) != size) return {};
  pollfd ready{fd.get(), POLLIN, 0};
  if (poll(&ready, 1, kPatienceMillis) != 1) return {};
  const ssize_t n = recv(fd.get(), bytes, sizeof bytes, 0);
  return n < 0 ? Answer() : Parse(bytes, static_cast<int>(n));
}

std::string Reverse(const std::string& address) {
  unsigned char bytes[16];
  std::string name;
  if (inet_pton(AF_INET, address.c_str(), bytes) == 1) {
    for (int i = 3; i >= 0; --i) absl::StrAppend(&name, bytes[i], ".");
    return name + "in-addr.arpa";
  }
  inet_pton(AF_INET6, address.c_str(), bytes);
  for (int i = 15; i >= 0; --i) {
    absl::StrAppend(&name, absl::Hex(bytes[i] & 15), ".", absl::Hex(bytes[i] >> 4), ".");
  }
  return name + "ip6.arpa";
}

}  // namespace vx::network
