// Workloads that are removed at their exit, and those who want to see it.
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
  GiveUpLater(uid);
}

void Workloads::GiveUpLater(const std::string& uid) {
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
  GiveUpLater(workload.uid());
  return absl::OkStatus();
}

void Workloads::EnqueueRemoval(const std::string& uid) {
  EnqueueWork(uid, [this](driver::Driver& driver, const v1::Workload& workload) {
    return IsActive(workload) ? absl::OkStatus() : Remove(driver, workload);
  });
}

}  // namespace vx::core
