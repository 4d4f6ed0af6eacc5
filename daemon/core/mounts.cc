#include "daemon/core/mounts.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/core/confinement.h"
#include "daemon/core/validation.h"

namespace vx::core {
namespace {

constexpr int kMaxMounts = 128;

using Violations = std::vector<FieldViolation>;

bool HasDotDot(const std::string& path) {
  for (absl::string_view part : absl::StrSplit(path, '/')) {
    if (part == "..") return true;
  }
  return false;
}

bool IsHostPath(const std::string& source) {
  return absl::StartsWith(source, "/") && source.find('\0') == std::string::npos &&
         !HasDotDot(source);
}

void CheckSource(const v1::Mount& mount, const std::string& field, Violations& out) {
  if (IsName(mount.source()) || IsHostPath(mount.source())) return;
  out.push_back({field + "source",
                 absl::StrCat("\"", mount.source(),
                              "\" is neither a volume's name (a-z, 0-9 and -) nor an absolute "
                              "path of the host without ..")});
}

void CheckTarget(const v1::Mount& mount, const std::string& field, std::set<std::string>& targets,
                 Violations& out) {
  const std::string& target = mount.target();
  if (!IsPlace(target)) {
    out.push_back({field + "target", absl::StrCat("\"", target, "\" is no folder inside: give an "
                                                                "absolute path below /")});
  } else if (IsTheKernels(target)) {
    out.push_back(
        {field + "target", absl::StrCat("\"", target, "\" is the kernel's or the runtime's own")});
  }
  if (!targets.insert(target).second) {
    out.push_back({field + "target", absl::StrCat("\"", target, "\" is there twice")});
  }
}

void CheckSubpath(const v1::Mount& mount, const std::string& field, Violations& out) {
  const std::string& subpath = mount.subpath();
  const bool host = absl::StartsWith(mount.source(), "/");
  if (host && !subpath.empty()) {
    out.push_back({field + "subpath", "has no meaning for a path of the host: name the whole path"});
  } else if (absl::StartsWith(subpath, "/") || HasDotDot(subpath) ||
             subpath.find('\0') != std::string::npos) {
    out.push_back({field + "subpath", absl::StrCat("\"", subpath, "\" is no folder in the volume: "
                                                                  "give a relative path without ..")});
  }
  if (host && mount.no_copy()) {
    out.push_back({field + "no_copy", "has no meaning for a path of the host: nothing is copied"});
  }
}

}  // namespace

void CheckMounts(const v1::WorkloadSpec& spec, Violations& out) {
  if (spec.mounts_size() > kMaxMounts) {
    out.push_back({"spec.mounts", absl::StrCat("are more than ", kMaxMounts)});
  }
  std::set<std::string> targets;
  for (const v1::Tmpfs& tmpfs : spec.tmpfs()) targets.insert(tmpfs.target());
  for (int i = 0; i < spec.mounts_size(); ++i) {
    const std::string field = absl::StrCat("spec.mounts[", i, "].");
    CheckSource(spec.mounts(i), field, out);
    CheckTarget(spec.mounts(i), field, targets, out);
    CheckSubpath(spec.mounts(i), field, out);
  }
}

}  // namespace vx::core
