// Connections to what listens inside of a workload, published or not.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/workloads.h"
#include "daemon/network/address.h"

namespace vx::core {
namespace {

using network::Address;

constexpr absl::Duration kConnectTimeout = absl::Seconds(5);

// Waits for the end of a connect that has begun; 0, or an errno.
int FinishConnect(int fd) {
  const absl::Time deadline = absl::Now() + kConnectTimeout;
  pollfd p{fd, POLLOUT, 0};
  int ready = -1;
  do {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    ready = poll(&p, 1, left > 0 ? static_cast<int>(left) : 0);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return ETIMEDOUT;
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

// In the calling thread's network namespace; the socket does not block.
int Connect(const Address& address, int port, UniqueFd& fd) {
  sockaddr_storage to{};
  socklen_t size = sizeof(sockaddr_in6);
  if (address.v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&to);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET6, network::ToString(address).c_str(), &v6->sin6_addr);
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&to);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, network::ToString(address).c_str(), &v4->sin_addr);
    size = sizeof *v4;
  }
  fd.reset(socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return errno;
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&to), size) == 0) return 0;
  return errno == EINPROGRESS ? FinishConnect(fd.get()) : errno;
}

// The first of them that takes a connection; the last error.
int ConnectToAny(const std::vector<Address>& addresses, int port, UniqueFd& fd) {
  int error = EADDRNOTAVAIL;
  for (const Address& address : addresses) {
    error = Connect(address, port, fd);
    if (error == 0) return 0;
  }
  fd.reset();
  return error;
}

// A socket stays where it was made, whoever has it then.
int ConnectInside(int netns, const std::vector<Address>& addresses, int port, UniqueFd& fd) {
  int error = 0;
  std::thread([&] {
    error = setns(netns, CLONE_NEWNET) < 0 ? errno : ConnectToAny(addresses, port, fd);
  }).join();
  return error;
}

std::vector<Address> ParseAll(const std::vector<std::string>& texts) {
  std::vector<Address> addresses;
  for (const std::string& text : texts) {
    if (auto address = network::ParseAddress(text); address.ok()) addresses.push_back(*address);
  }
  return addresses;
}

}  // namespace

absl::StatusOr<UniqueFd> Workloads::ConnectTo(const std::string& name, int port) {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, store_.Read().FindWorkload(name));
  if (!IsActive(workload)) return NotRunning(workload);
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, drivers_.Await(workload.kind(), Use::kLookAfter));
  VX_ASSIGN_OR_RETURN(UniqueFd netns, driver->OpenNetns(workload.uid()));
  std::vector<std::string> addresses(workload.status().addresses().begin(),
                                     workload.status().addresses().end());
  UniqueFd fd;
  int error = 0;
  if (netns.valid()) {
    addresses.insert(addresses.begin(), {"127.0.0.1", "::1"});
    error = ConnectInside(netns.get(), ParseAll(addresses), port, fd);
  } else if (addresses.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_ADDRESS",
                 absl::StrCat("\"", workload.name(), "\" is on no network: it has no address"),
                 absl::StrCat("vxctl network connect default ", workload.name()));
  } else {
    error = ConnectToAny(ParseAll(addresses), port, fd);
  }
  if (error == 0) return fd;
  return Error(absl::StatusCode::kFailedPrecondition, "PORT_CLOSED",
               absl::StrCat("port ", port, " of \"", workload.name(),
                            "\" takes no connection: ", strerror(error)),
               "see what listens inside: vxctl exec NAME -- netstat -ltn");
}

}  // namespace vx::core
