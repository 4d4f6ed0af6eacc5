#include "plugins/shim/container_mode.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <initializer_list>

#include "plugins/shim/report.h"
#include "plugins/shim/sys.h"

namespace vx::shim {
namespace {

struct Pipe {
  int read = -1;
  int write = -1;

  bool Open() {
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) return false;
    read = fds[0];
    write = fds[1];
    return true;
  }
};

int OpenChildSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Puts the descriptors into their places, by index; -1: none.
template <size_t N>
void PlaceFds(const int (&from)[N]) {
  int high[N];
  for (size_t i = 0; i < N; ++i) high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16);
  for (size_t i = 0; i < N; ++i) {
    if (high[i] >= 0) dup2(high[i], static_cast<int>(i));
  }
}

// The descriptor that comes over a unix socket; -1 when none does.
int ReceiveFd(int socket) {
  char name[256];
  iovec text{name, sizeof name};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) <= 0) return -1;
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return -1;
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

void RestoreSignals() {
  signal(SIGHUP, SIG_DFL);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

int ContainerMode::Run(char** runtime) {
  if (!Create(runtime)) return 1;
  // A run that nobody knows of would wait for its start for ever.
  if (!ReportReady()) kill(init_, SIGKILL);
  Loop();
  return 0;
}

struct ContainerMode::Ends {
  Pipe in, out, err, error, exec;
  int console[2] = {-1, -1};

  void CloseTheirs() const {
    for (int fd : {in.read, out.write, err.write, error.write, exec.write, console[1]}) {
      if (fd >= 0) close(fd);
    }
  }
};

bool ContainerMode::OpenEnds(Ends& ends) {
  if (!ends.error.Open() || !ends.exec.Open()) return false;
  if (stdio_.tty) return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.console) == 0;
  if (stdio_.stdin && !ends.in.Open()) return false;
  return ends.out.Open() && ends.err.Open();
}

bool ContainerMode::Create(char** runtime) {
  Ends ends;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  children_ = OpenChildSignals();
  if (children_ < 0 || !OpenEnds(ends)) return ReportErrno("make pipes");
  if (!control_.Open()) return ReportErrno("listen on the control socket");
  const pid_t pid = SpawnRuntime(runtime, ends);
  ends.CloseTheirs();
  out_ = ends.out.read;
  err_ = ends.err.read;
  exec_ = ends.exec.read;
  if (stdio_.stdin && !stdio_.tty) input_.Open(ends.in.write, false);
  for (int fd : {out_, err_, exec_}) {
    if (fd >= 0) SetNonBlocking(fd);
  }
  return FinishCreate(pid, ends);
}

pid_t ContainerMode::SpawnRuntime(char** runtime, const Ends& ends) {
  const pid_t pid = vfork();
  if (pid != 0) return pid;
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  const auto or_null = [null](int fd) { return fd >= 0 ? fd : null; };
  PlaceFds({or_null(ends.in.read), or_null(ends.out.write), or_null(ends.err.write),
            ends.error.write, ends.exec.write, ends.console[1]});
  RestoreSignals();
  execv(runtime[0], runtime);
  const int problem = errno;
  Text<512> text;
  text.Append("can't run ").Append(runtime[0]).Append(": ").Append(strerrordesc_np(problem));
  WriteAll(kRuntimeErrorFd, text.c_str(), text.size());
  _exit(127);
}

bool ContainerMode::TakeTerminal(int console) {
  const int master = ReceiveFd(console);
  close(console);
  if (master < 0) return false;
  SetNonBlocking(master);
  out_ = master;
  // Without --stdin only its size can be set.
  input_.Open(fcntl(master, F_DUPFD_CLOEXEC, 0), true);
  return true;
}

bool ContainerMode::FinishCreate(pid_t runtime, const Ends& ends) {
  const int error_fd = ends.error.read;
  int status = 0;
  if (runtime < 0) return ReportErrno("start the runtime");
  while (waitpid(runtime, &status, 0) < 0 && errno == EINTR) {
  }
  SetNonBlocking(error_fd);
  const long n = Read(error_fd, g_buffer, kBufferSize);
  close(error_fd);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    if (n > 0) {
      Report(g_buffer, static_cast<size_t>(n));
    } else {
      Report("the runtime failed without a word");
    }
    // What the runtime left behind is ours; the driver ends its cgroup.
    while (waitpid(-1, &status, 0) > 0 || errno == EINTR) {
    }
    return false;
  }
  if (stdio_.tty && !TakeTerminal(ends.console[0])) {
    return Report("the runtime sent no terminal");
  }
  init_ = ReadNumber(kInitPid);
  if (init_ <= 0) return Report("the runtime left no init.pid");
  state_ = RunState::kCreated;
  return true;
}

void ContainerMode::Loop() {
  constexpr int kOwn = 5;
  pollfd fds[kOwn + ControlServer::kMaxPollFds];
  while (!done()) {
    fds[0] = {out_, POLLIN, 0};
    fds[1] = {err_, POLLIN, 0};
    fds[2] = {exec_, POLLIN, 0};
    fds[3] = {children_, POLLIN, 0};
    fds[4] = {input_.poll_fd(), POLLOUT, 0};
    const int connections = control_.Prepare(fds + kOwn);
    if (poll(fds, static_cast<nfds_t>(kOwn + connections), -1) < 0) continue;
    if (fds[2].revents != 0) OnExecStatus();
    if (fds[0].revents != 0) Forward(1);
    if (fds[1].revents != 0) Forward(2);
    if (fds[3].revents != 0) Reap();
    if (fds[4].revents != 0) input_.Flush();
    control_.Serve(fds + kOwn, connections);
  }
  WriteExitFile(exit_);
  AnswerStarts(ESRCH);
}

void ContainerMode::Forward(int stream) {
  int& fd = stream == 1 ? out_ : err_;
  const long n = Read(fd, g_buffer, kBufferSize);
  if (n > 0) log_.Write(stream, g_buffer, static_cast<size_t>(n));
  if (n > 0 || (n < 0 && errno == EAGAIN)) return;
  close(fd);
  fd = -1;
}

// The end-of-file before init was let go says only that init is gone.
void ContainerMode::OnExecStatus() {
  int32_t error = 0;
  const long n = Read(exec_, &error, sizeof error);
  if (n < 0 && errno == EAGAIN) return;
  close(exec_);
  exec_ = -1;
  if (n == sizeof error) exit_.exec_errno = error;
  if (!let_go_) return;
  if (state_ == RunState::kCreated) state_ = RunState::kRunning;
  AnswerStarts(0);
}

void ContainerMode::Reap() {
  signalfd_siginfo info;
  Read(children_, &info, sizeof info);
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid != init_) continue;
    state_ = RunState::kExited;
    exit_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    exit_.code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
}

void ContainerMode::AnswerStarts(int error) {
  control_.AnswerStarts({error, exit_.exec_errno, state_, init_, {}, 0});
}

bool ContainerMode::LetGo(ControlReply& reply) {
  if (state_ != RunState::kCreated) return true;
  if (let_go_) return false;
  const int fifo = open(kStartFifo, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (fifo < 0 || !WriteAll(fifo, "1", 1)) reply.error = errno == ENXIO ? ESRCH : errno;
  if (fifo >= 0) close(fifo);
  let_go_ = reply.error == 0;
  return !let_go_;
}

void ContainerMode::OnInput(InputType type, const char* data, size_t size) {
  if (type == InputType::kSize || stdio_.stdin) input_.Take(type, data, size);
}

bool ContainerMode::OnRequest(const ControlRequest& request, ControlReply& reply) {
  reply = {0, exit_.exec_errno, state_, init_, {}, 0};
  if (state_ == RunState::kExited && request.verb != ControlVerb::kStatus) {
    reply.error = ESRCH;
    return true;
  }
  switch (request.verb) {
    case ControlVerb::kStatus:
      return true;
    case ControlVerb::kInput:
      if (!stdio_.stdin && !stdio_.tty) reply.error = EOPNOTSUPP;
      return true;
    case ControlVerb::kStart:
      return LetGo(reply);
    case ControlVerb::kSignal:
      if (kill(init_, request.argument) < 0) reply.error = errno;
      return true;
    default:
      reply.error = EOPNOTSUPP;
      return true;
  }
}

}  // namespace vx::shim
