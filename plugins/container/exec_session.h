// One further command in a container, and the vx-runtime that runs it.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/sessions.h"

namespace vx::container {

// How to reach the runtime.
struct ExecPlace {
  // Path of vx-runtime, and its --root.
  std::string program;
  std::string root;
  // The container's id.
  std::string id;
};

class RuntimeSession final : public driver::ExecSession {
 public:
  // Returns when the command was started; the errors of driver::Sessions::Exec. Not for
  // a detached one.
  static absl::StatusOr<std::unique_ptr<RuntimeSession>> Start(const ExecPlace& place,
                                                               const driver::ExecSpec& spec);
  // Ends the command, by the end of the runtime's life descriptor.
  ~RuntimeSession() override;

  driver::Input* input() override { return input_.get(); }
  driver::Output* output() override { return output_.get(); }
  driver::Output* error() override { return error_.get(); }
  int end_fd() const override { return pidfd_.get(); }
  absl::Status Signal(int signal) override;
  absl::StatusOr<v1::Exit> Result() override;

 private:
  RuntimeSession() = default;

  std::unique_ptr<driver::Input> input_;
  std::unique_ptr<driver::Output> output_;
  std::unique_ptr<driver::Output> error_;
  UniqueFd life_;
  UniqueFd pidfd_;
  int exit_code_ = -1;  // once reaped
};

// Starts the command and leaves it to itself. The pidfd of its process, which may be
// our child now and is the caller's to reap.
absl::StatusOr<UniqueFd> ExecDetached(const ExecPlace& place, const driver::ExecSpec& spec,
                                      const std::string& pid_file);

}  // namespace vx::container
