// Asks a name server one question, without any library's idea of retries and caches.
#pragma once

#include <string>
#include <vector>

namespace vx::network {

struct Answer {
  // NOERROR 0, SERVFAIL 2, NXDOMAIN 3, REFUSED 5 (RFC 1035 section 4.1.1); -1 when nothing
  // was said within 5 seconds.
  int rcode = -1;
  // Addresses as text, or names.
  std::vector<std::string> data;
};

// `server` is an address of either family; the type is "A", "AAAA" or "PTR".
Answer Ask(const std::string& server, const std::string& name, const std::string& type);

// The name under which an address is asked for by PTR.
std::string Reverse(const std::string& address);

}  // namespace vx::network
