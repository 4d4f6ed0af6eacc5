#include "daemon/base/access_list.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx {
namespace {

constexpr char kAccessList[] = "system.posix_acl_access";
constexpr size_t kMostEntries = 128;

using Entry = posix_acl_xattr_entry;

absl::Status Closed(const std::string& dir, int error, const Passer& passer) {
  return Error(absl::StatusCode::kFailedPrecondition, "PATH_CLOSED",
               absl::StrCat(passer.name, ", which does not run as root, can't be let through ", dir,
                            ": ", ErrnoError(error, "set its access list").message()),
               absl::StrCat("run: chmod o+x ", dir));
}

Entry MakeEntry(int tag, mode_t rights, uint32_t id = ACL_UNDEFINED_ID) {
  return {.e_tag = static_cast<uint16_t>(tag),
          .e_perm = static_cast<uint16_t>(rights & 7),
          .e_id = id};
}

// What the mode says, where there is no list yet.
std::vector<Entry> ListOfMode(mode_t mode) {
  return {MakeEntry(ACL_USER_OBJ, mode >> 6), MakeEntry(ACL_GROUP_OBJ, mode >> 3),
          MakeEntry(ACL_OTHER, mode)};
}

absl::StatusOr<std::vector<Entry>> ReadList(const std::string& dir, mode_t mode,
                                           const Passer& passer) {
  std::string bytes(sizeof(posix_acl_xattr_header) + kMostEntries * sizeof(Entry), '\0');
  const ssize_t size = getxattr(dir.c_str(), kAccessList, bytes.data(), bytes.size());
  if (size < 0 && errno == ENODATA) return ListOfMode(mode);
  if (size < 0) return Closed(dir, errno, passer);
  std::vector<Entry> list((size - sizeof(posix_acl_xattr_header)) / sizeof(Entry));
  const char* begin = bytes.data() + sizeof(posix_acl_xattr_header);
  std::copy(begin, begin + list.size() * sizeof(Entry), reinterpret_cast<char*>(list.data()));
  return list;
}

absl::Status WriteList(const std::string& dir, const std::vector<Entry>& list,
                       const Passer& passer) {
  const posix_acl_xattr_header header = {.a_version = POSIX_ACL_XATTR_VERSION};
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(reinterpret_cast<const char*>(list.data()), list.size() * sizeof(Entry));
  if (setxattr(dir.c_str(), kAccessList, bytes.data(), bytes.size(), 0) == 0) {
    return absl::OkStatus();
  }
  return Closed(dir, errno, passer);
}

int TagOf(const Passer& passer) {
  return passer.kind == Passer::Kind::kUser ? ACL_USER : ACL_GROUP;
}

bool IsOf(const Entry& entry, const Passer& passer) {
  return entry.e_tag == TagOf(passer) && entry.e_id == passer.id;
}

bool MayPass(const std::vector<Entry>& list, const Passer& passer) {
  return std::any_of(list.begin(), list.end(), [&](const Entry& entry) {
    return IsOf(entry, passer) && (entry.e_perm & ACL_EXECUTE);
  });
}

// In the kernel's order. The mask bounds all groups and named users: it becomes what they
// have by now and the right to pass.
void AddPasser(std::vector<Entry>& list, const Passer& passer) {
  std::erase_if(list, [&](const Entry& entry) { return IsOf(entry, passer); });
  uint16_t mask = ACL_EXECUTE;
  for (const Entry& entry : list) {
    if (entry.e_tag == ACL_MASK || entry.e_tag == ACL_GROUP_OBJ) mask |= entry.e_perm;
  }
  std::erase_if(list, [](const Entry& entry) { return entry.e_tag == ACL_MASK; });
  list.push_back(MakeEntry(TagOf(passer), ACL_EXECUTE, passer.id));
  list.push_back(MakeEntry(ACL_MASK, mask));
  std::sort(list.begin(), list.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.e_tag, a.e_id) < std::pair(b.e_tag, b.e_id);
  });
}

absl::Status LetPassOne(const std::string& dir, const Passer& passer) {
  struct stat st;
  if (stat(dir.c_str(), &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", dir));
  if (st.st_mode & S_IXOTH) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(std::vector<Entry> list, ReadList(dir, st.st_mode, passer));
  if (MayPass(list, passer)) return absl::OkStatus();
  AddPasser(list, passer);
  return WriteList(dir, list, passer);
}

}  // namespace

absl::Status LetPass(const std::string& dir, const Passer& passer) {
  for (size_t end = dir.size(); end != std::string::npos && end > 0;
       end = dir.rfind('/', end - 1)) {
    VX_RETURN_IF_ERROR(LetPassOne(dir.substr(0, end), passer));
  }
  return absl::OkStatus();
}

}  // namespace vx
