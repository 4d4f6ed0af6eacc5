#include "daemon/driver/name_texts.h"

#include <set>

#include "absl/strings/str_cat.h"

namespace vx::driver {

std::string ResolverText(const v1::WorkloadStatus& status) {
  std::string text = "search vx\n";
  std::set<std::string> seen;
  for (const v1::NetworkAttachment& attachment : status.networks()) {
    for (const std::string& server : attachment.name_servers()) {
      if (seen.insert(server).second) absl::StrAppend(&text, "nameserver ", server, "\n");
    }
  }
  return text;
}

std::string HostsText(const v1::WorkloadStatus& status, const std::string& hostname) {
  std::string text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  for (const std::string& address : status.addresses()) {
    absl::StrAppend(&text, address, "\t", hostname, "\n");
  }
  return text;
}

}  // namespace vx::driver
