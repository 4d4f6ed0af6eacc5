// vx-shim, one tiny process for each running workload: keeps its output and its
// exit record, and outlives vxd. Contract: protocol.h.
//
//   vx-shim [OPTION...] container DIR LOG -- RUNTIME ARGS...
//   vx-shim [OPTION...] vm DIR LOG
//
//   --cgroup=PROCS     go into the cgroup of this cgroup.procs before anything else
//   --log-size=BYTES   divide the log into files of about this size
//   --log-files=N      and keep so many of them
//   --console-log=LOG  vm: what the serial console says goes there, in the same bounds
//   --stdin            the command has an input (kInput)
//   --tty              the command has a terminal; a container's runtime sends it
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plugins/shim/console.h"
#include "plugins/shim/container_mode.h"
#include "plugins/shim/report.h"
#include "plugins/shim/sys.h"
#include "plugins/shim/vm_mode.h"

namespace {

constexpr char kUsage[] =
    "usage: vx-shim [--cgroup=PROCS] [--log-size=BYTES] [--log-files=N] [--stdin] [--tty]\n"
    "               container DIR LOG -- RUNTIME ARGS...\n"
    "       vx-shim [--cgroup=PROCS] [--log-size=BYTES] [--log-files=N] [--stdin] [--tty]\n"
    "               [--console-log=LOG]\n"
    "               vm DIR LOG\n"
    "Started by vxd's drivers; not meant to be run by hand.\n";

struct Options {
  const char* cgroup = nullptr;
  vx::shim::LogBounds log;
  const char* console_log = nullptr;
  vx::shim::StdioOptions stdio;
};

// Not on the stack, where its buffers would cost a container's shim memory too.
constinit vx::shim::Console g_console;

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

// The logs are opened first, as their paths may be relative to where we were started.
bool Settle(const char* dir, const char* log, const Options& options, vx::shim::LogWriter& writer,
            vx::shim::Console& console) {
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  if (!writer.Open(log, options.log)) return vx::shim::ReportErrno("open the log");
  if (options.console_log != nullptr && !console.OpenLog(options.console_log, options.log)) {
    return vx::shim::ReportErrno("open the console's log");
  }
  if (chdir(dir) < 0) return vx::shim::ReportErrno("enter the shim's folder");
  return true;
}

// What stands behind `name` in `argument`; null when it is another option.
const char* ValueOf(const char* argument, const char* name) {
  const size_t size = strlen(name);
  return strncmp(argument, name, size) == 0 ? argument + size : nullptr;
}

bool TakeOption(const char* argument, Options& options) {
  if (const char* procs = ValueOf(argument, "--cgroup=")) {
    options.cgroup = procs;
  } else if (const char* size = ValueOf(argument, "--log-size=")) {
    options.log.size = strtoll(size, nullptr, 10);
  } else if (const char* files = ValueOf(argument, "--log-files=")) {
    options.log.files = static_cast<int32_t>(strtol(files, nullptr, 10));
  } else if (const char* console_log = ValueOf(argument, "--console-log=")) {
    options.console_log = console_log;
  } else if (strcmp(argument, "--stdin") == 0) {
    options.stdio.stdin = true;
  } else if (strcmp(argument, "--tty") == 0) {
    options.stdio.tty = true;
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (; argc > 1 && argv[1][0] == '-'; ++argv, --argc) {
    if (!TakeOption(argv[1], options)) return Misuse();
  }
  const bool container =
      argc > 5 && strcmp(argv[1], "container") == 0 && strcmp(argv[4], "--") == 0;
  const bool vm = argc == 4 && strcmp(argv[1], "vm") == 0;
  if (!container && !vm) return Misuse();
  fcntl(vx::shim::kReadyFd, F_SETFD, FD_CLOEXEC);
  if (options.cgroup != nullptr && !EnterCgroup(options.cgroup)) return 1;
  vx::shim::LogWriter log;
  if (!Settle(argv[2], argv[3], options, log, g_console)) return 1;
  if (container) return vx::shim::ContainerMode(log, options.stdio).Run(argv + 5);
  return vx::shim::VmMode(log, g_console, options.stdio).Run();
}
