#include "daemon/driver/id_ranges.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
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
  absl::string_view instance;
  absl::string_view uid;
};

std::string ToText(uint32_t start, absl::string_view instance, absl::string_view uid) {
  return absl::StrCat(start, " ", instance, " ", uid, "\n");
}

// False for a line that is none of ours.
bool ParseLine(absl::string_view line, ClaimLine& claim) {
  const size_t first = line.find(' ');
  const size_t second = line.find(' ', first + 1);
  if (first == line.npos || second == line.npos || line.find(' ', second + 1) != line.npos) {
    return false;
  }
  claim.instance = line.substr(first + 1, second - first - 1);
  claim.uid = line.substr(second + 1);
  return absl::SimpleAtoi(line.substr(0, first), &claim.start);
}

// The file, locked for as long as this lives.
class LockedClaims {
 public:
  static absl::StatusOr<std::unique_ptr<LockedClaims>> Open(const std::string& path) {
    VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDWR | O_CREAT, 0600));
    while (flock(fd.get(), LOCK_EX) < 0) {
      if (errno != EINTR) return ErrnoError(errno, absl::StrCat("lock ", path));
    }
    VX_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
    return absl::WrapUnique(new LockedClaims(std::move(fd), path, std::move(text)));
  }

  const std::vector<ClaimLine>& lines() const { return lines_; }

  // Over what a crash has torn.
  absl::Status Add(absl::string_view line) { return WriteFrom(text_.size(), line); }

  // Rewrites in place: the lock is on this very file, so it can't be renamed over.
  absl::Status Remove(absl::string_view instance, absl::string_view uid) {
    std::string kept;
    for (const ClaimLine& claim : lines_) {
      if (claim.instance == instance && claim.uid == uid) continue;
      kept += ToText(claim.start, claim.instance, claim.uid);
    }
    return kept.size() == text_.size() ? absl::OkStatus() : WriteFrom(0, kept);
  }

 private:
  LockedClaims(UniqueFd fd, std::string path, std::string text)
      : fd_(std::move(fd)), path_(std::move(path)), text_(std::move(text)) {
    // What comes after the last newline is a line torn by a crash.
    text_.resize(text_.rfind('\n') + 1);
    for (absl::string_view line : absl::StrSplit(text_, '\n', absl::SkipEmpty())) {
      if (ClaimLine claim; ParseLine(line, claim)) lines_.push_back(claim);
    }
  }

  // The file ends with `text`.
  absl::Status WriteFrom(size_t begin, absl::string_view text) {
    const ssize_t size = static_cast<ssize_t>(text.size());
    if (pwrite(fd_.get(), text.data(), text.size(), static_cast<off_t>(begin)) != size ||
        ftruncate(fd_.get(), static_cast<off_t>(begin + text.size())) < 0) {
      return ErrnoError(errno, absl::StrCat("write ", path_));
    }
    return absl::OkStatus();
  }

  const UniqueFd fd_;
  const std::string path_;
  std::string text_;
  std::vector<ClaimLine> lines_;  // of text_
};

// Marks the ranges from `first` on that share ids with the one from `start`; another
// daemon's setting may begin anywhere.
void Mark(std::vector<bool>& taken, uint32_t first, uint32_t start) {
  const int64_t begin = int64_t{start} - first, end = begin + kIdRangeSize - 1;
  for (int64_t id : {begin, end}) {
    if (id < 0) continue;
    const size_t index = static_cast<size_t>(id / kIdRangeSize);
    if (index < taken.size()) taken[index] = true;
  }
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
  VX_ASSIGN_OR_RETURN(std::unique_ptr<LockedClaims> claims, LockedClaims::Open(file_));
  std::vector<bool> taken(count_);
  for (const ClaimLine& claim : claims->lines()) {
    if (claim.instance == instance_ && claim.uid == uid) return claim.start;
    Mark(taken, first_, claim.start);
  }
  const auto free = std::find(taken.begin(), taken.end(), false);
  if (free == taken.end()) {
    return Error(absl::StatusCode::kResourceExhausted, "NO_ID_RANGE",
                 absl::StrCat("all ", count_, " ranges of user ids are in use"),
                 "stop some workloads, or give container.subuid a larger COUNT");
  }
  const uint32_t start = first_ + static_cast<uint32_t>(free - taken.begin()) * kIdRangeSize;
  VX_RETURN_IF_ERROR(claims->Add(ToText(start, instance_, uid)));
  return start;
}

absl::Status IdRanges::Release(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(std::unique_ptr<LockedClaims> claims, LockedClaims::Open(file_));
  return claims->Remove(instance_, uid);
}

}  // namespace vx::driver
