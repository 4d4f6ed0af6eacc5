// A guest's links, as its config says: named, with addresses and routes, up.
#pragma once

#include <string>
#include <vector>

#include "plugins/agent/boot_config.h"

namespace vx::agent {

// The loopback is up, and each network card of `config`, found by its hardware address;
// /etc/resolv.conf and /etc/hosts say what `config` does (name_files.h). What can't be had
// is said on the console, and the rest goes on. Waits some seconds at most for a card to
// appear, and one for it to be usable.
void SetUpNetwork(const BootConfig& config);

// The part of it that is about links: one sentence for each thing that could not be had.
std::vector<std::string> SetUpLinks(const std::vector<BootNic>& nics, int timeout_ms);

// Takes the card with this hardware address down, which its routes go with; an errno.
int TakeDown(const std::string& mac);

// Whether there is a network card with this hardware address.
bool HasCard(const std::string& mac);

}  // namespace vx::agent
