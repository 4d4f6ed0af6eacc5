#include "plugins/agent/server.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "plugins/agent/channel.h"
#include "plugins/agent/file.h"
#include "plugins/agent/files.h"
#include "plugins/agent/user.h"
#include "plugins/shim/protocol.h"

namespace vx::agent {
namespace {

// Output waits where it is while more than this is to be written.
constexpr size_t kMaxWaiting = 64 * 1024;
// The port is there when the output port is, or the machine has none.
constexpr int kPortTimeoutMs = 100;
// Reads for each event, so that sessions get their turn.
constexpr int kMaxReads = 16;

constexpr const char* kFeatures[] = {"exec",  "files",  "stats", "addresses", "mount",
                                     "clock", "freeze", "grow",  "cpus",      "shutdown",
                                     "links"};

bool Parse(google::protobuf::MessageLite& message, std::string_view body) {
  return message.ParseFromArray(body.data(), static_cast<int>(body.size()));
}

void SetVariable(std::vector<std::string>& env, const std::string& variable) {
  const std::string key = variable.substr(0, variable.find('=') + 1);
  std::erase_if(env, [&](const std::string& v) { return v.compare(0, key.size(), key) == 0; });
  env.push_back(variable);
}

bool IsHome(const std::string& variable) { return variable.compare(0, 5, "HOME=") == 0; }

CommandSpec ToSpec(const v1::Exec& exec, const BootConfig& config) {
  CommandSpec spec;
  spec.argv.assign(exec.argv().begin(), exec.argv().end());
  spec.env = config.env;
  for (const std::string& variable : exec.env()) SetVariable(spec.env, variable);
  spec.working_dir = exec.working_dir().empty() ? config.working_dir : exec.working_dir();
  spec.tty = exec.tty();
  spec.stdin = exec.stdin();
  spec.output = !exec.detach();
  spec.columns = static_cast<uint16_t>(exec.columns());
  spec.rows = static_cast<uint16_t>(exec.rows());
  return spec;
}

}  // namespace

Server::Server(Loop& loop, const BootConfig& config, std::function<void()> shutdown)
    : loop_(loop),
      config_(config),
      tasks_(loop, std::move(shutdown)),
      reader_(kMaxHostMessage) {}

Server::~Server() {
  EndSessions();
  if (port_ < 0) return;
  loop_.Forget(port_);
  close(port_);
}

void Server::Open() {
  const int port = OpenPort(kAgentPort, kPortTimeoutMs);
  if (port >= 0) Serve(port);
}

void Server::Serve(int port) {
  port_ = port;
  SetNonBlocking(port_, true);
  reader_.Seek(WireType::kHello);
  // A port without a host says so all the time: only changes are of use.
  loop_.Watch(port_, EPOLLIN | EPOLLOUT | EPOLLET, [this](uint32_t events) { OnPort(events); });
}

void Server::OnPort(uint32_t events) {
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) HostGone();
  ReadPort();
  Flush();
}

// Hears of changes only, so what is left is come back to.
void Server::ReadPort() {
  static char buffer[64 * 1024];
  for (int i = 0; i < kMaxReads; ++i) {
    const ssize_t n = read(port_, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    // 0: there is no host.
    if (n <= 0) return;
    const bool sound = reader_.Feed({buffer, static_cast<size_t>(n)},
                                    [this](const WireHeader& header, std::string_view body) {
                                      return OnFrame(header, body);
                                    });
    if (!sound) HostGone();
  }
  // Tell us again.
  loop_.Change(port_, 0);
  loop_.Change(port_, EPOLLIN | EPOLLOUT | EPOLLET);
}

void Server::HostGone() {
  EndSessions();
  reader_.Seek(WireType::kHello);
}

void Server::EndSessions() {
  connected_ = false;
  out_.clear();
  sent_ = 0;
  tasks_.Thaw();
  for (auto& [stream, session] : sessions_) session->Kill();
  sessions_.clear();
}

void Server::Send(WireType type, uint32_t stream, uint8_t channel, std::string_view body) {
  if (!connected_) return;
  AppendFrame(out_, type, stream, channel, body);
  if (!HasRoom()) Flush();
}

bool Server::HasRoom() const { return out_.size() - sent_ < kMaxWaiting; }

void Server::Flush() {
  const bool had_room = HasRoom();
  while (sent_ < out_.size()) {
    const ssize_t n = write(port_, out_.data() + sent_, std::min<size_t>(out_.size() - sent_, 32768));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    sent_ += static_cast<size_t>(n);
  }
  if (sent_ == out_.size() || sent_ > kMaxWaiting) {
    out_.erase(0, sent_);
    sent_ = 0;
  }
  if (had_room || !HasRoom()) return;
  for (auto& [stream, session] : sessions_) session->Resume();
}

bool Server::OnFrame(const WireHeader& header, std::string_view body) {
  if (header.type == WireType::kHello) return OnHello(body);
  if (header.type == WireType::kRequest) {
    OnRequest(header.stream, body);
    return true;
  }
  const auto it = sessions_.find(header.stream);
  // What was sent before the host knew of a stream's end.
  if (it == sessions_.end()) return true;
  return it->second->OnFrame(header, body);
}

bool Server::OnHello(std::string_view body) {
  v1::Hello hello;
  if (!Parse(hello, body)) return false;
  EndSessions();
  connected_ = true;
  last_stream_ = 0;
  limits_.max_data = std::clamp(hello.max_data(), kMaxData, kMaxOutput);
  limits_.room = std::max(hello.room(), kRoom);
  v1::Welcome welcome;
  welcome.set_nonce(hello.nonce());
  welcome.set_version(std::min(hello.version(), kWireVersion));
  for (const char* feature : kFeatures) welcome.add_features(feature);
  Send(WireType::kWelcome, 0, 0, welcome.SerializeAsString());
  return true;
}

void Server::OnRequest(uint32_t stream, std::string_view body) {
  v1::Request request;
  if (!Parse(request, body)) return Refuse(stream, EBADMSG, "a request that can't be read");
  if (stream <= last_stream_) return Refuse(stream, EINVAL, "a stream's number was used before");
  last_stream_ = stream;
  if (sessions_.size() >= kMaxStreams) return Refuse(stream, ENOBUFS, "too many sessions");
  if (request.has_exec()) return OnExec(stream, request.exec());
  if (request.has_read_files()) {
    const std::string path = request.read_files().path();
    return OpenSession(stream, StartWorker([path] { return SendTree(path); }), false);
  }
  if (request.has_write_files()) {
    const std::string path = request.write_files().path();
    return OpenSession(stream, StartWorker([path] { return ReceiveTree(path); }), false);
  }
  Answer(stream, tasks_.Do(request));
}

void Server::OnExec(uint32_t stream, const v1::Exec& exec) {
  if (exec.argv().empty() || exec.argv(0).empty()) return Refuse(stream, ENOENT, "no command");
  CommandSpec spec = ToSpec(exec, config_);
  const std::string user = exec.user().empty() ? config_.user : exec.user();
  const std::string passwd = ReadSmallFile("/etc/passwd"), group = ReadSmallFile("/etc/group");
  if (const char* error = ResolveUser(user, passwd, group, spec.identity)) {
    return Refuse(stream, shim::kErrnoNoUser, error);
  }
  // As a login would have it; what the caller said of it wins.
  const bool says_home = std::any_of(exec.env().begin(), exec.env().end(), IsHome);
  if (!exec.user().empty() && !says_home) SetVariable(spec.env, "HOME=" + spec.identity.home);
  const Command command = StartCommand(spec);
  if (!exec.detach() || command.error != 0) return OpenSession(stream, command, exec.tty());
  Answer(stream, {});
}

void Server::OpenSession(uint32_t stream, const Command& command, bool tty) {
  if (command.error != 0) return Refuse(stream, command.error, "");
  Answer(stream, {});
  sessions_[stream] = std::make_unique<Session>(loop_, *this, stream, command, tty, limits_);
}

void Server::Answer(uint32_t stream, const v1::Reply& reply) {
  Send(WireType::kReply, stream, 0, reply.SerializeAsString());
}

void Server::Refuse(uint32_t stream, int error, std::string_view message) {
  v1::Reply reply;
  reply.set_error(error);
  reply.set_message(std::string(message));
  Answer(stream, reply);
}

void Server::OnReaped(pid_t pid, int status) {
  for (auto& [stream, session] : sessions_) {
    if (session->pid() == pid) return session->OnEnded(status);
  }
}

void Server::EndStep() {
  Flush();
  std::erase_if(sessions_, [](const auto& entry) { return entry.second->finished(); });
}

}  // namespace vx::agent
