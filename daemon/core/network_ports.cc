// Whether the ports of the host that a workload publishes are to be had.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"
#include "daemon/core/networks.h"
#include "daemon/core/workloads.h"

namespace vx::core {
namespace {

bool IsUdp(const v1::PortMapping& port) { return port.protocol() == "udp"; }

std::string PortName(const v1::PortMapping& mapping, int port) {
  return absl::StrCat(mapping.host_ip(), mapping.host_ip().empty() ? "" : ":", port,
                      IsUdp(mapping) ? "/udp" : "");
}

absl::Status PortTaken(const std::string& port, const std::string& by) {
  return Error(absl::StatusCode::kFailedPrecondition, "PORT_TAKEN",
               absl::StrCat("port ", port, " of the host is ", by),
               "publish another one, or end who has it");
}

// Whether a socket of the family could be bound there; true where there is no such family.
bool CanBind(int family, const std::string& ip, int port, bool udp) {
  const UniqueFd fd(socket(family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return true;
  const int on = 1;
  // Connections that have ended are not in the way.
  if (!udp) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage address{};
  socklen_t size = 0;
  if (family == AF_INET) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address);
    *v4 = {.sin_family = AF_INET, .sin_port = htons(static_cast<uint16_t>(port))};
    if (!ip.empty() && inet_pton(AF_INET, ip.c_str(), &v4->sin_addr) != 1) return true;
    size = sizeof *v4;
  } else {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    if (!ip.empty() && inet_pton(AF_INET6, ip.c_str(), &v6->sin6_addr) != 1) return true;
    size = sizeof *v6;
  }
  return bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0 || errno != EADDRINUSE;
}

absl::Status CheckListeners(const v1::PortMapping& mapping) {
  for (int i = 0; i < std::max(1, mapping.count()); ++i) {
    const int port = mapping.host_port() + i;
    const bool free = CanBind(AF_INET, mapping.host_ip(), port, IsUdp(mapping)) &&
                      CanBind(AF_INET6, mapping.host_ip(), port, IsUdp(mapping));
    if (!free) return PortTaken(PortName(mapping, port), "a program's that listens there");
  }
  return absl::OkStatus();
}

}  // namespace

bool PortsMeet(const v1::PortMapping& a, const v1::PortMapping& b) {
  if (IsUdp(a) != IsUdp(b)) return false;
  if (!a.host_ip().empty() && !b.host_ip().empty() && a.host_ip() != b.host_ip()) return false;
  const int a_end = a.host_port() + std::max(1, a.count());
  const int b_end = b.host_port() + std::max(1, b.count());
  return a.host_port() < b_end && b.host_port() < a_end;
}

absl::Status Networks::CheckPorts(const v1::Workload& workload) const {
  if (workload.spec().ports_size() == 0) return absl::OkStatus();
  const v1::WorkloadStatus& status = workload.status();
  if (status.networks_size() > 0 && status.networks(0).addresses_size() == 0) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_ADDRESS",
                 absl::StrCat("ports can't be published of \"", workload.name(), "\": network ",
                              status.networks(0).network(),
                              " is a bridge of the host's, whose addresses are not vx's"),
                 "reach it at its own address there, or put a network of vx's first");
  }
  constexpr int kAll = 1 << 30;
  VX_ASSIGN_OR_RETURN(store::Page<v1::Workload> others,
                      store_.Read().ListWorkloads(0, kAll, [&](const v1::Workload& other) {
                        return IsActive(other) && other.uid() != workload.uid() &&
                               other.spec().ports_size() > 0;
                      }));
  for (const v1::PortMapping& mine : workload.spec().ports()) {
    for (const v1::Workload& other : others.rows) {
      for (const v1::PortMapping& theirs : other.spec().ports()) {
        if (!PortsMeet(mine, theirs)) continue;
        return PortTaken(PortName(mine, std::max(mine.host_port(), theirs.host_port())),
                         absl::StrCat("published by \"", other.name(), "\""));
      }
    }
    VX_RETURN_IF_ERROR(CheckListeners(mine));
  }
  return absl::OkStatus();
}

}  // namespace vx::core
