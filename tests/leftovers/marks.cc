#include "tests/leftovers/marks.h"

#include <stdlib.h>

#include <algorithm>
#include <memory>

#include "tests/leftovers/procfs.h"

namespace vx::leftovers {
namespace {

constexpr size_t kUidDigits = 32, kShortUidDigits = 8;
constexpr std::string_view kNamedByContent[] = {".vmlinux", ".initramfs"};

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// Of a file's name, as far as vx makes them.
bool IsNameChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

size_t HexDigits(std::string_view text) {
  return std::find_if_not(text.begin(), text.end(), IsHex) - text.begin();
}

// The digits of a UUID at the start of `text`, or nothing.
std::string UuidAt(std::string_view text) {
  std::string digits;
  for (size_t part : {8, 4, 4, 4, 12}) {
    if (!digits.empty() && !text.starts_with('-')) return "";
    if (!digits.empty()) text.remove_prefix(1);
    if (HexDigits(text) != part) return "";
    digits += text.substr(0, part);
    text.remove_prefix(part);
  }
  return digits;
}

bool NamedByContent(std::string_view rest) {
  return std::any_of(std::begin(kNamedByContent), std::end(kNamedByContent),
                     [&](std::string_view suffix) { return rest.starts_with(suffix); });
}

// The path as it was given and as the kernel shows it, without a slash at the end.
void AddDir(std::vector<std::string>& dirs, std::string dir) {
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  if (dir.empty()) return;
  dirs.push_back(dir);
  std::unique_ptr<char, decltype(&free)> real(realpath(dir.c_str(), nullptr), free);
  if (real && dir != real.get()) dirs.push_back(real.get());
}

bool HasOneLike(const std::set<std::string>& uids, const std::string& begin) {
  const auto it = uids.lower_bound(begin);
  return it != uids.end() && it->starts_with(begin);
}

}  // namespace

bool NamesDir(std::string_view text, std::string_view dir) {
  const bool prefix = dir.ends_with('*');
  if (prefix) dir.remove_suffix(1);
  for (size_t at = text.find(dir); at != text.npos; at = text.find(dir, at + 1)) {
    const size_t end = at + dir.size();
    const bool begins = at == 0 || !IsNameChar(text[at - 1]);
    if (begins && (prefix || end == text.size() || !IsNameChar(text[end]))) return true;
  }
  return false;
}

bool NamesId(std::string_view text, std::string_view id) {
  if (id.empty()) return false;
  for (size_t at = text.find(id); at != text.npos; at = text.find(id, at + 1)) {
    if (at == 0 || !IsHex(text[at - 1])) return true;
  }
  return false;
}

std::vector<std::string> UidsIn(std::string_view text, std::string_view id) {
  std::vector<std::string> uids;
  bool after_id = false;
  for (size_t at = 0; at < text.size();) {
    const std::string_view rest = text.substr(at);
    const size_t digits = HexDigits(rest);
    const std::string uuid = UuidAt(rest);
    if (!uuid.empty()) {
      uids.push_back(uuid);
    } else if (digits == kUidDigits && !NamedByContent(rest.substr(digits))) {
      uids.emplace_back(rest.substr(0, digits));
    } else if (after_id && digits >= kShortUidDigits && digits < kUidDigits) {
      uids.emplace_back(rest.substr(0, digits));
    }
    const size_t length = uuid.empty() ? digits : uuid.size() + 4;
    after_id = !id.empty() && rest.substr(0, length) == id && rest.substr(length).starts_with('-');
    at += length + 1;
  }
  return uids;
}

Marks::Marks(const Scope& scope) {
  for (const std::string& dir : scope.dirs) AddDir(dirs_, dir);
  if (!scope.instance) return;
  const Instance& instance = *scope.instance;
  id_ = instance.id;
  if (id_.empty()) id_ = FirstWord(ReadAll(instance.state_dir + "/instance-id"));
  alive_ = instance.alive;
  running_ = instance.running;
  existing_ = instance.workloads;
  existing_.insert(running_.begin(), running_.end());
  AddDir(instance_dirs_, instance.state_dir);
  AddDir(instance_dirs_, instance.runtime_dir);
}

bool Marks::Runs(const std::string& uid) const { return HasOneLike(running_, uid); }

bool Marks::Exists(const std::string& uid) const { return HasOneLike(existing_, uid); }

bool Marks::IsLeft(Whose whose) const {
  return whose == Whose::kNobody || (whose == Whose::kInstance && !alive_);
}

Whose Marks::Of(std::string_view text) const {
  const auto names = [&](const std::string& dir) { return NamesDir(text, dir); };
  const bool instance = NamesId(text, id_) || std::ranges::any_of(instance_dirs_, names);
  if (!instance && std::ranges::none_of(dirs_, names)) return Whose::kForeign;
  const std::vector<std::string> uids = UidsIn(text, id_);
  for (const std::string& uid : uids) {
    if (!Runs(uid)) return Whose::kNobody;
  }
  if (!uids.empty()) return Whose::kOwned;
  return instance ? Whose::kInstance : Whose::kNobody;
}

}  // namespace vx::leftovers
