#include "plugins/fake/console.h"

#include <sys/eventfd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"

namespace vx::fake {
namespace {

class Keyboard final : public driver::Input {
 public:
  Keyboard(std::shared_ptr<Log> log, std::shared_ptr<std::atomic<bool>> taken)
      : log_(std::move(log)), taken_(std::move(taken)) {}
  ~Keyboard() override { *taken_ = false; }

  absl::StatusOr<size_t> Write(absl::string_view data) override {
    // A line of the file is a line.
    for (absl::string_view piece : absl::StrSplit(data, '\n')) {
      const bool whole = piece.data() + piece.size() < data.data() + data.size();
      if (piece.empty() && !whole) continue;
      log_->Append({.time = absl::Now(), .data = absl::StrCat(piece, whole ? "\n" : "")});
    }
    return data.size();
  }
  absl::StatusOr<bool> Close() override { return true; }
  absl::Status Resize(driver::TerminalSize) override { return absl::OkStatus(); }
  int fd() const override { return always_writable_.get(); }

 private:
  std::shared_ptr<Log> log_;
  std::shared_ptr<std::atomic<bool>> taken_;
  UniqueFd always_writable_{eventfd(0, EFD_CLOEXEC)};
};

}  // namespace

void Console::Boot(const std::string& name) {
  log_->Append({.time = absl::Now(), .data = absl::StrCat("kernel: ", name, " boots\n")});
}

absl::StatusOr<std::unique_ptr<driver::Input>> Console::OpenInput() {
  if (!taken_->exchange(true)) return std::make_unique<Keyboard>(log_, taken_);
  return Error(absl::StatusCode::kFailedPrecondition, "CONSOLE_BUSY",
               "somebody else types on the console");
}

}  // namespace vx::fake
