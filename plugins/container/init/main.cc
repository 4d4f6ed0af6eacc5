// vx-init COMMAND ARGUMENT...: the first process of a container whose spec asks for one.
// Runs the command, passes signals on to it, reaps what is orphaned, and ends as the
// command did: with its exit status, or with 128 + N when signal N ended it.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
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

[[noreturn]] void Execute(char** command, const sigset_t& mask) {
  TakeTerminal();
  sigprocmask(SIG_SETMASK, &mask, nullptr);
  execvp(command[0], command);
  const int error = errno;
  fprintf(stderr, "vx-init: can't run \"%s\": %s\n", command[0], strerror(error));
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
  if (argc < 2) {
    fprintf(stderr, "usage: vx-init COMMAND ARGUMENT...\n");
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
  if (command == 0) Execute(argv + 1, before);
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
