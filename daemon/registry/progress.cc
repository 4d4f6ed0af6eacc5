#include "daemon/registry/progress.h"

namespace vx::registry {

void Progress::Add(const std::string& name, int64_t total) {
  absl::MutexLock lock(&mutex_);
  // An image may have the same layer twice.
  if (!indexes_.emplace(name, progress_.parts_size()).second) return;
  v1::OperationProgress::Part* part = progress_.add_parts();
  part->set_name(name);
  part->set_phase("waiting");
  part->set_total_bytes(total);
  progress_.set_total_bytes(progress_.total_bytes() + total);
}

v1::OperationProgress::Part* Progress::Find(const std::string& name) {
  auto it = indexes_.find(name);
  return it == indexes_.end() ? nullptr : progress_.mutable_parts(it->second);
}

void Progress::SetPhase(const std::string& name, absl::string_view phase) {
  absl::MutexLock lock(&mutex_);
  if (auto* part = Find(name)) part->set_phase(std::string(phase));
}

void Progress::SetDone(const std::string& name, int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  auto* part = Find(name);
  if (part == nullptr) return;
  progress_.set_done_bytes(progress_.done_bytes() + bytes - part->done_bytes());
  part->set_done_bytes(bytes);
}

void Progress::Finish(const std::string& name, absl::string_view phase) {
  absl::MutexLock lock(&mutex_);
  auto* part = Find(name);
  if (part == nullptr) return;
  progress_.set_done_bytes(progress_.done_bytes() + part->total_bytes() - part->done_bytes());
  part->set_done_bytes(part->total_bytes());
  part->set_phase(std::string(phase));
}

v1::OperationProgress Progress::Tell() const {
  absl::MutexLock lock(&mutex_);
  return progress_;
}

}  // namespace vx::registry
