#include "plugins/cgroup/device_rules.h"

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cgroup {
namespace {

std::string NumberText(int64_t number) { return number < 0 ? "*" : absl::StrCat(number); }

std::string AccessText(unsigned access) {
  std::string text;
  if (access & kRead) text += 'r';
  if (access & kWrite) text += 'w';
  if (access & kMknod) text += 'm';
  return text;
}

bool Covers(int64_t wide, int64_t narrow) { return wide < 0 || wide == narrow; }
bool Meets(int64_t a, int64_t b) { return a < 0 || b < 0 || a == b; }

// Every device of `narrow` is one of `wide`.
bool Covers(const DeviceRule& wide, const DeviceRule& narrow) {
  return wide.type == narrow.type && Covers(wide.major, narrow.major) &&
         Covers(wide.minor, narrow.minor);
}

bool Meets(const DeviceRule& a, const DeviceRule& b) {
  return a.type == b.type && Meets(a.major, b.major) && Meets(a.minor, b.minor);
}

bool IsEverything(const DeviceRule& rule) {
  return rule.type == 'a' && rule.major < 0 && rule.minor < 0 && rule.access == kAnyAccess;
}

void AddException(const DeviceRule& rule, std::vector<DeviceRule>& exceptions) {
  for (DeviceRule& known : exceptions) {
    if (!Covers(known, rule) || !Covers(rule, known)) continue;
    known.access |= rule.access;
    return;
  }
  exceptions.push_back(rule);
}

// The rule says what is the default already: it ends exceptions.
absl::Status EndExceptions(const DeviceRule& rule, std::vector<DeviceRule>& exceptions) {
  for (DeviceRule& known : exceptions) {
    if (!Meets(rule, known) || (known.access & rule.access) == 0) continue;
    if (!Covers(rule, known)) {
      return Error(absl::StatusCode::kInvalidArgument, "DEVICE_RULES",
                   absl::StrCat("the device rule ", rule.allow ? "allow " : "deny ", rule.Text(),
                                " is an exception to ", known.Text(),
                                ", which cgroup v1 (controller devices) can't hold"),
                   "list the devices one by one, or use a host with cgroup v2");
    }
    known.access &= ~rule.access;
  }
  std::erase_if(exceptions, [](const DeviceRule& known) { return known.access == 0; });
  return absl::OkStatus();
}

absl::Status AddRule(const DeviceRule& rule, DeviceExceptions& state) {
  if (IsEverything(rule)) {
    state = {rule.allow, {}};
    return absl::OkStatus();
  }
  if (rule.type == 'a') {
    for (char type : {'b', 'c'}) {
      DeviceRule half = rule;
      half.type = type;
      VX_RETURN_IF_ERROR(AddRule(half, state));
    }
    return absl::OkStatus();
  }
  if (rule.allow == state.allow_all) return EndExceptions(rule, state.exceptions);
  AddException(rule, state.exceptions);
  return absl::OkStatus();
}

// The kernel lets a device through by a single exception that has all the rights.
void Widen(std::vector<DeviceRule>& exceptions) {
  for (DeviceRule& narrow : exceptions) {
    for (const DeviceRule& wide : exceptions) {
      if (Covers(wide, narrow)) narrow.access |= wide.access;
    }
  }
}

}  // namespace

std::string DeviceRule::Text() const {
  return absl::StrCat(std::string(1, type), " ", NumberText(major), ":", NumberText(minor), " ",
                      AccessText(access));
}

absl::StatusOr<DeviceExceptions> ToExceptions(const std::vector<DeviceRule>& rules) {
  DeviceExceptions state;
  for (const DeviceRule& rule : rules) VX_RETURN_IF_ERROR(AddRule(rule, state));
  Widen(state.exceptions);
  return state;
}

}  // namespace vx::cgroup
