// Network namespaces, and in each of them links, nftables and unix sockets.
#include <linux/if_link.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <string.h>

#include "tests/leftovers/context.h"
#include "tests/leftovers/namespaces.h"
#include "tests/leftovers/netlink.h"

namespace vx::leftovers {
namespace {

template <typename T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

// One namespace, from inside.
struct Network {
  Context& context;
  std::string name;  // "net:[4026531840]"
  bool all;          // whatever is there counts

  std::string Place() const { return " in " + name; }
};

void FindLinks(const Network& network) {
  int error = 0;
  for (const NetlinkMessage& link : Dump(NETLINK_ROUTE, RTM_GETLINK, Bytes(ifinfomsg{}), error)) {
    if (link.type != RTM_NEWLINK || link.body.size() < sizeof(ifinfomsg)) continue;
    const auto attributes = Attributes(std::string_view(link.body).substr(sizeof(ifinfomsg)));
    const std::string name = Text(attributes, IFLA_IFNAME), alias = Text(attributes, IFLA_IFALIAS);
    const bool marked = network.context.IsLeft(name) || network.context.IsLeft(alias);
    if (!marked && (!network.all || name == "lo")) continue;
    network.context.Add("link", name + network.Place(), alias.empty() ? "no alias" : alias);
  }
  if (error != 0) network.context.Note(std::string("links: not looked at: ") + strerror(error));
}

std::string Family(uint8_t family) {
  static const std::map<uint8_t, std::string> kNames = {{1, "inet"},   {2, "ip"},     {3, "arp"},
                                                        {5, "netdev"}, {7, "bridge"}, {10, "ip6"}};
  const auto it = kNames.find(family);
  return it == kNames.end() ? std::to_string(family) : it->second;
}

// A kind of object in nftables: how to ask, and where its names are.
struct NftKind {
  const char* word;
  uint16_t request;
  uint16_t table, name;  // attributes; 0: none
  uint16_t handle;
};

constexpr NftKind kNftKinds[] = {
    {"table", NFT_MSG_GETTABLE, 0, NFTA_TABLE_NAME, 0},
    {"chain", NFT_MSG_GETCHAIN, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, 0},
    {"rule", NFT_MSG_GETRULE, NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_HANDLE},
    {"set", NFT_MSG_GETSET, NFTA_SET_TABLE, NFTA_SET_NAME, 0},
};

// The number of a rule, in network order.
std::string Handle(const std::map<uint16_t, std::string>& attributes, uint16_t kind) {
  const auto it = attributes.find(kind);
  if (kind == 0 || it == attributes.end()) return "";
  uint64_t number = 0;
  for (unsigned char byte : it->second) number = number << 8 | byte;
  return " " + std::to_string(number);
}

void FindNft(const Network& network, const NftKind& kind) {
  int error = 0;
  const uint16_t request = NFNL_SUBSYS_NFTABLES << 8 | kind.request;
  for (const NetlinkMessage& object : Dump(NETLINK_NETFILTER, request, Bytes(nfgenmsg{}), error)) {
    if (object.body.size() < sizeof(nfgenmsg)) continue;
    const auto attributes = Attributes(std::string_view(object.body).substr(sizeof(nfgenmsg)));
    const std::string table = Text(attributes, kind.table), name = Text(attributes, kind.name);
    // What a rule does and its comment are in there too.
    const bool marked = network.context.marks.IsLeft(network.context.marks.Of(object.body)) ||
                        network.context.IsLeft(kind.table != 0 ? table : name) ||
                        network.context.IsLeft(name);
    if (!marked && !network.all) continue;
    std::string words = std::string(kind.word) + " " + Family(object.body[0]);
    for (const std::string& word : {table, name}) words += word.empty() ? "" : " " + word;
    network.context.Add("nft", words + Handle(attributes, kind.handle) + network.Place(),
                        network.all ? "it was not there" : "its name says whose it is");
  }
  if (error != 0) network.context.Note(std::string("nftables: not looked at: ") + strerror(error));
}

// "ADDRESS: COUNT PROTOCOL FLAGS TYPE STATE INODE PATH"; few have a path.
void FindSockets(const Network& network) {
  for (const std::string& line : Split(ReadAll("/proc/thread-self/net/unix"), '\n')) {
    const size_t path = line.find_first_of("/@");
    if (path == line.npos || !network.context.IsLeft(line.substr(path))) continue;
    network.context.Add("socket", line.substr(path) + network.Place(), "somebody has it open");
  }
}

void LookInside(const Network& network) {
  FindLinks(network);
  for (const NftKind& kind : kNftKinds) FindNft(network, kind);
  FindSockets(network);
}

// Namespaces of workloads that may run.
std::set<std::string> OwnedNetworks(const Context& context) {
  std::set<std::string> owned;
  for (const Process& process : context.processes) {
    const auto it = context.whose.find(process.pid);
    if (it != context.whose.end() && it->second == Whose::kOwned) {
      owned.insert(process.net_namespace);
    }
  }
  return owned;
}

// Those other than ours that our processes are in or hold.
void FindHeld(Context& context) {
  const std::set<std::string> owned = OwnedNetworks(context);
  for (const Process& process : context.processes) {
    const auto it = context.whose.find(process.pid);
    if (it == context.whose.end()) continue;
    const std::string by = Described(process);
    const auto add = [&](const std::string& name, const std::string& how) {
      if (name.empty() || name == context.net_namespace || owned.contains(name)) return;
      context.Add("netns", name, by + how);
    };
    if (context.marks.IsLeft(it->second)) add(process.net_namespace, " is in it");
    for (const OpenFile& file : process.files) {
      if (file.link.starts_with("net:[")) add(file.link, " has it as " + file.what);
    }
  }
}

}  // namespace

void FindNetworks(Context& context) {
  FindHeld(context);
  LookInside({context, context.net_namespace, context.scope.here});
  for (const auto& [name, path] : AllNamespaces(context, "net")) {
    if (name == context.net_namespace) continue;
    const int error =
        InNamespace(path, CLONE_NEWNET, [&, &name = name] { LookInside({context, name, false}); });
    // What ended meanwhile takes its namespace along.
    if (error != 0 && error != ENOENT) {
      context.Note(std::string("other network namespaces: not looked at: ") + strerror(error));
    }
  }
}

}  // namespace vx::leftovers
