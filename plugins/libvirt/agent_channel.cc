#include "plugins/libvirt/agent_channel.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"

namespace vx::libvirt {
namespace {

using agent::WireType;

// Of one guest at a time.
constexpr size_t kReadSize = 128 * 1024;
// What may wait for a guest that does not read.
constexpr size_t kMaxWaiting = 4 * 1024 * 1024;
// An agent that has not answered for so long may have taken the hello for the rest of
// an earlier frame.
constexpr absl::Duration kResyncAfter = absl::Seconds(3);
constexpr absl::Duration kFirstBackoff = absl::Seconds(1), kMaxBackoff = absl::Minutes(1);

absl::StatusOr<UniqueFd> ConnectTo(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return absl::InvalidArgumentError(path);
  path.copy(address.sun_path, path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (fd.valid() && connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return fd;
  }
  return ErrnoError(errno, absl::StrCat("connect to ", path));
}

uint64_t RandomNumber() {
  uint64_t number = 0;
  const std::string random = RandomHex(16);
  for (char c : random) number = number * 31 + static_cast<uint8_t>(c);
  return number;
}

absl::Status Unavailable(absl::string_view why) {
  return Error(absl::StatusCode::kUnavailable, "AGENT_UNAVAILABLE",
               absl::StrCat("the VM's agent does not answer: ", why),
               "see what the guest says: vxctl logs --console NAME");
}

}  // namespace

AgentChannel::AgentChannel(Watcher* watcher, std::string socket, std::function<void()> changed)
    : watcher_(watcher),
      socket_(std::move(socket)),
      changed_(std::move(changed)),
      backoff_(kFirstBackoff) {}

AgentChannel::~AgentChannel() = default;

// --- The connection. ---

void AgentChannel::Connect() {
  absl::MutexLock lock(&mutex_);
  if (closed_ || fd_.valid() || absl::Now() < retry_at_) return;
  auto connected = ConnectTo(socket_);
  if (!connected.ok()) {
    lost_ = connected.status();
    return;
  }
  fd_ = *std::move(connected);
  ++connection_;
  Watch(EPOLLIN, &AgentChannel::OnReadable);
  SayHello();
}

// A watch has a descriptor of its own, which Lost wakes, and so it ends.
void AgentChannel::Watch(uint32_t events, bool (AgentChannel::*ready)(uint64_t)) {
  watcher_->Add(UniqueFd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0)), events,
                [weak = weak_from_this(), ready, connection = connection_] {
                  auto self = weak.lock();
                  return self != nullptr && (self.get()->*ready)(connection);
                }).IgnoreError();
}

void AgentChannel::SayHello() {
  const uint64_t nonce = RandomNumber();
  demux_.Begin(nonce);
  agent::v1::Hello hello;
  hello.set_nonce(nonce);
  hello.set_version(agent::kWireVersion);
  hello.set_max_data(agent::kMaxOutput);
  hello.set_room(agent::kOutputRoom);
  Send(WireType::kHello, 0, 0, hello.SerializeAsString());
}

// More than the longest frame that it may be in the middle of.
void AgentChannel::Resync() {
  if (!fd_.valid() || demux_.ready() || out_.size() > kMaxWaiting / 2) return;
  out_.append(agent::kMaxData, '\0');
  SayHello();
}

void AgentChannel::Close() {
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
    lost_ = absl::UnavailableError("the VM has ended");
    Lost(lost_);
    demux_.EndAll(absl::OkStatus());
  }
  changed_();
}

void AgentChannel::Lost(const absl::Status& why) {
  if (!fd_.valid()) return;
  shutdown(fd_.get(), SHUT_RDWR);
  fd_.reset();
  waits_for_room_ = false;
  out_.clear();
  lost_ = why;
  retry_at_ = absl::Now() + backoff_;
  backoff_ = std::min(backoff_ * 2, kMaxBackoff);
  demux_.EndAll(why);
}

bool AgentChannel::OnReadable(uint64_t connection) {
  bool was_ready = false, is_ready = false, going_on = false;
  {
    absl::MutexLock lock(&mutex_);
    if (connection != connection_ || !fd_.valid()) return false;
    was_ready = demux_.ready();
    ReadSome();
    is_ready = demux_.ready();
    going_on = fd_.valid();
  }
  if (was_ready != is_ready) changed_();
  return going_on;
}

void AgentChannel::ReadSome() {
  static thread_local char buffer[kReadSize];
  const ssize_t n = recv(fd_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return Lost(absl::UnavailableError("its machine hung up"));
  if (absl::Status fed = demux_.Feed({buffer, static_cast<size_t>(n)}); !fed.ok()) {
    return Lost(fed);
  }
  if (demux_.ready()) backoff_ = kFirstBackoff;
}

bool AgentChannel::OnWritable(uint64_t connection) {
  absl::MutexLock lock(&mutex_);
  if (connection != connection_ || !fd_.valid()) return false;
  // Flush asks for another call if it needs one.
  waits_for_room_ = false;
  Flush();
  return false;
}

void AgentChannel::Send(WireType type, uint32_t stream, uint8_t channel, absl::string_view body) {
  if (!fd_.valid()) return;
  out_ += agent::EncodeFrame(type, stream, channel, {body.data(), body.size()});
  Flush();
}

void AgentChannel::Flush() {
  size_t sent = 0;
  while (sent < out_.size()) {
    const ssize_t n = send(fd_.get(), out_.data() + sent, out_.size() - sent,
                           MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    sent += static_cast<size_t>(n);
  }
  out_.erase(0, sent);
  if (out_.empty() || waits_for_room_) return;
  waits_for_room_ = true;
  Watch(EPOLLOUT, &AgentChannel::OnWritable);
}

// --- What is asked. ---

bool AgentChannel::ready() const {
  absl::MutexLock lock(&mutex_);
  return demux_.ready();
}

std::set<std::string> AgentChannel::features() const {
  absl::MutexLock lock(&mutex_);
  return demux_.features();
}

absl::Status AgentChannel::WaitReady(absl::Time deadline) {
  while (true) {
    Connect();
    absl::MutexLock lock(&mutex_);
    auto settled = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return demux_.ready() || closed_; };
    const absl::Time next = std::min(deadline, absl::Now() + kResyncAfter);
    mutex_.AwaitWithDeadline(absl::Condition(&settled), next);
    if (demux_.ready()) return absl::OkStatus();
    if (closed_ || absl::Now() >= deadline) {
      return Unavailable(fd_.valid() ? "it has not come up" : lost_.message());
    }
    Resync();
  }
}

absl::StatusOr<AgentChannel::StreamPtr> AgentChannel::Begin(const agent::v1::Request& request,
                                                            const std::string& feature,
                                                            bool stays, absl::Time deadline) {
  const std::string body = request.SerializeAsString();
  if (body.size() > agent::kMaxHostMessage) {
    return Error(absl::StatusCode::kInvalidArgument, "REQUEST_TOO_LONG",
                 "arguments and variables are longer than 2 MiB");
  }
  VX_RETURN_IF_ERROR(WaitReady(deadline));
  absl::MutexLock lock(&mutex_);
  if (!demux_.ready()) return Unavailable(lost_.message());
  if (demux_.features().count(feature) == 0) {
    return Error(absl::StatusCode::kUnimplemented, "AGENT_TOO_OLD",
                 absl::StrCat("the VM's agent can't do this yet (", feature, ")"),
                 "restart the VM: it gets the agent of this release");
  }
  if (demux_.streams() >= agent::kMaxStreams) {
    return Error(absl::StatusCode::kResourceExhausted, "TOO_MANY_SESSIONS",
                 absl::StrCat("the VM has ", agent::kMaxStreams, " sessions already, which is the most"),
                 "end one of them first");
  }
  if (out_.size() > kMaxWaiting) return Unavailable("it has stopped reading");
  StreamPtr stream = demux_.Add(stays);
  Send(WireType::kRequest, stream->number, 0, body);
  auto answered = [&stream] { return stream->reply.has_value() || stream->over; };
  mutex_.AwaitWithDeadline(absl::Condition(&answered), deadline);
  if (stream->reply) return stream;
  const absl::Status why = Unavailable(stream->over ? "the connection broke" : "it takes too long");
  if (!stream->over) {
    stream->abandoned = true;
    Send(WireType::kReset, stream->number, 0, "");
  }
  return why;
}

absl::StatusOr<agent::v1::Reply> AgentChannel::Ask(const agent::v1::Request& request,
                                                   const std::string& feature,
                                                   absl::Time deadline) {
  VX_ASSIGN_OR_RETURN(StreamPtr stream, Begin(request, feature, false, deadline));
  return *stream->reply;
}

absl::StatusOr<AgentChannel::StreamPtr> AgentChannel::Open(const agent::v1::Request& request,
                                                           const std::string& feature,
                                                           absl::Time deadline,
                                                           agent::v1::Reply& reply) {
  VX_ASSIGN_OR_RETURN(StreamPtr stream, Begin(request, feature, true, deadline));
  absl::MutexLock lock(&mutex_);
  reply = *stream->reply;
  return reply.error() == 0 ? stream : nullptr;
}

void AgentChannel::Abandon(const StreamPtr& stream) {
  absl::MutexLock lock(&mutex_);
  if (stream->over || stream->abandoned) return;
  stream->abandoned = true;
  Send(WireType::kReset, stream->number, 0, "");
}

absl::StatusOr<size_t> AgentChannel::Read(AgentStream& stream, StreamBuffer& buffer, char* data,
                                          size_t size) {
  absl::MutexLock lock(&mutex_);
  const size_t n = buffer.Take(data, size);
  if (n == 0 && buffer.ended()) return absl::OutOfRangeError("the output has ended");
  const uint32_t credit = stream.over ? 0 : buffer.TakeCredit();
  if (credit == 0) return n;
  Send(WireType::kRoom, stream.number, &buffer == &stream.out ? agent::kStdout : agent::kStderr,
       {reinterpret_cast<const char*>(&credit), sizeof credit});
  return n;
}

absl::StatusOr<size_t> AgentChannel::Write(AgentStream& stream, absl::string_view data) {
  absl::MutexLock lock(&mutex_);
  if (stream.over) {
    return Error(absl::StatusCode::kFailedPrecondition, "INPUT_CLOSED",
                 "the command does not take any more input");
  }
  size_t taken = 0;
  while (taken < data.size() && stream.input_room > 0) {
    const size_t n = std::min<size_t>({data.size() - taken, stream.input_room, agent::kMaxData});
    Send(WireType::kData, stream.number, agent::kStdin, data.substr(taken, n));
    stream.input_room -= static_cast<uint32_t>(n);
    taken += n;
  }
  if (stream.input_room == 0) stream.input_full.Raise();
  return taken;
}

absl::Status AgentChannel::EndInput(AgentStream& stream) {
  absl::MutexLock lock(&mutex_);
  if (!stream.over) Send(WireType::kEnd, stream.number, agent::kStdin, "");
  return absl::OkStatus();
}

absl::Status AgentChannel::Control(AgentStream& stream, const agent::v1::Control& control) {
  absl::MutexLock lock(&mutex_);
  if (stream.over || out_.size() > kMaxWaiting) return absl::OkStatus();
  Send(WireType::kControl, stream.number, 0, control.SerializeAsString());
  return absl::OkStatus();
}

absl::StatusOr<v1::Exit> AgentChannel::Result(const AgentStream& stream) const {
  absl::MutexLock lock(&mutex_);
  if (!stream.failure.ok()) return stream.failure;
  if (stream.exit) return *stream.exit;
  return absl::FailedPreconditionError("the command has not ended");
}

}  // namespace vx::libvirt
