// Who the command runs as.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "plugins/container/runtime/config.h"

namespace vx::container {

// Ids that a container of vx has.
inline constexpr uint32_t kMappedIds = 65536;

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  // "/root" for root and "/" for others where /etc/passwd does not say.
  std::string home;
};

// "user[:group]", names or numbers, as Docker reads it: a user alone brings its
// group and those that list it; a number need not be in `passwd`, and has group 0
// then. FAILED_PRECONDITION (NO_USER, NO_GROUP) for a name that is not there, or an id
// that is not below `ids`, which is how many the container has.
absl::StatusOr<Identity> ParseIdentity(const std::string& user, absl::string_view passwd,
                                       absl::string_view group, uint32_t ids = kMappedIds);

// In the container, after the root is "/": of vx.user, or else of process.user.
absl::StatusOr<Identity> ResolveIdentity(const Config& config);

// Bits of what this process may have.
absl::StatusOr<uint64_t> OwnCapabilities();

// Takes it on, and keeps `capabilities` (of the container's user namespace) alone.
// The last thing that needs rights.
absl::Status Assume(const Identity& identity, const Capabilities& capabilities);

}  // namespace vx::container
