#include "plugins/agent/network.h"

#include <errno.h>
#include <string.h>

#include <algorithm>

#include "plugins/agent/name_files.h"
#include "plugins/agent/route_socket.h"
#include "plugins/agent/system.h"
#include "plugins/agent/uevents.h"

namespace vx::agent {
namespace {

constexpr int kCardTimeoutMs = 5000;
constexpr int kCarrierTimeoutMs = 1000;
constexpr char kLoopback[] = "lo";
// Names that no card comes with, for those whose names are mixed up.
constexpr char kMeanwhile[] = "vxmove";

using Complaints = std::vector<std::string>;

bool Note(Complaints& complaints, const std::string& what, int error) {
  if (error != 0) complaints.push_back(what + ": " + strerror(error));
  return error == 0;
}

// What is there already is fine.
int Again(int error) { return error == EEXIST ? 0 : error; }

std::string Lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

const Link* Find(const std::vector<Link>& links, const BootNic& nic) {
  const std::string mac = Lower(nic.mac);
  auto it = std::find_if(links.begin(), links.end(), [&](const Link& l) { return l.mac == mac; });
  return it == links.end() ? nullptr : &*it;
}

bool AllThere(const std::vector<Link>& links, const std::vector<BootNic>& nics) {
  return std::all_of(nics.begin(), nics.end(),
                     [&](const BootNic& nic) { return Find(links, nic) != nullptr; });
}

// All links, once those of `nics` are among them or time is over.
std::vector<Link> AwaitLinks(RouteSocket& kernel, const std::vector<BootNic>& nics,
                             int timeout_ms, Complaints& complaints) {
  Uevents events;
  const Deadline deadline(timeout_ms);
  std::vector<Link> links;
  do {
    if (!Note(complaints, "list the links", kernel.ListLinks(links))) break;
  } while (!AllThere(links, nics) && events.WaitForNext(deadline));
  return links;
}

// In two steps, as one may have the name that another is to get.
void RenameLinks(RouteSocket& kernel, const std::vector<Link>& links,
                 const std::vector<BootNic>& nics, Complaints& complaints) {
  std::vector<std::pair<int, const BootNic*>> wrong;
  for (const BootNic& nic : nics) {
    const Link* link = Find(links, nic);
    if (link == nullptr || link->name == nic.link) continue;
    wrong.emplace_back(link->index, &nic);
  }
  for (const auto& [index, nic] : wrong) kernel.Rename(index, kMeanwhile + std::to_string(index));
  for (const auto& [index, nic] : wrong) {
    Note(complaints, "name the link " + nic->link, kernel.Rename(index, nic->link));
  }
}

// Routes come last: a gateway is reached by an address of the same network.
void Configure(RouteSocket& kernel, int index, const BootNic& nic, Complaints& complaints) {
  const std::string& name = nic.link;
  if (nic.mtu > 0) Note(complaints, "mtu of " + name, kernel.SetMtu(index, nic.mtu));
  if (!Note(complaints, "bring " + name + " up", kernel.SetUp(index))) return;
  IpAddress address;
  for (const std::string& text : nic.addresses) {
    if (!ParsePrefix(text, address)) continue;
    Note(complaints, "address " + text + " of " + name,
         Again(kernel.AddAddress(index, address)));
  }
  for (const std::string& text : nic.gateways) {
    if (!ParseAddress(text, address)) continue;
    Note(complaints, "way out by " + text + " on " + name,
         Again(kernel.AddDefaultRoute(index, address)));
  }
}

// A card comes up a moment after it was told to: what a command sends before is lost.
void AwaitCarriers(RouteSocket& kernel, RouteSocket& news, const std::vector<BootNic>& nics,
                   Complaints& complaints) {
  const Deadline deadline(kCarrierTimeoutMs);
  std::vector<Link> links;
  std::string waiting;
  do {
    if (!Note(complaints, "list the links", kernel.ListLinks(links))) return;
    waiting.clear();
    for (const BootNic& nic : nics) {
      const Link* link = Find(links, nic);
      if (link != nullptr && !link->running) waiting = nic.link;
    }
  } while (!waiting.empty() && news.WaitForNews(deadline));
  if (!waiting.empty()) complaints.push_back(waiting + " has no carrier");
}

}  // namespace

std::vector<std::string> SetUpLinks(const std::vector<BootNic>& nics, int timeout_ms) {
  Complaints complaints;
  RouteSocket kernel, news(RTMGRP_LINK);
  const std::vector<Link> links = AwaitLinks(kernel, nics, timeout_ms, complaints);
  for (const Link& link : links) {
    if (link.name == kLoopback) Note(complaints, "bring the loopback up", kernel.SetUp(link.index));
  }
  RenameLinks(kernel, links, nics, complaints);
  for (const BootNic& nic : nics) {
    if (const Link* link = Find(links, nic)) {
      Configure(kernel, link->index, nic, complaints);
    } else {
      complaints.push_back("the network card " + nic.mac + " for " + nic.link + " did not appear");
    }
  }
  if (!nics.empty()) AwaitCarriers(kernel, news, nics, complaints);
  return complaints;
}

int TakeDown(const std::string& mac) {
  RouteSocket kernel;
  std::vector<Link> links;
  if (const int error = kernel.ListLinks(links); error != 0) return error;
  const Link* link = Find(links, {.mac = mac});
  return link == nullptr ? ENODEV : kernel.SetDown(link->index);
}

bool HasCard(const std::string& mac) {
  RouteSocket kernel;
  std::vector<Link> links;
  return kernel.ListLinks(links) == 0 && Find(links, {.mac = mac}) != nullptr;
}

void SetUpNetwork(const BootConfig& config) {
  Complaints complaints = SetUpLinks(config.nics, kCardTimeoutMs);
  std::vector<NameFile> files;
  if (!config.resolver.empty()) files.push_back({"/etc/resolv.conf", config.resolver});
  if (!config.hosts.empty()) files.push_back({"/etc/hosts", config.hosts});
  for (const std::string& complaint : PutNameFiles(files, "/dev/.vx-names")) {
    complaints.push_back(complaint);
  }
  for (const std::string& complaint : complaints) Complain("%s", complaint.c_str());
}

}  // namespace vx::agent
