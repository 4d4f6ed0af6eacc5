#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/digest.h"
#include "daemon/image/image_store.h"

namespace vx::image {
namespace {

constexpr size_t kMaxName = 255;
constexpr size_t kMaxTag = 128;

bool IsLowerOrDigit(char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c); }

absl::Status BadName(const std::string& name, absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_IMAGE_NAME",
               absl::StrCat("\"", name, "\" is no image name: ", why),
               "write it as NAME[:TAG], e.g. busybox or registry.example:5000/team/app:1.2");
}

// "team", "my-app", "a.b_c": begins and ends with a letter or digit.
bool IsComponent(absl::string_view text) {
  if (text.empty() || !IsLowerOrDigit(text.front()) || !IsLowerOrDigit(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsLowerOrDigit(c) || c == '.' || c == '_' || c == '-'; });
}

// "registry.example:5000": what stands before the first slash may have a port.
bool IsHost(absl::string_view text) {
  std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  bool digits = std::all_of(parts.second.begin(), parts.second.end(), absl::ascii_isdigit);
  bool has_port = text.find(':') != absl::string_view::npos;
  return IsComponent(parts.first) && (!has_port || (digits && !parts.second.empty()));
}

bool IsTag(absl::string_view text) {
  if (text.empty() || text.size() > kMaxTag) return false;
  if (!absl::ascii_isalnum(text.front()) && text.front() != '_') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
  });
}

bool IsRepository(absl::string_view text) {
  std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  for (size_t i = 0; i < parts.size(); ++i) {
    bool host = i == 0 && parts.size() > 1;
    if (host ? !IsHost(parts[i]) : !IsComponent(parts[i])) return false;
  }
  return true;
}

// What can be only a registry when it stands before a slash.
bool IsRegistry(absl::string_view text) {
  return text == "localhost" || text.find_first_of(".:") != absl::string_view::npos;
}

// Docker's registry goes without saying, but where the rest would say another; so does
// "library".
std::string Familiar(absl::string_view repository) {
  absl::string_view rest = repository;
  bool said = absl::ConsumePrefix(&rest, "docker.io/") || absl::ConsumePrefix(&rest, "index.docker.io/");
  absl::string_view official = rest;
  if (absl::ConsumePrefix(&official, "library/") && official.find('/') == absl::string_view::npos) {
    return std::string(official);
  }
  size_t slash = rest.find('/');
  bool other = slash != absl::string_view::npos && IsRegistry(rest.substr(0, slash));
  return absl::StrCat(said && other ? "docker.io/" : "", rest);
}

}  // namespace

absl::StatusOr<std::string> NormalizeName(const std::string& name) {
  if (name.empty()) return BadName(name, "it is empty");
  if (name.size() > kMaxName) return BadName(name.substr(0, 32) + "…", "it is too long");
  size_t at = name.find('@');
  std::string digest = at == std::string::npos ? "" : name.substr(at + 1);
  if (at != std::string::npos && !IsDigest(digest)) {
    return BadName(name, absl::StrCat("\"", digest, "\" is no digest of sha256"));
  }
  std::string tagged = name.substr(0, at);
  size_t slash = tagged.rfind('/');
  size_t colon = tagged.find(':', slash == std::string::npos ? 0 : slash);
  std::string repository = Familiar(tagged.substr(0, colon));
  std::string tag = colon == std::string::npos ? "latest" : tagged.substr(colon + 1);
  if (!IsRepository(repository)) {
    return BadName(name, "its parts are lower-case letters, digits and . _ - between slashes");
  }
  if (!IsTag(tag)) return BadName(name, absl::StrCat("\"", tag, "\" is no tag"));
  std::string full = digest.empty() ? absl::StrCat(repository, ":", tag)
                                    : absl::StrCat(repository, "@", digest);
  if (full.size() > kMaxName) return BadName(name, "it is too long");
  return full;
}

}  // namespace vx::image
