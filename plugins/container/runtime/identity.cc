#include "plugins/container/runtime/identity.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"
#include "plugins/container/runtime/inside.h"

namespace vx::container {
namespace {

constexpr size_t kMaxDatabase = 1 << 20;
constexpr int kLastCapability = 63;

using Fields = std::vector<absl::string_view>;

// The first line of a passwd-like text whose name or number (third field) is
// `key`.
bool FindEntry(absl::string_view text, absl::string_view key, size_t fields, Fields& entry) {
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    entry = absl::StrSplit(line, ':');
    if (entry.size() >= fields && (entry[0] == key || entry[2] == key)) return true;
  }
  return false;
}

absl::Status Unknown(const char* reason, absl::string_view what, absl::string_view name) {
  return Error(absl::StatusCode::kFailedPrecondition, reason,
               absl::StrCat("the image has no ", what, " \"", name, "\""),
               "use a number, or one that its /etc/passwd or /etc/group names");
}

std::vector<gid_t> GroupsOf(absl::string_view user, absl::string_view group) {
  std::vector<gid_t> groups;
  for (absl::string_view line : absl::StrSplit(group, '\n', absl::SkipEmpty())) {
    const Fields fields = absl::StrSplit(line, ':');
    if (fields.size() < 4) continue;
    const Fields members = absl::StrSplit(fields[3], ',');
    gid_t gid = 0;
    const bool listed = std::find(members.begin(), members.end(), user) != members.end();
    if (listed && absl::SimpleAtoi(fields[2], &gid)) groups.push_back(gid);
  }
  return groups;
}

std::string DefaultHome(uid_t uid) { return uid == 0 ? "/root" : "/"; }

absl::Status ApplyGroup(const std::string& name, absl::string_view group, Identity& identity) {
  Fields entry;
  if (FindEntry(group, name, 3, entry) && absl::SimpleAtoi(entry[2], &identity.gid)) {
    return absl::OkStatus();
  }
  return absl::SimpleAtoi(name, &identity.gid) ? absl::OkStatus()
                                               : Unknown("NO_GROUP", "group", name);
}

// Regular files only, and never blocks: what is there is the image's doing.
std::string ReadDatabase(const char* path) {
  UniqueFd root(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto fd = OpenInside(root.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat st{};
  if (!fd.ok() || fstat(fd->get(), &st) < 0 || !S_ISREG(st.st_mode)) return "";
  std::string text(static_cast<size_t>(std::min<off_t>(st.st_size, kMaxDatabase)), 0);
  const ssize_t n = read(fd->get(), text.data(), text.size());
  text.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
  return text;
}

absl::Status DropBounding(uint64_t keep) {
  for (int i = 0; i <= kLastCapability; ++i) {
    if ((keep >> i & 1) != 0) continue;
    // EINVAL: past the last that this kernel has.
    if (prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0) {
      if (errno == EINVAL) break;
      return ErrnoError(errno, "drop capabilities");
    }
  }
  return absl::OkStatus();
}

absl::Status SetCapabilities(const Capabilities& wanted) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int i = 0; i < 2; ++i) {
    data[i].effective = static_cast<uint32_t>(wanted.effective >> (32 * i));
    data[i].permitted = static_cast<uint32_t>(wanted.permitted >> (32 * i));
    data[i].inheritable = static_cast<uint32_t>(wanted.inheritable >> (32 * i));
  }
  if (syscall(SYS_capset, &header, data) < 0) return ErrnoError(errno, "set capabilities");
  for (int i = 0; wanted.ambient != 0 && i <= kLastCapability; ++i) {
    if ((wanted.ambient >> i & 1) == 0) continue;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) < 0) {
      return ErrnoError(errno, "raise an ambient capability");
    }
  }
  return absl::OkStatus();
}

// Ids beyond the container's range stand for nobody, and the highest, (uid_t)-1,
// would leave root as it is.
absl::Status CheckMapped(const Identity& identity, const std::string& user, uint32_t ids) {
  bool mapped = identity.uid < ids && identity.gid < ids;
  for (gid_t group : identity.groups) mapped = mapped && group < ids;
  if (mapped) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "NO_USER",
               absl::StrCat("user \"", user, "\" has an id that a container does not have"),
               absl::StrCat("its ids are 0 to ", ids - 1));
}

// As many as there are without a gap from 0 on; all but the last without a namespace.
uint32_t CountIds(const std::vector<IdMapping>& mappings) {
  uint64_t end = 0;
  if (mappings.empty()) return UINT32_MAX;
  for (size_t pass = 0; pass < mappings.size(); ++pass) {
    for (const IdMapping& m : mappings) {
      if (m.container <= end) end = std::max(end, uint64_t{m.container} + m.size);
    }
  }
  return static_cast<uint32_t>(std::min<uint64_t>(end, UINT32_MAX));
}

}  // namespace

absl::StatusOr<Identity> ParseIdentity(const std::string& user, absl::string_view passwd,
                                       absl::string_view group, uint32_t ids) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(user, absl::MaxSplits(':', 1));
  const std::string name = parts.first.empty() ? "0" : parts.first;
  Identity identity;
  Fields entry;
  const bool known = FindEntry(passwd, name, 6, entry) &&
                     absl::SimpleAtoi(entry[2], &identity.uid) &&
                     absl::SimpleAtoi(entry[3], &identity.gid);
  if (!known && !absl::SimpleAtoi(name, &identity.uid)) return Unknown("NO_USER", "user", name);
  if (known && !entry[5].empty()) identity.home = std::string(entry[5]);
  if (identity.home.empty()) identity.home = DefaultHome(identity.uid);
  if (!parts.second.empty()) {
    VX_RETURN_IF_ERROR(ApplyGroup(parts.second, group, identity));
  } else if (known) {
    identity.groups = GroupsOf(entry[0], group);
  }
  VX_RETURN_IF_ERROR(CheckMapped(identity, user, ids));
  return identity;
}

absl::StatusOr<Identity> ResolveIdentity(const Config& config) {
  const std::string passwd = ReadDatabase("/etc/passwd");
  const uint32_t ids = std::min(CountIds(config.uid_mappings), CountIds(config.gid_mappings));
  if (!config.user.empty()) {
    return ParseIdentity(config.user, passwd, ReadDatabase("/etc/group"), ids);
  }
  const ProcessConfig& process = config.process;
  VX_ASSIGN_OR_RETURN(Identity identity, ParseIdentity(absl::StrCat(process.uid), passwd, "", ids));
  identity.gid = process.gid;
  identity.groups = process.additional_gids;
  VX_RETURN_IF_ERROR(CheckMapped(identity, absl::StrCat(process.uid), ids));
  return identity;
}

absl::StatusOr<uint64_t> OwnCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &header, data) < 0) return ErrnoError(errno, "read capabilities");
  return data[0].permitted | uint64_t{data[1].permitted} << 32;
}

absl::Status Assume(const Identity& identity, const Capabilities& capabilities) {
  VX_RETURN_IF_ERROR(DropBounding(capabilities.bounding));
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return ErrnoError(errno, "keep capabilities");
  if (setgroups(identity.groups.size(), identity.groups.data()) < 0 ||
      setresgid(identity.gid, identity.gid, identity.gid) < 0 ||
      setresuid(identity.uid, identity.uid, identity.uid) < 0) {
    return ErrnoError(errno, absl::StrCat("become user ", identity.uid, ":", identity.gid));
  }
  Capabilities kept = capabilities;
  // As a shell of another user expects: an ordinary user has none.
  if (identity.uid != 0) kept.effective = kept.permitted = kept.ambient;
  return SetCapabilities(kept);
}

}  // namespace vx::container
