// vx-shim, one tiny process for each running workload: keeps its output and its
// exit record, and outlives vxd. Contract: protocol.h.
//
//   vx-shim [--cgroup=PROCS] container DIR LOG -- RUNTIME ARGS...
//   vx-shim [--cgroup=PROCS] vm DIR LOG
//
// PROCS is the cgroup.procs of the cgroup to go into, before anything else.
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "plugins/shim/container_mode.h"
#include "plugins/shim/report.h"
#include "plugins/shim/sys.h"
#include "plugins/shim/vm_mode.h"

namespace {

constexpr char kCgroup[] = "--cgroup=";
constexpr char kUsage[] =
    "usage: vx-shim [--cgroup=PROCS] container DIR LOG -- RUNTIME ARGS...\n"
    "       vx-shim [--cgroup=PROCS] vm DIR LOG\n"
    "Started by vxd's drivers; not meant to be run by hand.\n";

int Misuse() {
  vx::shim::WriteAll(2, kUsage, sizeof kUsage - 1);
  return 2;
}

bool EnterCgroup(const char* procs) {
  const int fd = open(procs, O_WRONLY | O_CLOEXEC);
  const bool entered = fd >= 0 && vx::shim::WriteAll(fd, "0", 1);
  if (fd >= 0) close(fd);
  return entered || vx::shim::ReportErrno("enter the shim's cgroup");
}

// The log is opened first, as its path may be relative to where we were started.
bool Settle(const char* dir, const char* log, vx::shim::LogWriter& writer) {
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  if (!writer.Open(log)) return vx::shim::ReportErrno("open the log");
  if (chdir(dir) < 0) return vx::shim::ReportErrno("enter the shim's folder");
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const char* procs = nullptr;
  if (argc > 1 && strncmp(argv[1], kCgroup, sizeof kCgroup - 1) == 0) {
    procs = argv[1] + sizeof kCgroup - 1;
    ++argv;
    --argc;
  }
  const bool container =
      argc > 5 && strcmp(argv[1], "container") == 0 && strcmp(argv[4], "--") == 0;
  const bool vm = argc == 4 && strcmp(argv[1], "vm") == 0;
  if (!container && !vm) return Misuse();
  fcntl(vx::shim::kReadyFd, F_SETFD, FD_CLOEXEC);
  if (procs != nullptr && !EnterCgroup(procs)) return 1;
  vx::shim::LogWriter log;
  if (!Settle(argv[2], argv[3], log)) return 1;
  if (container) return vx::shim::ContainerMode(log).Run(argv + 5);
  return vx::shim::VmMode(log).Run();
}
