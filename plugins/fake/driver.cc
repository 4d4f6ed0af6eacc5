#include "plugins/fake/driver.h"

#include <pthread.h>
#include <signal.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::fake {
namespace {

using driver::Presence;

constexpr int64_t kMiB = 1 << 20;

absl::Duration OptionMs(const driver::Environment& environment, const std::string& key) {
  int64_t ms = 0;
  return absl::SimpleAtoi(environment.Option(key), &ms) ? absl::Milliseconds(ms)
                                                        : absl::ZeroDuration();
}

absl::Status NotPrepared(const std::string& uid, absl::StatusCode code) {
  return Error(code, "NOT_PREPARED", absl::StrCat("workload ", uid, " was not prepared"));
}

absl::Status NotRunning(const std::string& uid) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("workload ", uid, " does not run"), "start it first");
}

}  // namespace

FakeDriver::FakeDriver(const driver::Environment& environment)
    : environment_(environment), hooks_(environment) {}

FakeDriver::~FakeDriver() {
  std::thread clock;
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    clock.swap(clock_);
  }
  if (clock.joinable()) clock.join();
}

// --- What it is, and the host. ---

v1::Kind FakeDriver::kind() const {
  return environment_.Option("fake.kind") == "vm" ? v1::KIND_VM : v1::KIND_CONTAINER;
}

driver::BaseForm FakeDriver::base_form() const {
  return environment_.Option("fake.base_form") == "disk" ? driver::BaseForm::kDisk
                                                         : driver::BaseForm::kLayers;
}

v1::DriverInfo FakeDriver::Probe() {
  absl::SleepFor(OptionMs(environment_, "fake.probe_ms"));
  v1::DriverInfo info;
  info.set_name(name());
  info.set_kind(kind());
  const std::string trouble = environment_.Option("fake.unavailable");
  info.set_state(trouble.empty() ? v1::DRIVER_STATE_READY : v1::DRIVER_STATE_UNAVAILABLE);
  info.set_reason(trouble);
  if (!trouble.empty()) return info;
  for (const char* capability : {"pause", "logs", "stats", "update-live"}) {
    info.add_capabilities(capability);
  }
  if (console() != nullptr) info.add_capabilities("console");
  info.add_missing("exec: nothing real runs");
  Load();
  return info;
}

std::vector<v1::Check> FakeDriver::Doctor() {
  v1::Check check;
  check.set_name("fake");
  check.set_driver(name());
  const std::string trouble = environment_.Option("fake.unavailable");
  check.set_result(trouble.empty() ? v1::CHECK_RESULT_OK : v1::CHECK_RESULT_FAILED);
  check.set_message(trouble.empty() ? "needs nothing of the host" : trouble);
  if (!trouble.empty()) check.set_hint("unset fake.unavailable");
  return {check};
}

absl::Status FakeDriver::WaitSettled(absl::Duration timeout) {
  const absl::Duration needed = OptionMs(environment_, "fake.settle_ms");
  absl::SleepFor(std::min(needed, timeout));
  if (needed > timeout) return absl::DeadlineExceededError("the fake driver is not settled yet");
  Load();
  return absl::OkStatus();
}

void FakeDriver::Load() {
  absl::MutexLock lock(&mutex_);
  if (loaded_) return;
  loaded_ = true;
  for (const std::string& uid :
       ListDir(environment_.state_dir).value_or(std::vector<std::string>())) {
    auto workload = std::make_unique<Workload>(environment_, uid);
    // What a crash in the middle of Prepare left: nothing but a Release may touch it.
    workload->Load().IgnoreError();
    workloads_[uid] = std::move(workload);
    Touched(uid);
  }
  clock_ = std::thread([this] { RunClock(); });
}

// --- Time. ---

void FakeDriver::RunClock() {
  pthread_setname_np(pthread_self(), "fake-clock");
  while (true) {
    std::vector<driver::Observation> ends = WaitForEnds();
    if (ends.empty()) return;
    absl::MutexLock lock(&observer_mutex_);
    if (observer_ == nullptr) continue;
    for (const driver::Observation& end : ends) observer_(end);
  }
}

std::vector<driver::Observation> FakeDriver::WaitForEnds() {
  absl::MutexLock lock(&mutex_);
  while (!closing_ && ended_.empty()) {
    const absl::Time now = absl::Now();
    while (!due_.empty() && due_.begin()->first <= now) {
      const std::string uid = due_.begin()->second;
      workloads_[uid]->Advance(now);
      Touched(uid);
    }
    woken_ = !ended_.empty();
    auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return closing_ || woken_; };
    const absl::Time next = due_.empty() ? absl::InfiniteFuture() : due_.begin()->first;
    mutex_.AwaitWithDeadline(absl::Condition(&ready), next);
  }
  return closing_ ? std::vector<driver::Observation>() : std::exchange(ended_, {});
}

void FakeDriver::Touched(const std::string& uid) {
  const Workload& workload = *workloads_[uid];
  auto [known, is_new] = due_of_.try_emplace(uid, absl::InfiniteFuture());
  due_.erase({known->second, uid});
  // One that ended is due never again: it is told of once.
  if (workload.presence() == Presence::kExited && !is_new) ended_.push_back(workload.Observe());
  known->second = workload.due();
  if (workload.due() != absl::InfiniteFuture()) due_.insert({workload.due(), uid});
  if (!workload.active()) due_of_.erase(known);
  woken_ = true;
}

void FakeDriver::Forget(const std::string& uid) {
  auto known = due_of_.find(uid);
  if (known == due_of_.end()) return;
  due_.erase({known->second, uid});
  due_of_.erase(known);
}

// --- One workload. ---

std::vector<FieldViolation> FakeDriver::Validate(const v1::WorkloadSpec& spec) const {
  std::vector<FieldViolation> violations;
  const v1::Resources& limits = spec.resources();
  const bool vm = kind() == v1::KIND_VM;
  const int64_t least = (vm ? 80 : 4) * kMiB;
  if (limits.has_memory_bytes() && limits.memory_bytes() < least) {
    violations.push_back(
        {"spec.resources.memory_bytes", absl::StrCat("needs at least ", least / kMiB, " MiB")});
  }
  if (limits.has_cpus() && limits.cpus() < 0.01) {
    violations.push_back({"spec.resources.cpus", "needs at least 0.01"});
  }
  if (vm && limits.has_pids()) {
    violations.push_back({"spec.resources.pids", "a VM's kernel counts for itself"});
  }
  if (!vm && limits.has_disk_bytes()) {
    violations.push_back({"spec.resources.disk_bytes", "a container has no disk of its own"});
  }
  if (vm && (spec.privileged() || spec.has_security() || spec.devices_size() > 0)) {
    violations.push_back({"spec.security", "a VM's kernel is its own"});
  }
  return violations;
}

absl::Status FakeDriver::Enter(const std::string& method, const std::string& uid,
                               Cancellation* cancellation) {
  std::string name;
  {
    absl::MutexLock lock(&mutex_);
    if (Workload* workload = Find(uid)) name = workload->name();
  }
  return hooks_.Enter(method, uid, name, cancellation);
}

Workload* FakeDriver::Find(const std::string& uid) {
  auto it = workloads_.find(uid);
  return it == workloads_.end() ? nullptr : it->second.get();
}

absl::StatusOr<Workload*> FakeDriver::FindActive(const std::string& uid) {
  Workload* workload = Find(uid);
  if (workload == nullptr) return NotRunning(uid);
  workload->Advance(absl::Now());
  Touched(uid);
  if (!workload->active()) return NotRunning(uid);
  return workload;
}

absl::Status FakeDriver::Prepare(const v1::Workload& workload, const driver::Base& base) {
  VX_RETURN_IF_ERROR(hooks_.Enter("prepare", workload.uid(), workload.name()));
  auto made = std::make_unique<Workload>(environment_, workload.uid());
  absl::Status status = made->Prepare(workload, base.config);
  if (!status.ok()) {
    made->Release().IgnoreError();
    return status;
  }
  absl::MutexLock lock(&mutex_);
  workloads_[workload.uid()] = std::move(made);
  return absl::OkStatus();
}

absl::StatusOr<driver::Endpoint> FakeDriver::Create(
    const v1::Workload& workload, const std::vector<driver::MountSource>& sources) {
  VX_RETURN_IF_ERROR(driver::CheckSources(workload, sources));
  VX_RETURN_IF_ERROR(hooks_.Enter("create", workload.uid(), workload.name()));
  absl::MutexLock lock(&mutex_);
  Workload* prepared = Find(workload.uid());
  if (prepared == nullptr || prepared->presence() == Presence::kNone) {
    return NotPrepared(workload.uid(), absl::StatusCode::kFailedPrecondition);
  }
  if (prepared->presence() != Presence::kPrepared) {
    return Error(absl::StatusCode::kFailedPrecondition, "RUN_EXISTS",
                 absl::StrCat("workload ", workload.uid(), " has a run already"),
                 "delete it first");
  }
  VX_RETURN_IF_ERROR(prepared->Create(workload));
  return driver::Endpoint();
}

absl::Status FakeDriver::Start(const std::string& uid, Cancellation& cancellation) {
  VX_RETURN_IF_ERROR(Enter("start", uid, &cancellation));
  absl::MutexLock lock(&mutex_);
  Workload* workload = Find(uid);
  if (workload == nullptr || workload->presence() != Presence::kCreated) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_CREATED",
                 absl::StrCat("workload ", uid, " has no run to start"));
  }
  // Known to the clock from here on, so that an end at once is told too.
  due_of_[uid] = absl::InfiniteFuture();
  absl::Status status = workload->Start(absl::Now());
  Touched(uid);
  return status;
}

absl::Status FakeDriver::Stop(const std::string& uid, absl::Duration grace,
                              Cancellation& cancellation) {
  VX_RETURN_IF_ERROR(Enter("stop", uid, &cancellation));
  bool cancelled = false;  // under mutex_
  const Cancellation::Hook hook = cancellation.OnCancel([&] {
    absl::MutexLock lock(&mutex_);
    cancelled = true;
  });
  absl::MutexLock lock(&mutex_);
  auto active = FindActive(uid);
  if (!active.ok()) return absl::OkStatus();
  Workload* workload = *active;
  workload->Resume(absl::Now());
  if (workload->active()) workload->Signal(workload->stop_signal(), absl::Now());
  Touched(uid);
  auto over = [&] { return cancelled || !workload->active(); };
  mutex_.AwaitWithTimeout(absl::Condition(&over), grace);
  if (!workload->active()) return absl::OkStatus();
  if (cancelled) return CancelledError();
  workload->Signal(SIGKILL, absl::Now());
  Touched(uid);
  return absl::OkStatus();
}

absl::Status FakeDriver::Kill(const std::string& uid, int signal) {
  VX_RETURN_IF_ERROR(Enter("kill", uid));
  absl::MutexLock lock(&mutex_);
  Workload* workload = Find(uid);
  const bool created = workload != nullptr && workload->presence() == Presence::kCreated;
  if (created && signal == SIGKILL) {
    workload->Signal(signal, absl::Now());
    return absl::OkStatus();
  }
  VX_ASSIGN_OR_RETURN(workload, FindActive(uid));
  workload->Signal(signal, absl::Now());
  Touched(uid);
  return absl::OkStatus();
}

absl::Status FakeDriver::Pause(const std::string& uid) {
  VX_RETURN_IF_ERROR(Enter("pause", uid));
  absl::MutexLock lock(&mutex_);
  VX_ASSIGN_OR_RETURN(Workload * workload, FindActive(uid));
  workload->Pause(absl::Now());
  Touched(uid);
  return absl::OkStatus();
}

absl::Status FakeDriver::Resume(const std::string& uid) {
  VX_RETURN_IF_ERROR(Enter("resume", uid));
  absl::MutexLock lock(&mutex_);
  VX_ASSIGN_OR_RETURN(Workload * workload, FindActive(uid));
  workload->Resume(absl::Now());
  Touched(uid);
  return absl::OkStatus();
}

absl::Status FakeDriver::Update(const std::string& uid, const v1::Resources& resources) {
  VX_RETURN_IF_ERROR(Enter("update", uid));
  absl::MutexLock lock(&mutex_);
  auto active = FindActive(uid);
  if (!active.ok()) return absl::OkStatus();
  (*active)->Update(resources);
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> FakeDriver::OpenNetns(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  VX_RETURN_IF_ERROR(FindActive(uid).status());
  return UniqueFd();
}

absl::StatusOr<driver::Endpoint> FakeDriver::Plug(const std::string& uid,
                                                  const v1::NetworkAttachment&) {
  VX_RETURN_IF_ERROR(Enter("plug", uid));
  absl::MutexLock lock(&mutex_);
  VX_RETURN_IF_ERROR(FindActive(uid).status());
  return driver::Endpoint{};
}

absl::Status FakeDriver::Configure(const std::string& uid, const v1::NetworkAttachment&) {
  return Enter("configure", uid);
}

absl::Status FakeDriver::Unplug(const std::string& uid, const v1::NetworkAttachment&) {
  return Enter("unplug", uid);
}

absl::Status FakeDriver::Delete(const std::string& uid) {
  VX_RETURN_IF_ERROR(Enter("delete", uid));
  absl::MutexLock lock(&mutex_);
  Workload* workload = Find(uid);
  if (workload == nullptr || workload->presence() == Presence::kNone) return absl::OkStatus();
  Forget(uid);
  return workload->Delete();
}

absl::Status FakeDriver::Release(const std::string& uid) {
  VX_RETURN_IF_ERROR(Enter("release", uid));
  absl::MutexLock lock(&mutex_);
  Workload* workload = Find(uid);
  if (workload == nullptr) return absl::OkStatus();
  Forget(uid);
  VX_RETURN_IF_ERROR(workload->Release());
  workloads_.erase(uid);
  return absl::OkStatus();
}

// --- What is. ---

absl::StatusOr<driver::Observation> FakeDriver::Observe(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  Workload* workload = Find(uid);
  if (workload == nullptr) return driver::Observation{.uid = uid};
  return workload->Observe();
}

absl::StatusOr<std::vector<driver::Observation>> FakeDriver::List() {
  absl::MutexLock lock(&mutex_);
  std::vector<driver::Observation> all;
  for (const auto& [uid, workload] : workloads_) all.push_back(workload->Observe());
  return all;
}

absl::StatusOr<v1::Usage> FakeDriver::Stats(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  VX_ASSIGN_OR_RETURN(Workload * workload, FindActive(uid));
  return workload->Stats();
}

absl::StatusOr<std::unique_ptr<driver::LogReader>> FakeDriver::OpenLog(
    const std::string& uid, const driver::LogPosition& position) {
  absl::MutexLock lock(&mutex_);
  Workload* workload = Find(uid);
  if (workload == nullptr || workload->presence() == Presence::kNone) {
    return NotPrepared(uid, absl::StatusCode::kNotFound);
  }
  return workload->log().OpenReader(position);
}

absl::StatusOr<std::unique_ptr<driver::LogReader>> FakeDriver::OpenConsoleLog(
    const std::string& uid, const driver::LogPosition& position) {
  absl::MutexLock lock(&mutex_);
  Workload* workload = Find(uid);
  if (workload == nullptr || workload->console() == nullptr) {
    return NotPrepared(uid, absl::StatusCode::kNotFound);
  }
  return workload->console()->OpenReader(position);
}

absl::StatusOr<std::unique_ptr<driver::Input>> FakeDriver::OpenConsoleInput(
    const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  VX_ASSIGN_OR_RETURN(Workload * workload, FindActive(uid));
  return workload->console()->OpenInput();
}

void FakeDriver::SetObserver(driver::Observer observer) {
  absl::MutexLock lock(&observer_mutex_);
  observer_ = std::move(observer);
}

}  // namespace vx::fake
