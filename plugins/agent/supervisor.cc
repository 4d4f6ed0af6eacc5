#include "plugins/agent/supervisor.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "plugins/agent/file.h"
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

void CloseEnd(int& fd) {
  close(fd);
  fd = -1;
}

shim::ExitFrame NotStarted(int error) {
  return {.code = error == ENOENT ? 127 : 126, .exec_errno = error};
}

}  // namespace

Supervisor::Supervisor(Channel& channel) : channel_(channel), signals_(BlockSignals()) {}

Supervisor::~Supervisor() { close(signals_); }

shim::ExitFrame Supervisor::Run(const BootConfig& config) {
  Identity identity;
  const std::string passwd = ReadSmallFile("/etc/passwd"), group = ReadSmallFile("/etc/group");
  if (const char* error = ResolveUser(config.user, passwd, group, identity)) {
    Complain("can't run as \"%s\": %s", config.user.c_str(), error);
    return NotStarted(shim::kErrnoNoUser);
  }
  command_ = StartCommand(config, identity);
  if (command_.error != 0) return NotStarted(command_.error);
  channel_.Send(shim::FrameType::kStarted, nullptr, 0);
  while (!Finished()) Step();
  return exit_;
}

bool Supervisor::Finished() const {
  if (!ended_) return false;
  return host_gone_ || (command_.out < 0 && command_.err < 0 && !channel_.busy());
}

// One wait and what came of it. Output is read only when the last was sent.
void Supervisor::Step() {
  const bool busy = channel_.busy();
  pollfd fds[] = {
      {signals_, POLLIN, 0},
      {host_gone_ ? -1 : channel_.fd(), static_cast<short>(POLLIN | (busy ? POLLOUT : 0)), 0},
      {busy ? -1 : command_.out, POLLIN, 0},
      {busy ? -1 : command_.err, POLLIN, 0}};
  const int n = poll(fds, 4, ended_ && !busy ? kDrainMs : -1);
  if (n == 0) {
    CloseEnd(command_.out);
    CloseEnd(command_.err);
    return;
  }
  if (n < 0) return;
  if (fds[1].revents & (POLLHUP | POLLERR)) return HostGone();
  if ((fds[1].revents & POLLOUT) && !channel_.Flush()) return HostGone();
  if ((fds[1].revents & POLLIN) && !channel_.Receive([this](int s) { Signal(s); })) {
    return HostGone();
  }
  if (fds[2].revents) Forward(command_.out, shim::FrameType::kStdout);
  if (fds[3].revents && !channel_.busy()) Forward(command_.err, shim::FrameType::kStderr);
  if (fds[0].revents) ReadSignals();
}

void Supervisor::Forward(int& fd, shim::FrameType type) {
  static char buffer[Channel::kMaxOutput];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n > 0) channel_.Send(type, buffer, n);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) CloseEnd(fd);
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
  }
}

void Supervisor::Signal(int signal) {
  if (ended_ || signal <= 0 || signal > SIGRTMAX) return;
  killed_by_host_ |= signal == SIGKILL;
  kill(command_.pid, signal);
}

// As in a container, nothing outlives the command.
void Supervisor::CommandEnded(int status) {
  ended_ = true;
  exit_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  exit_.code = WIFSIGNALED(status) ? 128 + exit_.signal : WEXITSTATUS(status);
  const bool killed = exit_.code == 128 + SIGKILL;
  exit_.oom = killed && !killed_by_host_ && OomKills() > 0;
  kill(-1, SIGKILL);
}

// By somebody in the guest, which ends it well.
void Supervisor::SwitchedOff() {
  ended_ = true;
  exit_ = {};
  kill(-1, SIGKILL);
}

// Without the host nobody hears the command, and nobody could end it.
void Supervisor::HostGone() {
  host_gone_ = true;
  ended_ = true;
  kill(-1, SIGKILL);
}

}  // namespace vx::agent
