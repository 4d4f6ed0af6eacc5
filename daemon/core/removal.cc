// Workloads that are removed at their exit, and those who want to see it.
#include <spdlog/spdlog.h>

#include "daemon/core/workloads.h"

namespace vx::core {
namespace {

// How long a workload that is over is kept for a follower that is to come.
constexpr absl::Duration kFollowerComes = absl::Seconds(10);

}  // namespace

void Workloads::AwaitFollower(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  awaited_[uid] = false;
}

void Workloads::AwaitReturn(const std::string& uid) {
  AwaitFollower(uid);
  later_.RunAfter(kFollowerComes, [this, uid] { NoteFollower(uid); });
}

void Workloads::NoteFollower(const std::string& uid) {
  bool over = false;
  {
    absl::MutexLock lock(&mutex_);
    auto it = awaited_.find(uid);
    if (it == awaited_.end()) return;
    over = it->second;
    awaited_.erase(it);
  }
  if (over) EnqueueRemoval(uid);
}

bool Workloads::KeepForFollower(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  auto it = awaited_.find(uid);
  if (it == awaited_.end()) return false;
  it->second = true;
  return true;
}

absl::Status Workloads::RemoveEnded(driver::Driver& driver, const v1::Workload& workload) {
  if (!KeepForFollower(workload.uid())) return Remove(driver, workload);
  later_.RunAfter(kFollowerComes, [this, uid = workload.uid()] { NoteFollower(uid); });
  return absl::OkStatus();
}

void Workloads::EnqueueRemoval(const std::string& uid) {
  operations_.Enqueue(uid, [this, uid] {
    absl::StatusOr<v1::Workload> workload = Load(uid);
    if (!workload.ok()) return;
    absl::StatusOr<driver::Driver*> driver = drivers_.Await(workload->kind(), Use::kLookAfter);
    workload = Load(uid);
    if (!workload.ok() || IsActive(*workload)) return;
    absl::Status removed = driver.ok() ? Remove(**driver, *workload) : driver.status();
    if (!removed.ok()) spdlog::error("workload={}: {}", workload->name(), removed.ToString());
  });
}

}  // namespace vx::core
