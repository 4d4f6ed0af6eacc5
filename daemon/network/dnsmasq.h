// dnsmasq as a process (marked_process.h).
//
// All that it is told is on its command line, and it reads no configuration file: what
// /proc says of a process is both whose it is and whether it runs as wanted, with no note
// on disk that could be wrong.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/network/marked_process.h"

namespace vx::network {

// What a folder of a server holds. All of it is dnsmasq's to read.
struct DnsmasqPaths {
  explicit DnsmasqPaths(const std::string& dir)
      : pid(dir + "/pid"),
        leases(dir + "/leases"),
        hosts(dir + "/hosts"),
        dhcp_hosts(dir + "/dhcp") {}

  std::string pid;
  std::string leases;
  std::string hosts;       // folder: names and addresses, hosts(5)
  std::string dhcp_hosts;  // folder: who gets which address, --dhcp-host
};

// Absolute; UNAVAILABLE (NO_DNSMASQ) when it is not installed.
absl::StatusOr<std::string> FindDnsmasq();

// What begins the arguments of the server of this folder, and of no other process.
std::string DnsmasqMark(const DnsmasqPaths& paths);

// The server that the pid file names; nothing when that is not one of this folder's, or
// there is none. The process that was looked at is the one behind the descriptor.
std::optional<MarkedProcess> FindServer(const DnsmasqPaths& paths);

// Starts it: argv[1] is the mark. Returns when it answers, and it then is nobody's child.
// UNAVAILABLE (NAME_SERVER_FAILED) with what it complained.
absl::Status StartDnsmasq(const std::vector<std::string>& argv);

// Ends every process of this folder, those that it left unrecorded and those that serve
// one connection too, and waits for their end.
absl::Status EndDnsmasq(const DnsmasqPaths& paths);

}  // namespace vx::network
