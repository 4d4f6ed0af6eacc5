// The console of a fake machine: says that it boots, and echoes what is typed.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/driver/console.h"
#include "plugins/fake/log.h"

namespace vx::fake {

// Thread-safe. Its file is made when it first says something.
class Console {
 public:
  explicit Console(const std::string& path) : log_(std::make_shared<Log>(path)) {}

  // A run begins.
  void Boot(const std::string& name);
  std::unique_ptr<driver::LogReader> OpenReader(const driver::LogPosition& position) {
    return log_->OpenReader(position);
  }
  // FAILED_PRECONDITION (CONSOLE_BUSY).
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenInput();

 private:
  std::shared_ptr<Log> log_;
  // Whether somebody types.
  std::shared_ptr<std::atomic<bool>> taken_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace vx::fake
