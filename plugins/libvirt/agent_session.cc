#include "plugins/libvirt/agent_session.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "plugins/shim/client.h"

namespace vx::libvirt {
namespace {

using StreamPtr = std::shared_ptr<AgentStream>;
using ChannelPtr = std::shared_ptr<AgentChannel>;

class AgentInput final : public driver::Input {
 public:
  AgentInput(ChannelPtr channel, StreamPtr stream)
      : channel_(std::move(channel)), stream_(std::move(stream)) {}

  absl::StatusOr<size_t> Write(absl::string_view data) override {
    return channel_->Write(*stream_, data);
  }
  absl::StatusOr<bool> Close() override {
    VX_RETURN_IF_ERROR(channel_->EndInput(*stream_));
    return true;
  }
  absl::Status Resize(driver::TerminalSize size) override {
    agent::v1::Control control;
    control.mutable_size()->set_columns(size.columns);
    control.mutable_size()->set_rows(size.rows);
    return channel_->Control(*stream_, control);
  }
  int fd() const override { return stream_->input_full.fd(); }

 private:
  const ChannelPtr channel_;
  const StreamPtr stream_;
};

class AgentOutput final : public driver::Output {
 public:
  AgentOutput(ChannelPtr channel, StreamPtr stream, StreamBuffer AgentStream::*buffer)
      : channel_(std::move(channel)), stream_(std::move(stream)), buffer_((*stream_).*buffer) {}

  absl::StatusOr<size_t> Read(char* data, size_t size) override {
    return channel_->Read(*stream_, buffer_, data, size);
  }
  int fd() const override { return buffer_.flag().fd(); }

 private:
  const ChannelPtr channel_;
  const StreamPtr stream_;
  StreamBuffer& buffer_;
};

class AgentSession final : public driver::ExecSession {
 public:
  AgentSession(const ChannelPtr& channel, const StreamPtr& stream, const driver::ExecSpec& spec)
      : channel_(channel),
        stream_(stream),
        output_(channel, stream, &AgentStream::out),
        error_(channel, stream, &AgentStream::err),
        has_error_(!spec.tty) {
    if (spec.stdin || spec.tty) input_ = std::make_unique<AgentInput>(channel, stream);
  }
  ~AgentSession() override { channel_->Abandon(stream_); }

  driver::Input* input() override { return input_.get(); }
  driver::Output* output() override { return &output_; }
  driver::Output* error() override { return has_error_ ? &error_ : nullptr; }
  int end_fd() const override { return stream_->ended.fd(); }
  absl::Status Signal(int signal) override {
    agent::v1::Control control;
    control.set_signal(signal);
    return channel_->Control(*stream_, control);
  }
  absl::StatusOr<v1::Exit> Result() override { return channel_->Result(*stream_); }

 private:
  const ChannelPtr channel_;
  const StreamPtr stream_;
  std::unique_ptr<AgentInput> input_;
  AgentOutput output_;
  AgentOutput error_;
  const bool has_error_;
};

agent::v1::Request ToRequest(const driver::ExecSpec& spec) {
  agent::v1::Request request;
  agent::v1::Exec& exec = *request.mutable_exec();
  exec.mutable_argv()->Assign(spec.argv.begin(), spec.argv.end());
  exec.mutable_env()->Assign(spec.env.begin(), spec.env.end());
  exec.set_user(spec.user);
  exec.set_working_dir(spec.working_dir);
  exec.set_tty(spec.tty);
  exec.set_stdin(spec.stdin);
  exec.set_detach(spec.detach);
  exec.set_columns(spec.size.columns);
  exec.set_rows(spec.size.rows);
  return request;
}

absl::Status ToError(const agent::v1::Reply& reply, const driver::ExecSpec& spec) {
  if (reply.error() == ENOBUFS) {
    return Error(absl::StatusCode::kResourceExhausted, "TOO_MANY_SESSIONS",
                 "the guest's agent has too many sessions already", "end one of them first");
  }
  return shim::FurtherExecError(spec.argv[0], reply.error(), spec.user, spec.working_dir);
}

}  // namespace

absl::StatusOr<std::unique_ptr<driver::ExecSession>> ExecByAgent(const ChannelPtr& channel,
                                                                 const driver::ExecSpec& spec,
                                                                 absl::Time deadline) {
  agent::v1::Reply reply;
  if (spec.detach) {
    VX_ASSIGN_OR_RETURN(reply, channel->Ask(ToRequest(spec), "exec", deadline));
    if (reply.error() != 0) return ToError(reply, spec);
    return nullptr;
  }
  VX_ASSIGN_OR_RETURN(StreamPtr stream, channel->Open(ToRequest(spec), "exec", deadline, reply));
  if (stream == nullptr) return ToError(reply, spec);
  return std::make_unique<AgentSession>(channel, stream, spec);
}

}  // namespace vx::libvirt
