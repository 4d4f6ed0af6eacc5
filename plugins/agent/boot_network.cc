#include "plugins/agent/boot_network.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace vx::agent {
namespace {

// Takes what comes before `separator` off `rest`, all of it where there is none.
std::string_view Take(std::string_view& rest, char separator) {
  const size_t end = rest.find(separator);
  std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

template <typename Number>
bool ToNumber(std::string_view text, Number& number, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::string Join(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : ",") + text;
  return all.empty() ? "-" : all;
}

bool Split(std::string_view list, std::vector<std::string>& texts) {
  if (list.empty()) return false;
  if (list == "-") return true;
  while (!list.empty()) texts.emplace_back(Take(list, ','));
  return true;
}

bool IsLinkName(const std::string& name) {
  if (name.empty() || name.size() > kMaxLinkName || name == "." || name == "..") return false;
  for (const char c : name) {
    if (c <= ' ' || c >= 127 || c == '/' || c == ':') return false;
  }
  return true;
}

}  // namespace

bool ParseAddress(const std::string& text, IpAddress& address) {
  address = IpAddress();
  if (text.size() != strlen(text.c_str())) return false;
  address.v6 = text.find(':') != std::string::npos;
  address.prefix = address.v6 ? 128 : 32;
  return inet_pton(address.v6 ? AF_INET6 : AF_INET, text.c_str(), address.bytes) == 1;
}

bool ParsePrefix(const std::string& text, IpAddress& address) {
  const size_t slash = text.find('/');
  if (slash == std::string::npos || !ParseAddress(text.substr(0, slash), address)) return false;
  const uint8_t most = address.prefix;
  return ToNumber(std::string_view(text).substr(slash + 1), address.prefix) &&
         address.prefix <= most;
}

bool ParseMac(const std::string& text, uint8_t (&mac)[6]) {
  if (text.size() != 17) return false;
  for (size_t i = 0; i < 6; ++i) {
    if (!ToNumber(std::string_view(text).substr(i * 3, 2), mac[i], 16)) return false;
    if (i < 5 && text[i * 3 + 2] != ':') return false;
  }
  return true;
}

const char* CheckNic(const BootNic& nic) {
  uint8_t mac[6];
  IpAddress address;
  if (!ParseMac(nic.mac, mac)) return "a malformed hardware address";
  if (!IsLinkName(nic.link)) return "a malformed name of a link";
  if (nic.mtu > kMaxMtu) return "an mtu that is too large";
  if (nic.addresses.size() > kMaxNicAddresses || nic.gateways.size() > kMaxNicAddresses) {
    return "too many addresses";
  }
  for (const std::string& text : nic.addresses) {
    if (!ParsePrefix(text, address)) return "a malformed address";
  }
  for (const std::string& text : nic.gateways) {
    if (!ParseAddress(text, address)) return "a malformed gateway";
  }
  return nullptr;
}

std::string EncodeNic(const BootNic& nic) {
  return nic.mac + " " + nic.link + " " + std::to_string(nic.mtu) + " " + Join(nic.addresses) +
         " " + Join(nic.gateways);
}

bool DecodeNic(std::string_view value, BootNic& nic) {
  nic.mac = Take(value, ' ');
  nic.link = Take(value, ' ');
  return ToNumber(Take(value, ' '), nic.mtu) && Split(Take(value, ' '), nic.addresses) &&
         Split(value, nic.gateways);
}

}  // namespace vx::agent
