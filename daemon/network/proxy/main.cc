// vx-proxy, which forwards ports of the host to a workload where the kernel can't: those of
// [::1]. One small process for all such ports of a workload, with the workload's life.
//
//   vx-proxy --name=NAME --life-fd=FD [--cgroup-procs=FILE] FORWARD...
//
//   --name=NAME    whose it is; says nothing to it, and is seen in its command line
//   --life-fd=FD   an inherited pidfd: it ends when that process does
//   --cgroup-procs=FILE  the cgroup.procs of where it goes, out of its caller's
//   FORWARD        proxy/forward.h: tcp,[::1]:8080,10.117.0.5:80
//
// TCP tries one target after the other, and UDP takes the first. It returns when it listens
// on all of them, with a child that serves: status 0; 1 with a line about what failed; 2
// for misuse. The child is in a session of its own, and not root.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <initializer_list>

#include "daemon/network/proxy/forward.h"
#include "daemon/network/proxy/proxy.h"

namespace {

using vx::network::proxy::Forward;
using vx::network::proxy::kMostForwards;

constexpr uid_t kNobody = 65534;
constexpr char kName[] = "--name=", kLife[] = "--life-fd=", kCgroup[] = "--cgroup-procs=";

constinit Forward g_forwards[kMostForwards];

int Misuse() {
  dprintf(2,
          "usage: vx-proxy --name=NAME --life-fd=FD [--cgroup-procs=FILE] "
          "tcp|udp,LISTEN,TO[,TO...] ...\n");
  return 2;
}

int Fail(const char* what) {
  dprintf(2, "%s: %s\n", what, strerror(errno));
  return 1;
}

// As many as the table of links can use, if we may.
void RaiseDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool DropRights() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return false;
  if (geteuid() != 0) return true;
  return setgroups(0, nullptr) == 0 && setgid(kNobody) == 0 && setuid(kNobody) == 0;
}

bool LeaveCaller() {
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || chdir("/") < 0) return false;
  for (int fd : {0, 1, 2}) {
    if (dup2(null, fd) < 0) return false;
  }
  return true;
}

bool EnterCgroup(const char* procs) {
  const int fd = open(procs, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool entered = write(fd, "0", 1) == 1;
  close(fd);
  return entered;
}

// Of what is left of the command line.
int OpenForwards(int count, char** words) {
  if (count < 1 || count > kMostForwards) return Misuse();
  for (int i = 0; i < count; ++i) {
    // What is parsed is written into, and the command line is to stay as it was.
    char* text = strdup(words[i]);
    if (text == nullptr) return Fail("memory");
    const bool parsed = vx::network::proxy::ParseForward(text, g_forwards[i]);
    free(text);
    if (!parsed) return Misuse();
    if (!vx::network::proxy::Open(g_forwards[i])) return Fail(words[i]);
  }
  return 0;
}

// In the child.
int Serve(int count, int life) {
  setsid();
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  return LeaveCaller() && vx::network::proxy::Proxy(g_forwards, count, life).Run() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4 || strncmp(argv[1], kName, strlen(kName)) != 0) return Misuse();
  if (strncmp(argv[2], kLife, strlen(kLife)) != 0) return Misuse();
  const int life = atoi(argv[2] + strlen(kLife));
  int first = 3;
  if (strncmp(argv[first], kCgroup, strlen(kCgroup)) == 0) {
    if (!EnterCgroup(argv[first] + strlen(kCgroup))) return Fail(argv[first]);
    ++first;
  }
  RaiseDescriptors();
  const int count = argc - first;
  if (const int status = OpenForwards(count, argv + first); status != 0) return status;
  if (life < 3 || fcntl(life, F_SETFD, FD_CLOEXEC) < 0) return Fail(argv[2]);
  if (!DropRights()) return Fail("drop rights");
  const pid_t child = fork();
  if (child < 0) return Fail("fork");
  return child == 0 ? Serve(count, life) : 0;
}
