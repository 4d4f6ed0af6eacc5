// Who uses which image: one small file each, so that they outlive a restart.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vx::image {

// Not thread-safe. Files are written without fsync: whoever has the list of
// workloads asks again for their leases after a crash.
class Leases {
 public:
  // Reads what is in `dir`; drops what is no lease.
  static absl::StatusOr<Leases> Open(const std::string& dir);

  // The digest that `owner` holds.
  std::optional<std::string> Find(const std::string& owner) const;
  std::vector<std::string> OwnersOf(absl::string_view digest) const;
  std::vector<std::string> Owners() const;
  std::set<std::string> Digests() const;

  // INVALID_ARGUMENT (BAD_LEASE_OWNER) when `owner` can't be a file's name.
  absl::Status Add(const std::string& owner, const std::string& digest);
  // Fine when there is none.
  absl::Status Remove(const std::string& owner);

 private:
  explicit Leases(std::string dir) : dir_(std::move(dir)) {}

  std::string dir_;
  std::map<std::string, std::string> digests_;  // by owner
};

}  // namespace vx::image
