#include "plugins/shim/container_mode.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>

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

void SetNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

// Puts the five descriptors into their places; what they are now is above those.
void PlaceFds(const int (&from)[5]) {
  int high[5];
  for (int i = 0; i < 5; ++i) high[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 16);
  for (int i = 0; i < 5; ++i) dup2(high[i], i);
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

bool ContainerMode::Create(char** runtime) {
  Pipe out, err, error, exec;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  children_ = OpenChildSignals();
  if (children_ < 0 || !out.Open() || !err.Open() || !error.Open() || !exec.Open()) {
    return ReportErrno("make pipes");
  }
  if (!control_.Open()) return ReportErrno("listen on the control socket");
  const pid_t pid = SpawnRuntime(runtime, out.write, err.write, error.write, exec.write);
  close(out.write);
  close(err.write);
  close(error.write);
  close(exec.write);
  out_ = out.read;
  err_ = err.read;
  exec_ = exec.read;
  SetNonBlocking(out_);
  SetNonBlocking(err_);
  SetNonBlocking(exec_);
  return FinishCreate(pid, error.read);
}

pid_t ContainerMode::SpawnRuntime(char** runtime, int out, int err, int error, int exec) {
  const pid_t pid = vfork();
  if (pid != 0) return pid;
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  PlaceFds({null, out, err, error, exec});
  RestoreSignals();
  execv(runtime[0], runtime);
  const int problem = errno;
  Text<512> text;
  text.Append("can't run ").Append(runtime[0]).Append(": ").Append(strerrordesc_np(problem));
  WriteAll(kRuntimeErrorFd, text.c_str(), text.size());
  _exit(127);
}

bool ContainerMode::FinishCreate(pid_t runtime, int error_fd) {
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
  init_ = ReadNumber(kInitPid);
  if (init_ <= 0) return Report("the runtime left no init.pid");
  state_ = RunState::kCreated;
  return true;
}

void ContainerMode::Loop() {
  constexpr int kOwn = 4;
  pollfd fds[kOwn + ControlServer::kMaxPollFds];
  while (!done()) {
    fds[0] = {out_, POLLIN, 0};
    fds[1] = {err_, POLLIN, 0};
    fds[2] = {exec_, POLLIN, 0};
    fds[3] = {children_, POLLIN, 0};
    const int connections = control_.Prepare(fds + kOwn);
    if (poll(fds, static_cast<nfds_t>(kOwn + connections), -1) < 0) continue;
    if (fds[2].revents != 0) OnExecStatus();
    if (fds[0].revents != 0) Forward(1);
    if (fds[1].revents != 0) Forward(2);
    if (fds[3].revents != 0) Reap();
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
  control_.AnswerStarts({error, exit_.exec_errno, state_, init_});
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

bool ContainerMode::OnRequest(const ControlRequest& request, ControlReply& reply) {
  reply = {0, exit_.exec_errno, state_, init_};
  if (state_ == RunState::kExited && request.verb != ControlVerb::kStatus) {
    reply.error = ESRCH;
    return true;
  }
  switch (request.verb) {
    case ControlVerb::kStatus:
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
