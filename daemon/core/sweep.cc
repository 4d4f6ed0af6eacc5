// The net below what drivers tell: now and then inventory and host are compared.
#include <spdlog/spdlog.h>

#include "absl/container/flat_hash_map.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/workloads.h"

namespace vx::core {
namespace {

constexpr absl::Duration kSweepEvery = absl::Seconds(30);

bool NoRun(driver::Presence presence) {
  return presence == driver::Presence::kNone || presence == driver::Presence::kPrepared;
}

bool Agree(v1::State state, driver::Presence presence) {
  if (NoRun(presence)) return !IsActive(state);
  return (presence == driver::Presence::kRunning && state == v1::STATE_RUNNING) ||
         (presence == driver::Presence::kPaused && state == v1::STATE_PAUSED);
}

}  // namespace

void Workloads::SweepLater() {
  later_.RunAfter(kSweepEvery, [this] {
    operations_.Enqueue("sweep", [this] {
      Sweep();
      SweepLater();
    });
  });
}

void Workloads::Sweep() {
  for (driver::Driver* driver : drivers_.Loaded()) {
    if (drivers_.Await(driver->kind(), Use::kLookAfter).ok()) SweepDriver(*driver);
  }
}

void Workloads::SweepDriver(driver::Driver& driver) {
  auto states = store_.Read().WorkloadStates(driver.kind());
  auto found = driver.List();
  if (!states.ok() || !found.ok()) {
    spdlog::warn("driver={}: can't be compared: {}", driver.name(),
                 (states.ok() ? found.status() : states.status()).ToString());
    return;
  }
  absl::flat_hash_map<std::string, driver::Presence> presences;
  for (const driver::Observation& seen : *found) presences[seen.uid] = seen.presence;
  for (const auto& [uid, state] : *states) {
    auto it = presences.find(uid);
    if (Agree(state, it == presences.end() ? driver::Presence::kNone : it->second)) continue;
    // It may be in the middle of a change: its turn will tell.
    EnqueueWork(uid, [this](driver::Driver& its, const v1::Workload& workload) {
      return IsActive(workload) ? Absorb(its, workload) : ClearRun(its, workload);
    });
  }
}

absl::Status Workloads::ClearRun(driver::Driver& driver, const v1::Workload& workload) {
  VX_ASSIGN_OR_RETURN(driver::Observation seen, driver.Observe(workload.uid()));
  return NoRun(seen.presence) ? absl::OkStatus() : driver.Delete(workload.uid());
}

}  // namespace vx::core
