#include "daemon/driver/id_ranges.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <set>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::driver {
namespace {

// Above what systemd-nspawn, LXD and /etc/subuid take, below its reserved
// "foreign" range (systemd's UIDS-GIDS document).
constexpr uint32_t kAutoFirst = 0x70000000;
constexpr uint32_t kAutoCount = 4000;
// Below are the ids of the host's own users.
constexpr uint32_t kLeastId = 65536;

// A line of the file: "START INSTANCE WORKLOAD".
struct ClaimLine {
  uint32_t start = 0;
  std::string instance;
  std::string uid;
};

// The file, locked for as long as this lives.
class LockedClaims {
 public:
  static absl::StatusOr<LockedClaims> Open(const std::string& path) {
    VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDWR | O_CREAT, 0600));
    while (flock(fd.get(), LOCK_EX) < 0) {
      if (errno != EINTR) return ErrnoError(errno, absl::StrCat("lock ", path));
    }
    VX_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
    LockedClaims claims(std::move(fd), path);
    // What comes after the last newline is a line torn by a crash.
    text.resize(text.rfind('\n') + 1);
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      std::vector<std::string> fields = absl::StrSplit(line, ' ');
      ClaimLine claim;
      if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &claim.start)) continue;
      claim.instance = fields[1];
      claim.uid = fields[2];
      claims.lines.push_back(std::move(claim));
    }
    return claims;
  }

  // Rewrites in place: the lock is on this very file, so it can't be renamed
  // over.
  absl::Status Save() {
    std::string text;
    for (const ClaimLine& c : lines) absl::StrAppend(&text, c.start, " ", c.instance, " ", c.uid, "\n");
    if (pwrite(fd_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ftruncate(fd_.get(), static_cast<off_t>(text.size())) < 0) {
      return ErrnoError(errno, absl::StrCat("write ", path_));
    }
    return absl::OkStatus();
  }

  std::vector<ClaimLine> lines;

 private:
  LockedClaims(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;
};

// Whether a range from `start` shares ids with one of `taken`; another daemon's
// setting may begin anywhere.
bool Overlaps(const std::set<uint32_t>& taken, uint32_t start) {
  auto next = taken.upper_bound(start - kIdRangeSize);
  return next != taken.end() && uint64_t{*next} < uint64_t{start} + kIdRangeSize;
}

}  // namespace

absl::StatusOr<IdRanges> IdRanges::Open(const std::string& claims_file, const std::string& setting,
                                        const std::string& instance_id) {
  if (setting.empty() || setting == "auto") {
    return IdRanges(claims_file, instance_id, kAutoFirst, kAutoCount);
  }
  std::vector<absl::string_view> parts = absl::StrSplit(setting, ':');
  uint32_t start = 0, count = 0;
  const bool numbers =
      parts.size() == 2 && absl::SimpleAtoi(parts[0], &start) && absl::SimpleAtoi(parts[1], &count);
  const bool fits = numbers && count >= kIdRangeSize && count % kIdRangeSize == 0 && start >= kLeastId &&
                    uint64_t{start} + count <= UINT32_MAX;
  if (!fits) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_SUBUID",
                 absl::StrCat("container.subuid is \"", setting, "\""),
                 "use auto, or START:COUNT with START 65536 or more and COUNT a multiple of 65536");
  }
  return IdRanges(claims_file, instance_id, start, count / kIdRangeSize);
}

absl::StatusOr<uint32_t> IdRanges::Claim(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(LockedClaims claims, LockedClaims::Open(file_));
  std::set<uint32_t> taken;
  for (const ClaimLine& claim : claims.lines) {
    if (claim.instance == instance_ && claim.uid == uid) return claim.start;
    taken.insert(claim.start);
  }
  for (uint32_t i = 0; i < count_; ++i) {
    const uint32_t start = first_ + i * kIdRangeSize;
    if (Overlaps(taken, start)) continue;
    claims.lines.push_back({start, instance_, uid});
    VX_RETURN_IF_ERROR(claims.Save());
    return start;
  }
  return Error(absl::StatusCode::kResourceExhausted, "NO_ID_RANGE",
               absl::StrCat("all ", count_, " ranges of user ids are in use"),
               "stop some workloads, or give container.subuid a larger COUNT");
}

absl::Status IdRanges::Release(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(LockedClaims claims, LockedClaims::Open(file_));
  const size_t removed = std::erase_if(claims.lines, [&](const ClaimLine& claim) {
    return claim.instance == instance_ && claim.uid == uid;
  });
  return removed == 0 ? absl::OkStatus() : claims.Save();
}

}  // namespace vx::driver
