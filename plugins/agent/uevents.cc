#include "plugins/agent/uevents.h"

#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace vx::agent {
namespace {

// Should an event be lost, look again after this long.
constexpr int kLookAgainMs = 200;

int64_t NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * int64_t{1000} + now.tv_nsec / 1000000;
}

}  // namespace

Deadline::Deadline(int timeout_ms) : at_ms_(NowMs() + timeout_ms) {}

int Deadline::LeftMs() const { return static_cast<int>(std::max<int64_t>(0, at_ms_ - NowMs())); }

Uevents::Uevents()
    : fd_(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT)) {
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  address.nl_groups = 1;
  bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address);
}

Uevents::~Uevents() { close(fd_); }

bool Uevents::WaitForNext(const Deadline& deadline) {
  const int left = deadline.LeftMs();
  if (left == 0) return false;
  pollfd p = {fd_, POLLIN, 0};
  poll(&p, 1, std::min(left, kLookAgainMs));
  char event[8192];
  recv(fd_, event, sizeof event, 0);
  return true;
}

// "add@/devices/system/cpu/cpu1", then variables.
bool Uevents::TookCpu() {
  constexpr char kCpu[] = "add@/devices/system/cpu/cpu";
  bool took = false;
  char event[8192];
  ssize_t n;
  while ((n = recv(fd_, event, sizeof event, 0)) > 0) {
    took |= n > static_cast<ssize_t>(sizeof kCpu) && memcmp(event, kCpu, sizeof kCpu - 1) == 0;
  }
  return took;
}

}  // namespace vx::agent
