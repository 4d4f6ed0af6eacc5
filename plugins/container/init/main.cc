// vx-init [--exec-fd=N] COMMAND ARGUMENT...: the first process of a container whose spec
// asks for one. Runs the command, passes signals on to it, reaps what is orphaned, and ends
// as the command did: with its exit status, or with 128 + N when signal N ended it.
//
// To --exec-fd it writes errno (an int32_t) when the command can't be run, and closes it
// when it could, as vx-runtime does for a command without an init.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;
constexpr int kSignalled = 128;

// Of the process's own doing: to be died of, not passed on.
constexpr int kFaults[] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS};

sigset_t AllButFaults() {
  sigset_t set;
  sigfillset(&set);
  for (const int fault : kFaults) sigdelset(&set, fault);
  return set;
}

// In a group of its own, the terminal's foreground one: else a key would signal the
// command twice.
void TakeTerminal() {
  setpgid(0, 0);
  tcsetpgrp(STDIN_FILENO, getpgrp());
}

// As vx-runtime does: nothing is tried as a script for the shell. Returns only with errno
// of why it can't be run.
int Search(char** command) {
  if (command[0][0] == '\0') return ENOENT;
  if (strchr(command[0], '/') != nullptr) {
    execv(command[0], command);
    return errno;
  }
  int error = ENOENT;
  const char* path = getenv("PATH");
  for (const char* dir = path; dir != nullptr; dir = strchr(dir, ':')) {
    if (*dir == ':') ++dir;
    const int size = static_cast<int>(strcspn(dir, ":"));
    char program[PATH_MAX];
    const int n = snprintf(program, sizeof program, "%.*s/%s", size, dir, command[0]);
    if (size == 0 || n >= PATH_MAX) continue;
    execv(program, command);
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
  }
  return error;
}

[[noreturn]] void Execute(char** command, const sigset_t& mask, int exec_fd) {
  TakeTerminal();
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  if (exec_fd >= 0) fcntl(exec_fd, F_SETFD, FD_CLOEXEC);
  const int32_t error = Search(command);
  if (exec_fd < 0 || write(exec_fd, &error, sizeof error) != sizeof error) {
    fprintf(stderr, "vx-init: can't run \"%s\": %s\n", command[0], strerror(error));
  }
  _exit(error == ENOENT || error == ENOTDIR ? kNotFound : kNotExecutable);
}

// Reaps all that have ended; true and `status` when the command is among them.
bool Reap(pid_t command, int& status) {
  bool ended = false;
  while (true) {
    int one = 0;
    const pid_t pid = waitpid(-1, &one, WNOHANG);
    if (pid <= 0) return ended;
    if (pid != command) continue;
    status = one;
    ended = true;
  }
}

}  // namespace

int main(int argc, char** argv) {
  int exec_fd = -1;
  if (argc > 1 && sscanf(argv[1], "--exec-fd=%d", &exec_fd) == 1) {
    --argc;
    ++argv;
  }
  if (argc < 2) {
    fprintf(stderr, "usage: vx-init [--exec-fd=N] COMMAND ARGUMENT...\n");
    return 2;
  }
  const sigset_t all = AllButFaults();
  sigset_t before;
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t command = fork();
  if (command < 0) {
    perror("vx-init: fork");
    return kNotExecutable;
  }
  if (command == 0) Execute(argv + 1, before, exec_fd);
  if (exec_fd >= 0) close(exec_fd);
  while (true) {
    siginfo_t info;
    int status = 0;
    const int signal = sigwaitinfo(&all, &info);
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      kill(command, signal);
    } else if (Reap(command, status)) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : kSignalled + WTERMSIG(status);
    }
  }
}
