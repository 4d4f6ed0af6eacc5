// Ranges of 65,536 user and group ids, one for each running workload: the ids
// that a container's user namespace maps to.
//
// All vx daemons of a host share one file of claims under one flock, so two of
// them never hand out the same range. A claim belongs to (instance, workload)
// and lasts as long as the run.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vx::driver {

inline constexpr uint32_t kIdRangeSize = 65536;

class IdRanges {
 public:
  // `setting` is container.subuid: "auto" or "START:COUNT" (ids, COUNT a multiple
  // of 65,536). INVALID_ARGUMENT (BAD_SUBUID) when it is neither.
  static absl::StatusOr<IdRanges> Open(const std::string& claims_file, const std::string& setting,
                                       const std::string& instance_id);

  // First id of the workload's range; the same again while it holds it.
  // RESOURCE_EXHAUSTED (NO_ID_RANGE) when all are taken.
  absl::StatusOr<uint32_t> Claim(const std::string& uid) const;
  // Fine when it holds none.
  absl::Status Release(const std::string& uid) const;

 private:
  IdRanges(std::string file, std::string instance, uint32_t first, uint32_t count)
      : file_(std::move(file)), instance_(std::move(instance)), first_(first), count_(count) {}

  std::string file_;
  std::string instance_;
  uint32_t first_;   // first id of the first range
  uint32_t count_;   // ranges
};

// Where the claims of this host are kept.
inline constexpr char kIdClaimsFile[] = "/run/vx-id-ranges";

}  // namespace vx::driver
