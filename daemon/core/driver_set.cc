#include "daemon/core/driver_set.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::core {

std::string KindName(v1::Kind kind) { return kind == v1::KIND_VM ? "vm" : "container"; }

void DriverSet::Add(std::unique_ptr<driver::Driver> driver) {
  v1::DriverInfo info;
  info.set_name(driver->name());
  info.set_kind(driver->kind());
  info.set_state(v1::DRIVER_STATE_PROBING);
  absl::MutexLock lock(&mutex_);
  const v1::Kind kind = driver->kind();
  entries_[kind] = Entry{std::move(driver), std::move(info)};
}

void DriverSet::AddMissing(const std::string& name, v1::Kind kind, const absl::Status& why) {
  v1::DriverInfo info;
  info.set_name(name);
  info.set_kind(kind);
  info.set_state(v1::DRIVER_STATE_UNAVAILABLE);
  info.set_reason(std::string(why.message()));
  info.set_hint(ErrorHint(why));
  absl::MutexLock lock(&mutex_);
  entries_.try_emplace(kind, Entry{nullptr, std::move(info)});
}

std::vector<driver::Driver*> DriverSet::Loaded() const {
  absl::MutexLock lock(&mutex_);
  std::vector<driver::Driver*> drivers;
  for (const auto& [kind, entry] : entries_) {
    if (entry.driver) drivers.push_back(entry.driver.get());
  }
  return drivers;
}

std::vector<v1::DriverInfo> DriverSet::Infos() const {
  absl::MutexLock lock(&mutex_);
  std::vector<v1::DriverInfo> infos;
  for (const auto& [kind, entry] : entries_) infos.push_back(entry.info);
  return infos;
}

driver::Driver* DriverSet::Find(v1::Kind kind) const {
  absl::MutexLock lock(&mutex_);
  auto it = entries_.find(kind);
  return it == entries_.end() ? nullptr : it->second.driver.get();
}

absl::Status DriverSet::Usable(v1::Kind kind, Use use) const {
  auto it = entries_.find(kind);
  if (it == entries_.end()) {
    return Error(absl::StatusCode::kFailedPrecondition, "DRIVER_UNAVAILABLE",
                 absl::StrCat("no driver for ", KindName(kind), "s is enabled"),
                 "add it to drivers.enabled in vxd.toml");
  }
  const v1::DriverInfo& info = it->second.info;
  if (info.state() != v1::DRIVER_STATE_UNAVAILABLE) return absl::OkStatus();
  if (use == Use::kLookAfter && it->second.driver) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "DRIVER_UNAVAILABLE",
               absl::StrCat("this host can't run ", KindName(kind), "s: ", info.reason()),
               info.hint());
}

absl::Status DriverSet::Check(v1::Kind kind, Use use) const {
  absl::MutexLock lock(&mutex_);
  return Usable(kind, use);
}

absl::StatusOr<driver::Driver*> DriverSet::Await(v1::Kind kind, Use use) const {
  absl::MutexLock lock(&mutex_);
  auto decided = [this, kind]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    auto it = entries_.find(kind);
    return closed_ || it == entries_.end() || it->second.info.state() != v1::DRIVER_STATE_PROBING;
  };
  mutex_.Await(absl::Condition(&decided));
  if (closed_) return Error(absl::StatusCode::kUnavailable, "STOPPING", "vxd is stopping");
  VX_RETURN_IF_ERROR(Usable(kind, use));
  return entries_.at(kind).driver.get();
}

void DriverSet::AwaitAll() const {
  absl::MutexLock lock(&mutex_);
  auto decided = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return closed_ || std::none_of(entries_.begin(), entries_.end(), [](const auto& entry) {
             return entry.second.info.state() == v1::DRIVER_STATE_PROBING;
           });
  };
  mutex_.Await(absl::Condition(&decided));
}

void DriverSet::SetInfo(v1::Kind kind, const v1::DriverInfo& info) {
  absl::MutexLock lock(&mutex_);
  entries_[kind].info = info;
}

void DriverSet::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

}  // namespace vx::core
