// Rules of others that drop what the host forwards for our bridges: Docker's, firewalld's,
// ufw's. What one table lets through, another may still drop.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vx::network {

struct ForeignDrop {
  // "ip filter FORWARD", as nft names it.
  std::string chain;
  // What lets the bridges through, as commands.
  std::string remedy;
};

// `ruleset` is what `nft -j list ruleset` says (libnftables-json(5)), `own` our table's name.
// A chain counts whose hook is "forward", and which drops or rejects what no rule of its
// table's that names the bridge accepts. INVALID_ARGUMENT when it is no such text.
absl::StatusOr<std::vector<ForeignDrop>> FindForeignDrops(absl::string_view ruleset,
                                                          const std::string& own,
                                                          const std::string& bridge);

// On this host, now: of iptables' older tables too. UNAVAILABLE (NO_NFTABLES).
absl::StatusOr<std::vector<ForeignDrop>> ForeignDropsOf(const std::string& own,
                                                        const std::string& bridge);

}  // namespace vx::network
