// The two ways to a command's input, and the way to what it writes, as the driver
// contract has them.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/sessions.h"
#include "plugins/shim/protocol.h"

namespace vx::shim {

// To the command of a run, through its shim; what several send is put together packet
// by packet.
class ShimInput final : public driver::Input {
 public:
  // `connection` has been answered to kInput.
  explicit ShimInput(UniqueFd connection) : connection_(std::move(connection)) {}

  absl::StatusOr<size_t> Write(absl::string_view data) override;
  absl::StatusOr<bool> Close() override;
  absl::Status Resize(driver::TerminalSize size) override;
  int fd() const override { return connection_.get(); }

 private:
  // False when there is no room.
  absl::StatusOr<bool> Send(InputType type, absl::string_view data) const;

  UniqueFd connection_;
};

// Straight to a command: the write end of a pipe or the master of a terminal.
class FdInput final : public driver::Input {
 public:
  // Makes `fd` non-blocking.
  FdInput(UniqueFd fd, bool tty);

  absl::StatusOr<size_t> Write(absl::string_view data) override;
  absl::StatusOr<bool> Close() override;
  absl::Status Resize(driver::TerminalSize size) override;
  int fd() const override { return fd_.get(); }

 private:
  UniqueFd fd_;
  const bool tty_;
};

// Straight from a command: the read end of a pipe or the master of a terminal.
class FdOutput final : public driver::Output {
 public:
  // Makes `fd` non-blocking.
  explicit FdOutput(UniqueFd fd);

  absl::StatusOr<size_t> Read(char* data, size_t size) override;
  int fd() const override { return fd_.get(); }

 private:
  UniqueFd fd_;
};

}  // namespace vx::shim
