#include "tests/contract/cgroups.h"

#include <filesystem>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"

namespace vx::contract {
namespace {

constexpr char kCgroups[] = "/sys/fs/cgroup";

std::optional<std::string> ReadValue(const std::string& path) {
  auto text = ReadFile(path);
  if (!text.ok()) return std::nullopt;
  return std::string(absl::StripAsciiWhitespace(*text));
}

}  // namespace

std::optional<std::string> CgroupValue(int pid, const std::string& controller,
                                       const std::string& v1_file, const std::string& v2_file) {
  const std::string membership = ReadFile(absl::StrCat("/proc/", pid, "/cgroup")).value_or("");
  for (absl::string_view line : absl::StrSplit(membership, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(fields[1], ',');
    if (absl::c_linear_search(controllers, controller)) {
      return ReadValue(absl::StrCat(kCgroups, "/", fields[1], fields[2], "/", v1_file));
    }
    if (fields[1].empty() && PathExists(absl::StrCat(kCgroups, "/cgroup.controllers"))) {
      return ReadValue(absl::StrCat(kCgroups, fields[2], "/", v2_file));
    }
  }
  return std::nullopt;
}

std::vector<std::string> CgroupsNamed(const std::string& part) {
  std::vector<std::string> found;
  std::error_code error;
  const auto options = std::filesystem::directory_options::skip_permission_denied;
  for (auto it = std::filesystem::recursive_directory_iterator(kCgroups, options, error);
       !error && it != std::filesystem::end(it); it.increment(error)) {
    if (!it->is_directory(error)) continue;
    if (it->path().filename().string().find(part) != std::string::npos) found.push_back(it->path());
  }
  return found;
}

}  // namespace vx::contract
