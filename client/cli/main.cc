// vxctl: runs virtual machines and containers on a host's vxd.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>

#include "client/cli/verbs.h"

namespace {

// A caller may have closed some of them; what a library opened before main then has their
// numbers, and would be taken for input and output. What came by exec is never
// close-on-exec, so that tells.
void NeedStandardStreams(char** argv) {
  bool missing = false;
  for (int fd = 0; fd <= 2; ++fd) {
    const int flags = fcntl(fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) continue;
    missing = true;
    const int null = open("/dev/null", O_RDWR);
    if (null == fd) continue;
    dup2(null, fd);
    close(null);
  }
  if (missing) execv("/proc/self/exe", argv);
}

// What a stream's message took is kept for the next one.
void KeepFreedMemory() {
  constexpr int kKept = 4 * 1024 * 1024;
  mallopt(M_MMAP_THRESHOLD, kKept);
  mallopt(M_TRIM_THRESHOLD, kKept);
}

}  // namespace

int main(int argc, char** argv) {
  NeedStandardStreams(argv);
  KeepFreedMemory();
  int status = vx::cli::RunCommandLine({argv + 1, argv + argc});
  fflush(stderr);
  // Taking gRPC down in order costs milliseconds and nobody sees it.
  _exit(status);
}
