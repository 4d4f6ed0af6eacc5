// vxctl: runs virtual machines and containers on a host's vxd.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "client/cli/verbs.h"

namespace {

// A caller may have closed them; then what is opened next, a connection, would be taken
// for input and output.
void OpenStandardStreams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (fcntl(fd, F_GETFD) < 0) open("/dev/null", O_RDWR);
  }
}

}  // namespace

int main(int argc, char** argv) {
  OpenStandardStreams();
  int status = vx::cli::RunCommandLine({argv + 1, argv + argc});
  fflush(stderr);
  // Taking gRPC down in order costs milliseconds and nobody sees it.
  _exit(status);
}
