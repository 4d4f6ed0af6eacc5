#include "plugins/container/trash.h"

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"

namespace vx::container {

void Trash::Start() {
  MakeDirs(dir_, 0700).IgnoreError();
  {
    absl::MutexLock lock(&mutex_);
    wanted_ = true;
  }
  thread_ = std::thread([this] { Loop(); });
}

Trash::~Trash() {
  {
    absl::MutexLock lock(&mutex_);
    ending_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::Status Trash::Throw(const std::string& path) {
  const std::string target = absl::StrCat(dir_, "/", RandomHex(16));
  if (rename(path.c_str(), target.c_str()) < 0) {
    return errno == ENOENT && !PathExists(path) ? absl::OkStatus() : RemoveTree(path);
  }
  absl::MutexLock lock(&mutex_);
  wanted_ = true;
  return absl::OkStatus();
}

void Trash::Loop() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      auto called = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return wanted_ || ending_; };
      mutex_.Await(absl::Condition(&called));
      if (!wanted_) return;
      wanted_ = false;
    }
    Empty();
  }
}

// What can't be removed now is tried again after the next start.
void Trash::Empty() {
  auto names = ListDir(dir_);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    RemoveTree(absl::StrCat(dir_, "/", name)).IgnoreError();
  }
}

}  // namespace vx::container
