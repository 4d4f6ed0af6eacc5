#include "plugins/fake/hooks.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/poll.h"

namespace vx::fake {

Hooks::Hooks(const driver::Environment& environment) {
  const std::string faults = environment.Option("fake.fail");
  for (absl::string_view part : absl::StrSplit(faults, ',', absl::SkipEmpty())) {
    std::vector<std::string> fields = absl::StrSplit(part, ':');
    int times = -1;
    if (fields.size() < 2 || (fields.size() > 2 && !absl::SimpleAtoi(fields[2], &times))) continue;
    Fail(fields[0], fields[1], times);
  }
  const std::string delays = environment.Option("fake.delay_ms");
  for (absl::string_view part : absl::StrSplit(delays, ',', absl::SkipEmpty())) {
    std::pair<std::string, std::string> field = absl::StrSplit(part, '=');
    int64_t ms = 0;
    if (absl::SimpleAtoi(field.second, &ms)) Delay(field.first, absl::Milliseconds(ms));
  }
}

void Hooks::Fail(const std::string& method, const std::string& who, int times) {
  absl::MutexLock lock(&mutex_);
  faults_.push_back({method, who, times});
}

void Hooks::Delay(const std::string& method, absl::Duration delay) {
  absl::MutexLock lock(&mutex_);
  delays_[method] = delay;
}

void Hooks::Clear() {
  absl::MutexLock lock(&mutex_);
  faults_.clear();
  delays_.clear();
}

absl::Status Hooks::Enter(const std::string& method, const std::string& uid,
                          const std::string& name, Cancellation* cancellation) {
  absl::Duration delay;
  bool fail = false;
  {
    absl::MutexLock lock(&mutex_);
    auto it = delays_.find(method);
    if (it != delays_.end()) delay = it->second;
    for (Fault& fault : faults_) {
      const bool meant = fault.who == "*" || fault.who == uid || fault.who == name;
      if (fault.method != method || !meant || fault.times == 0) continue;
      if (fault.times > 0) --fault.times;
      fail = true;
      break;
    }
  }
  constexpr int kNothing = -1;
  const absl::Status waited = WaitReadable(kNothing, absl::Now() + delay, cancellation);
  if (absl::IsCancelled(waited)) return waited;
  if (!fail) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, "FAKE_FAULT",
               absl::StrCat(method, " of workload ", uid, " fails, as it was told to"));
}

}  // namespace vx::fake
