#include "daemon/image/leases.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/digest.h"

namespace vx::image {
namespace {

constexpr size_t kMaxOwner = 128;

bool IsOwner(absl::string_view text) {
  if (text.empty() || text.size() > kMaxOwner || text.front() == '.') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
}

}  // namespace

absl::StatusOr<Leases> Leases::Open(const std::string& dir) {
  Leases leases(dir);
  VX_ASSIGN_OR_RETURN(std::vector<std::string> owners, ListDir(dir));
  for (const std::string& owner : owners) {
    std::string path = absl::StrCat(dir, "/", owner);
    absl::StatusOr<std::string> digest = ReadFile(path);
    if (IsOwner(owner) && digest.ok() && IsDigest(*digest)) {
      leases.digests_[owner] = *digest;
    } else {
      VX_RETURN_IF_ERROR(RemoveTree(path));
    }
  }
  return leases;
}

std::optional<std::string> Leases::Find(const std::string& owner) const {
  auto it = digests_.find(owner);
  if (it == digests_.end()) return std::nullopt;
  return it->second;
}

std::vector<std::string> Leases::OwnersOf(absl::string_view digest) const {
  std::vector<std::string> owners;
  for (const auto& [owner, held] : digests_) {
    if (held == digest) owners.push_back(owner);
  }
  return owners;
}

std::vector<std::string> Leases::Owners() const {
  std::vector<std::string> owners;
  for (const auto& [owner, digest] : digests_) owners.push_back(owner);
  return owners;
}

std::set<std::string> Leases::Digests() const {
  std::set<std::string> digests;
  for (const auto& [owner, digest] : digests_) digests.insert(digest);
  return digests;
}

absl::Status Leases::Add(const std::string& owner, const std::string& digest) {
  if (!IsOwner(owner)) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_LEASE_OWNER",
                 absl::StrCat("\"", owner, "\" can't hold a lease: its name is no file's"));
  }
  if (Find(owner) == digest) return absl::OkStatus();
  std::string path = absl::StrCat(dir_, "/", owner);
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  ssize_t size = digest.size();
  if (write(fd.get(), digest.data(), digest.size()) != size) {
    absl::Status error = ErrnoError(errno, absl::StrCat("write ", path));
    unlink(path.c_str());
    return error;
  }
  digests_[owner] = digest;
  return absl::OkStatus();
}

absl::Status Leases::Remove(const std::string& owner) {
  if (digests_.erase(owner) == 0) return absl::OkStatus();
  std::string path = absl::StrCat(dir_, "/", owner);
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("remove ", path));
}

}  // namespace vx::image
