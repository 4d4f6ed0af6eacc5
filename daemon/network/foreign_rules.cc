#include "daemon/network/foreign_rules.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "nlohmann/json.hpp"

namespace vx::network {
namespace {

using nlohmann::json;

constexpr char kDockerChain[] = "DOCKER-USER";
constexpr absl::Duration kTimeout = absl::Seconds(10);

std::string Text(const json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

struct Chain {
  std::string family, table, name;
  bool drops = false;
};

struct Table {
  std::set<std::string> chains;
  // Something in it accepts what concerns the bridge.
  bool lets_through = false;
};

using Tables = std::map<std::pair<std::string, std::string>, Table>;

std::pair<std::string, std::string> TableOf(const json& object) {
  return {Text(object, "family"), Text(object, "table")};
}

bool Has(const json& expression, const char* key) {
  return std::any_of(expression.begin(), expression.end(),
                     [&](const json& part) { return part.is_object() && part.contains(key); });
}

// "vx1234b0" itself, or a beginning with '*'.
bool Names(const json& value, const std::string& bridge) {
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    const bool wild = absl::EndsWith(text, "*") && text.size() > 1;
    return text == bridge || (wild && absl::StartsWith(bridge, text.substr(0, text.size() - 1)));
  }
  if (!value.is_structured()) return false;
  return std::any_of(value.begin(), value.end(),
                     [&](const json& part) { return Names(part, bridge); });
}

void ReadRule(const json& rule, const std::string& bridge, std::vector<Chain>& chains,
              Tables& tables) {
  const auto expression = rule.find("expr");
  if (expression == rule.end() || !expression->is_array()) return;
  if (Has(*expression, "accept") && Names(*expression, bridge)) {
    tables[TableOf(rule)].lets_through = true;
  }
  const bool all = !Has(*expression, "match") && !Has(*expression, "xt");
  if (!all || !(Has(*expression, "drop") || Has(*expression, "reject"))) return;
  for (Chain& chain : chains) {
    const bool same = chain.family == Text(rule, "family") && chain.table == Text(rule, "table") &&
                      chain.name == Text(rule, "chain");
    chain.drops = chain.drops || same;
  }
}

std::string Remedy(const Chain& chain, const Table& table, const std::string& bridge) {
  const std::string program = chain.family == "ip6" ? "ip6tables" : "iptables";
  if (table.chains.count(kDockerChain) > 0) {
    return absl::StrCat(program, " -I DOCKER-USER -i ", bridge, " -j ACCEPT; ", program,
                        " -I DOCKER-USER -o ", bridge, " -j ACCEPT");
  }
  const bool ufw = std::any_of(table.chains.begin(), table.chains.end(), [](const auto& name) {
    return absl::StartsWith(name, "ufw");
  });
  if (ufw) {
    return absl::StrCat("ufw route allow in on ", bridge, "; ufw route allow out on ", bridge);
  }
  if (chain.table == "firewalld") {
    return absl::StrCat("firewall-cmd --permanent --zone=trusted --add-interface=", bridge,
                        "; firewall-cmd --reload");
  }
  const std::string insert =
      absl::StrCat("nft insert rule ", chain.family, " ", chain.table, " ", chain.name);
  return absl::StrCat(insert, " iifname ", bridge, " accept; ", insert, " oifname ", bridge,
                      " accept");
}

}  // namespace

absl::StatusOr<std::vector<ForeignDrop>> FindForeignDrops(absl::string_view ruleset,
                                                          const std::string& own,
                                                          const std::string& bridge) {
  const json parsed = json::parse(ruleset, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object() || !parsed.contains("nftables") || !parsed["nftables"].is_array()) {
    return absl::InvalidArgumentError("nft's list of rules can't be read");
  }
  std::vector<Chain> forwarding;
  Tables tables;
  for (const json& item : parsed["nftables"]) {
    if (!item.is_object() || !item.contains("chain")) continue;
    const json& chain = item["chain"];
    tables[TableOf(chain)].chains.insert(Text(chain, "name"));
    if (Text(chain, "hook") != "forward" || Text(chain, "table") == own) continue;
    forwarding.push_back({Text(chain, "family"), Text(chain, "table"), Text(chain, "name"),
                          Text(chain, "policy") == "drop"});
  }
  for (const json& item : parsed["nftables"]) {
    if (item.is_object() && item.contains("rule")) {
      ReadRule(item["rule"], bridge, forwarding, tables);
    }
  }
  std::vector<ForeignDrop> found;
  for (const Chain& chain : forwarding) {
    const Table& table = tables[{chain.family, chain.table}];
    if (!chain.drops || table.lets_through || chain.family == "bridge") continue;
    found.push_back({absl::StrCat(chain.family, " ", chain.table, " ", chain.name),
                     Remedy(chain, table, bridge)});
  }
  return found;
}

namespace {

// Tables of the kernel's older kind are none of nft's.
void AddLegacy(const std::string& bridge, std::vector<ForeignDrop>& found) {
  if (!absl::StrContains(ReadFile("/proc/net/ip_tables_names").value_or(""), "filter")) return;
  auto rules = RunCommand({"iptables-legacy", "-S"}, kTimeout);
  if (!rules.ok() || !absl::StrContains(rules->out, "-P FORWARD DROP")) return;
  if (absl::StrContains(rules->out, absl::StrCat(" ", bridge, " "))) return;
  found.push_back({"iptables-legacy FORWARD",
                   absl::StrCat("iptables-legacy -I FORWARD -i ", bridge,
                                " -j ACCEPT; iptables-legacy -I FORWARD -o ", bridge,
                                " -j ACCEPT")});
}

}  // namespace

absl::StatusOr<std::vector<ForeignDrop>> ForeignDropsOf(const std::string& own,
                                                        const std::string& bridge) {
  const auto listed = RunCommand({"nft", "-j", "list", "ruleset"}, kTimeout);
  if (!listed.ok() || listed->exit_code != 0) {
    return Error(absl::StatusCode::kUnavailable, "NO_NFTABLES",
                 listed.ok() ? listed->err : std::string(listed.status().message()),
                 "apt install nftables");
  }
  VX_ASSIGN_OR_RETURN(std::vector<ForeignDrop> found,
                      FindForeignDrops(listed->out, own, bridge));
  AddLegacy(bridge, found);
  return found;
}

}  // namespace vx::network
