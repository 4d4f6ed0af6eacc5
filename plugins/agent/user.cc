#include "plugins/agent/user.h"

#include <optional>

namespace vx::agent {
namespace {

// As Linux: (uid_t)-1 means "leave it" to setresuid.
constexpr uint64_t kMaxId = 0xfffffffe;

std::optional<uint32_t> Number(std::string_view text) {
  if (text.empty() || text.size() > 10) return std::nullopt;
  uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  if (value > kMaxId) return std::nullopt;
  return static_cast<uint32_t>(value);
}

// Takes text up to `separator` off the front of `rest`.
std::string_view Take(std::string_view& rest, char separator) {
  const size_t end = rest.find(separator);
  std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

struct PasswdLine {
  std::string_view name;
  std::optional<uint32_t> uid, gid;
  std::string_view home;
};

PasswdLine ParsePasswd(std::string_view line) {
  PasswdLine entry;
  entry.name = Take(line, ':');
  Take(line, ':');
  entry.uid = Number(Take(line, ':'));
  entry.gid = Number(Take(line, ':'));
  Take(line, ':');
  entry.home = Take(line, ':');
  return entry;
}

// The line of `user`, a name or else a number.
std::optional<PasswdLine> FindUser(std::string_view passwd, std::string_view user) {
  const std::optional<uint32_t> number = Number(user);
  std::optional<PasswdLine> by_number;
  while (!passwd.empty()) {
    const PasswdLine entry = ParsePasswd(Take(passwd, '\n'));
    if (!entry.uid || !entry.gid) continue;
    if (entry.name == user) return entry;
    if (number && entry.uid == number && !by_number) by_number = entry;
  }
  return by_number;
}

std::optional<gid_t> FindGroup(std::string_view group, std::string_view wanted) {
  while (!group.empty()) {
    std::string_view line = Take(group, '\n');
    const std::string_view name = Take(line, ':');
    Take(line, ':');
    const std::optional<uint32_t> gid = Number(Take(line, ':'));
    if (gid && name == wanted) return gid;
  }
  return Number(wanted);
}

bool IsMember(std::string_view members, std::string_view name) {
  while (!members.empty()) {
    if (Take(members, ',') == name) return true;
  }
  return false;
}

std::vector<gid_t> GroupsOf(std::string_view group, std::string_view name, gid_t primary) {
  std::vector<gid_t> groups;
  while (!group.empty()) {
    std::string_view line = Take(group, '\n');
    Take(line, ':');
    Take(line, ':');
    const std::optional<uint32_t> gid = Number(Take(line, ':'));
    if (gid && *gid != primary && IsMember(line, name)) groups.push_back(*gid);
  }
  return groups;
}

}  // namespace

const char* ResolveUser(std::string_view spec, std::string_view passwd, std::string_view group,
                        Identity& identity) {
  identity = Identity();
  const bool group_named = spec.find(':') != std::string_view::npos;
  std::string_view user = Take(spec, ':');
  if (user.empty()) user = "0";
  const std::optional<PasswdLine> entry = FindUser(passwd, user);
  const std::optional<uint32_t> number = Number(user);
  if (!entry && !number) return "there is no such user in the image's /etc/passwd";
  identity.uid = entry ? *entry->uid : *number;
  identity.gid = entry ? *entry->gid : 0;
  if (entry && !entry->home.empty()) identity.home = entry->home;
  if (group_named && !spec.empty()) {
    const std::optional<gid_t> gid = FindGroup(group, spec);
    if (!gid) return "there is no such group in the image's /etc/group";
    identity.gid = *gid;
  } else if (entry) {
    identity.groups = GroupsOf(group, entry->name, identity.gid);
  }
  return nullptr;
}

}  // namespace vx::agent
