#include "daemon/service/exec_stream.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/signals.h"

namespace vx::service {
namespace {

// What the caller gets in one message: to wake it costs more than the bytes do.
constexpr size_t kPiece = 128 << 10;
constexpr uint32_t kMostCharacters = 65535;

bool IsReadable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, 0) > 0;
}

std::vector<FieldViolation> Check(const v1::ExecRequest::Start& start) {
  std::vector<FieldViolation> out;
  if (start.command_size() == 0) out.push_back({"start.command", "is missing: say what to run"});
  if (!start.working_dir().empty() && start.working_dir()[0] != '/') {
    out.push_back({"start.working_dir",
                   absl::StrCat("\"", start.working_dir(), "\" is not absolute: begin it with /")});
  }
  for (const auto& [key, value] : start.env()) {
    if (!key.empty() && key.find('=') == std::string::npos) continue;
    out.push_back({"start.env", absl::StrCat("\"", key, "\" is no variable's name")});
  }
  if (start.detach() && (start.tty() || start.stdin())) {
    out.push_back({"start.detach", "goes with neither tty nor stdin"});
  }
  return out;
}

}  // namespace

absl::StatusOr<driver::TerminalSize> ToSize(const v1::TerminalSize& size) {
  if (size.columns() > kMostCharacters || size.rows() > kMostCharacters) {
    return InvalidFields({{"size", "has more than 65535 columns or rows"}});
  }
  return driver::TerminalSize{static_cast<uint16_t>(size.columns()),
                              static_cast<uint16_t>(size.rows())};
}

absl::Status ExecStream::Open(const v1::ExecRequest::Start& start) {
  std::vector<FieldViolation> violations = Check(start);
  if (!violations.empty()) return InvalidFields(std::move(violations));
  driver::ExecSpec spec;
  spec.argv.assign(start.command().begin(), start.command().end());
  for (const auto& [key, value] : start.env()) spec.env.push_back(absl::StrCat(key, "=", value));
  spec.user = start.user();
  spec.working_dir = start.working_dir();
  spec.tty = start.tty();
  spec.stdin = start.stdin();
  spec.detach = start.detach();
  VX_ASSIGN_OR_RETURN(spec.size, ToSize(start.size()));
  VX_ASSIGN_OR_RETURN(std::unique_ptr<driver::ExecSession> session,
                      context_.core.workloads().Exec(start.name(), spec));
  detached_ = session == nullptr;
  running_ = session.get();
  driver::Input* const input = session == nullptr ? nullptr : session->input();
  {
    absl::MutexLock lock(&session_mutex_);
    // The caller has gone meanwhile.
    if (ended_) return absl::CancelledError("the caller has gone");
    session_ = std::move(session);
  }
  // Without an input there may be signals.
  TakeInput(input);
  return absl::OkStatus();
}

absl::Status ExecStream::Handle(const v1::ExecRequest& request) {
  if (request.part_case() != v1::ExecRequest::kSignal) return SessionStream::Handle(request);
  const std::optional<int> signal = ParseSignal(request.signal());
  if (!signal) {
    return InvalidFields(
        {{"signal", absl::StrCat("there is no signal \"", request.signal(), "\"")}});
  }
  absl::MutexLock lock(&session_mutex_);
  return session_ == nullptr ? absl::OkStatus() : session_->Signal(*signal);
}

bool ExecStream::Read(driver::Output* from, bool& open, std::string& data) {
  if (from == nullptr) open = false;
  if (!open) return false;
  static thread_local char buffer[kPiece];
  const absl::StatusOr<size_t> read = from->Read(buffer, sizeof buffer);
  if (!read.ok()) {
    open = false;
    context_.waker.Forget(from->fd());
  }
  data.assign(buffer, read.value_or(0));
  return !data.empty();
}

// In turns, so that one that never ends does not hide the other.
bool ExecStream::ReadEither(v1::ExecResponse& message) {
  std::string data;
  for (int i = 0; i < 2; ++i) {
    const bool error = error_first_ != (i == 1);
    const bool read = error ? Read(running_->error(), error_open_, data)
                            : Read(running_->output(), output_open_, data);
    if (!read) continue;
    (error ? *message.mutable_stderr_data() : *message.mutable_stdout_data()) = std::move(data);
    error_first_ = !error;
    return true;
  }
  return false;
}

ExecStream::Next ExecStream::Produce(v1::ExecResponse& message) {
  if (absl::Status status = failure(); !status.ok()) return {.end = status};
  if (exit_sent_ || detached_) return {.end = absl::OkStatus()};
  if (running_ == nullptr) return {};
  // Asked before the output: what the command wrote is all there then. What it left
  // behind may keep its streams open for ever.
  const bool ended = IsReadable(running_->end_fd());
  message.Clear();
  if (ReadEither(message)) return {.write = true};
  if (!ended) {
    Arm();
    return {};
  }
  auto exit = running_->Result();
  if (!exit.ok()) return {.end = exit.status()};
  *message.mutable_exit() = *std::move(exit);
  exit_sent_ = true;
  return {.write = true};
}

void ExecStream::Arm() {
  auto wake = [this] { Wake(); };
  if (output_open_) context_.waker.Arm(running_->output()->fd(), wake);
  if (error_open_) context_.waker.Arm(running_->error()->fd(), wake);
  context_.waker.Arm(running_->end_fd(), wake);
}

void ExecStream::End() {
  std::unique_ptr<driver::ExecSession> session;
  {
    absl::MutexLock lock(&session_mutex_);
    ended_ = true;
    session = std::move(session_);
  }
  if (session == nullptr) return;
  for (const driver::Output* output : {session->output(), session->error()}) {
    if (output != nullptr) context_.waker.Forget(output->fd());
  }
  if (session->end_fd() >= 0) context_.waker.Forget(session->end_fd());
}

}  // namespace vx::service
