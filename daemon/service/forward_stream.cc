#include "daemon/service/forward_stream.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace vx::service {
namespace {

constexpr size_t kPiece = 128 << 10;
constexpr int kMostPort = 65535;

// The sending half; the descriptor is one of its own, to be waited for by itself.
class SocketInput : public driver::Input {
 public:
  explicit SocketInput(UniqueFd fd) : fd_(std::move(fd)) {}

  absl::StatusOr<size_t> Write(absl::string_view data) override {
    const ssize_t sent = send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) return static_cast<size_t>(sent);
    if (errno == EAGAIN || errno == EINTR) return size_t{0};
    return ErrnoError(errno, "send to the port");
  }
  absl::StatusOr<bool> Close() override {
    shutdown(fd_.get(), SHUT_WR);
    return true;
  }
  absl::Status Resize(driver::TerminalSize) override { return absl::OkStatus(); }
  int fd() const override { return fd_.get(); }

 private:
  const UniqueFd fd_;
};

}  // namespace

absl::Status ForwardStream::Open(const v1::ForwardPortRequest::Start& start) {
  if (start.port() < 1 || start.port() > kMostPort) {
    return InvalidFields({{"start.port", absl::StrCat(start.port(), " is not between 1 and 65535")}});
  }
  VX_ASSIGN_OR_RETURN(UniqueFd connected,
                      context_.core.workloads().ConnectTo(start.name(), start.port()));
  UniqueFd sending(fcntl(connected.get(), F_DUPFD_CLOEXEC, 3));
  if (!sending.valid()) return ErrnoError(errno, "copy a descriptor");
  auto input = std::make_unique<SocketInput>(std::move(sending));
  driver::Input* const borrowed = input.get();
  {
    absl::MutexLock lock(&socket_mutex_);
    if (ended_) return absl::CancelledError("the caller has gone");
    input_ = std::move(input);
  }
  socket_ = std::move(connected);
  StartSendInitialMetadata();
  TakeInput(borrowed);
  return absl::OkStatus();
}

ForwardStream::Next ForwardStream::Produce(v1::ForwardPortResponse& message) {
  if (absl::Status status = failure(); !status.ok()) return {.end = status};
  if (eof_sent_) return {.end = absl::OkStatus()};
  if (!socket_.valid()) return {};
  std::string* data = message.mutable_data();
  data->resize(kPiece);
  const ssize_t got = recv(socket_.get(), data->data(), data->size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    context_.waker.Arm(socket_.get(), [this] { Wake(); });
    return {};
  }
  data->resize(got > 0 ? static_cast<size_t>(got) : 0);
  if (got <= 0) {
    message.set_eof(true);
    eof_sent_ = true;
  }
  return {.write = true};
}

void ForwardStream::End() {
  std::unique_ptr<driver::Input> input;
  {
    absl::MutexLock lock(&socket_mutex_);
    ended_ = true;
    input = std::move(input_);
  }
  if (socket_.valid()) context_.waker.Forget(socket_.get());
}

}  // namespace vx::service
