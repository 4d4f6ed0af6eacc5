#include "plugins/agent/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "plugins/agent/file.h"
#include "plugins/agent/statistics.h"
#include "plugins/agent/system.h"

namespace vx::agent {
namespace {

// Longer than this no killed process keeps a pipe open, unless the kernel is
// stuck.
constexpr int kDrainMs = 5000;

// What halt, poweroff and reboot send to an init.
constexpr int kSwitchOff[] = {SIGUSR1, SIGUSR2, SIGTERM};

int BlockSignals() {
  sigset_t all, heard;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  sigemptyset(&heard);
  sigaddset(&heard, SIGCHLD);
  for (int signal : kSwitchOff) sigaddset(&heard, signal);
  return signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK);
}

shim::ExitFrame NotStarted(int error) {
  return {.code = error == ENOENT ? 127 : 126, .exec_errno = error};
}

// Of a kInput frame.
bool IsSize(std::string_view body, shim::InputSize& size) {
  shim::InputHeader header;
  memcpy(&header, body.data(), sizeof header);
  if (header.type != shim::InputType::kSize || body.size() != sizeof header + sizeof size) {
    return false;
  }
  memcpy(&size, body.data() + sizeof header, sizeof size);
  return true;
}

CommandSpec ToSpec(const BootConfig& config) {
  CommandSpec spec;
  spec.argv = config.argv;
  spec.env = config.env;
  spec.working_dir = config.working_dir;
  spec.tty = config.tty;
  spec.stdin = config.stdin;
  return spec;
}

}  // namespace

Supervisor::Supervisor(Channel& channel, uint64_t born_nanos)
    : channel_(channel), born_nanos_(born_nanos), signals_(BlockSignals()) {}

Supervisor::~Supervisor() { close(signals_); }

shim::ExitFrame Supervisor::Run(const BootConfig& config) {
  if (!Start(config)) return exit_;
  WatchAll();
  server_ = std::make_unique<Server>(loop_, config, [this] { SwitchedOff(); });
  server_->Open();
  while (!Finished()) {
    Rearm();
    // Processes that were killed may keep their streams open for a while.
    loop_.Step(ended_ && !channel_.busy() ? kDrainMs : -1);
    server_->EndStep();
  }
  server_.reset();
  return exit_;
}

bool Supervisor::Start(const BootConfig& config) {
  CommandSpec spec = ToSpec(config);
  const std::string passwd = ReadSmallFile("/etc/passwd"), group = ReadSmallFile("/etc/group");
  if (const char* error = ResolveUser(config.user, passwd, group, spec.identity)) {
    Complain("can't run as \"%s\": %s", config.user.c_str(), error);
    exit_ = NotStarted(shim::kErrnoNoUser);
    return false;
  }
  TakeEarly(spec);
  const uint64_t ready = SinceBootNanos();
  command_ = StartCommand(spec);
  if (command_.error == shim::kErrnoWorkingDir) {
    Complain("working directory %s can't be entered", config.working_dir.c_str());
  }
  if (command_.error != 0) {
    exit_ = NotStarted(command_.error);
    return false;
  }
  const shim::StartedFrame started = {born_nanos_, ready, SinceBootNanos()};
  channel_.Send(shim::FrameType::kStarted, &started, sizeof started);
  input_ = std::make_unique<Input>(loop_, command_.in, config.tty, [this](size_t bytes) {
    const uint32_t room = static_cast<uint32_t>(bytes);
    channel_.Send(shim::FrameType::kRoom, &room, sizeof room);
  });
  for (const auto& [type, body] : early_) OnFrame(type, body);
  early_.clear();
  return true;
}

void Supervisor::TakeEarly(CommandSpec& spec) {
  pollfd port = {channel_.fd(), POLLIN, 0};
  while (poll(&port, 1, 0) > 0 && (port.revents & POLLIN) != 0) {
    const bool there = channel_.Receive([&](shim::FrameType type, std::string_view body) {
      early_.emplace_back(type, std::string(body));
      shim::InputSize size;
      if (type != shim::FrameType::kInput || !IsSize(body, size)) return;
      spec.columns = size.columns;
      spec.rows = size.rows;
    });
    // The loop finds it out.
    if (!there) return;
  }
}

void Supervisor::WatchAll() {
  loop_.Watch(signals_, EPOLLIN, [this](uint32_t) { ReadSignals(); });
  loop_.Watch(channel_.fd(), EPOLLIN, [this](uint32_t events) { OnChannel(events); });
  loop_.Watch(devices_.fd(), EPOLLIN, [this](uint32_t) {
    if (devices_.TookCpu()) UseAllCpus();
  });
  if (command_.out >= 0) {
    loop_.Watch(command_.out, 0,
                [this](uint32_t) { Forward(command_.out, shim::FrameType::kStdout); });
  }
  if (command_.err >= 0) {
    loop_.Watch(command_.err, 0,
                [this](uint32_t) { Forward(command_.err, shim::FrameType::kStderr); });
  }
}

bool Supervisor::Finished() const {
  if (!ended_) return false;
  return host_gone_ || (command_.out < 0 && command_.err < 0 && !channel_.busy());
}

// Output is read only when the last was sent.
void Supervisor::Rearm() {
  const uint32_t output = channel_.busy() ? 0u : EPOLLIN;
  for (int fd : {command_.out, command_.err}) {
    if (fd >= 0) loop_.Change(fd, output);
  }
  const uint32_t wanted = EPOLLIN | (channel_.busy() ? EPOLLOUT : 0u);
  loop_.Change(channel_.fd(), host_gone_ ? 0u : wanted);
}

void Supervisor::OnChannel(uint32_t events) {
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) return HostGone();
  if ((events & EPOLLOUT) != 0 && !channel_.Flush()) return HostGone();
  if ((events & EPOLLIN) == 0) return;
  const bool there = channel_.Receive(
      [this](shim::FrameType type, std::string_view body) { OnFrame(type, body); });
  if (!there) HostGone();
}

void Supervisor::OnFrame(shim::FrameType type, std::string_view body) {
  if (type == shim::FrameType::kInput) return OnInput(body);
  int32_t signal;
  memcpy(&signal, body.data(), sizeof signal);
  Signal(signal);
}

void Supervisor::OnInput(std::string_view body) {
  shim::InputSize size;
  if (IsSize(body, size)) return input_->Resize(size.columns, size.rows);
  shim::InputHeader header;
  memcpy(&header, body.data(), sizeof header);
  if (header.type == shim::InputType::kData) input_->Put(body.substr(sizeof header));
  if (header.type == shim::InputType::kEnd) input_->End();
}

void Supervisor::Forward(int& fd, shim::FrameType type) {
  static char buffer[Channel::kMaxOutput];
  if (fd < 0 || channel_.busy()) return;
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n > 0) channel_.Send(type, buffer, n);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) CloseOutput(fd);
  // All are killed; who still holds the streams is stuck in the kernel.
  if (n < 0 && errno == EAGAIN && ended_) CloseOutput(fd);
}

void Supervisor::CloseOutput(int& fd) {
  loop_.Forget(fd);
  close(fd);
  fd = -1;
}

void Supervisor::ReadSignals() {
  signalfd_siginfo info;
  while (read(signals_, &info, sizeof info) > 0) {
    if (info.ssi_signo != SIGCHLD) SwitchedOff();
  }
  Reap();
}

void Supervisor::Reap() {
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == command_.pid && !ended_) CommandEnded(status);
    if (server_) server_->OnReaped(pid, status);
  }
}

void Supervisor::Signal(int signal) {
  if (ended_ || signal <= 0 || signal > SIGRTMAX) return;
  killed_by_host_ |= signal == SIGKILL;
  kill(command_.pid, signal);
}

// As in a container, nothing outlives the command.
void Supervisor::CommandEnded(int status) {
  exit_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  exit_.code = WIFSIGNALED(status) ? 128 + exit_.signal : WEXITSTATUS(status);
  const bool killed = exit_.code == 128 + SIGKILL;
  exit_.oom = killed && !killed_by_host_ && OomKills() > 0;
  EndEverything();
}

void Supervisor::EndEverything() {
  ended_ = true;
  kill(-1, SIGKILL);
}

// By somebody in the guest, which ends it well.
void Supervisor::SwitchedOff() {
  if (ended_) return;
  exit_ = {};
  EndEverything();
}

// Without the host nobody hears the command, and nobody could end it.
void Supervisor::HostGone() {
  host_gone_ = true;
  EndEverything();
}

}  // namespace vx::agent
