// Dumps by netlink, of the network namespace that the calling thread is in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vx::leftovers {

struct NetlinkMessage {
  uint16_t type = 0;
  std::string body;
};

// All answers to a request of `type` with `body`; `error` is an errno, or 0.
std::vector<NetlinkMessage> Dump(int protocol, uint16_t type, const std::string& body, int& error);

// The attributes in `bytes`, nested ones as they are; the last of each kind. A
// text's end is cut off at its NUL by Text.
std::map<uint16_t, std::string> Attributes(std::string_view bytes);
std::string Text(const std::map<uint16_t, std::string>& attributes, uint16_t kind);

}  // namespace vx::leftovers
