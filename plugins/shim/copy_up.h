// Fills a new volume with what the image has in its place, the same for both kinds: in a
// container's runtime, and in a guest's agent. Plain C++.
#pragma once

#include <string>

namespace vx::shim {

// Copies what is in the folder `from` into the folder `to`, the folder's own owner and
// mode too, if nothing is in `to`, or only what an earlier copy that was cut short left.
// Both are descriptors (O_PATH will do) and stay open. Owners, modes, times, attributes
// and links are kept; sockets, and devices that may not be made, are left out. Nothing is
// followed out of either.
//
// Others that share `to` and come at the same time on the same kernel wait until it is
// whole. False, with what failed in `error`: what was copied stays, and is copied again
// the next time.
bool CopyUp(int from, int to, std::string* error);

}  // namespace vx::shim
