// vxctl: runs virtual machines and containers on a host's vxd.
#include <unistd.h>

#include <cstdio>

#include "client/cli/verbs.h"

int main(int argc, char** argv) {
  int status = vx::cli::RunCommandLine({argv + 1, argv + argc});
  fflush(stderr);
  // Taking gRPC down in order costs milliseconds and nobody sees it.
  _exit(status);
}
