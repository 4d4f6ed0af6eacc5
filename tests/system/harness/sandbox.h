// Where system tests happen: mount and network namespaces of their own, so that
// neither a mount nor a packet of theirs reaches the host.
#pragma once

#include <string>

namespace vx::system_test {

// Moves this process (and so all that it starts) into them; loopback is up, and
// /etc/group names the group `vx`, whatever the host's says. Call once, while
// single-threaded. Returns what went wrong, or nothing.
std::string EnterSandbox();

// Id of the group vx inside.
inline constexpr int kVxGroup = 64055;

}  // namespace vx::system_test
