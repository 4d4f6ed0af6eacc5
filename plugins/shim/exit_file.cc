#include "plugins/shim/exit_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <cstdio>

#include "plugins/shim/protocol.h"
#include "plugins/shim/sys.h"

namespace vx::shim {
namespace {

constexpr char kTemporary[] = "exit.tmp";

}  // namespace

void WriteExitFile(const ExitFile& exit) {
  Text<192> text;
  text.Append("code=").Append(exit.code).Append(" signal=").Append(exit.signal);
  text.Append(" oom=").Append(exit.oom).Append(" exec_errno=").Append(exit.exec_errno);
  text.Append(" time_ns=").Append(NowNanos()).Append(" lost=").Append(exit.lost).Append("\n");
  const int fd = open(kTemporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  const bool written = WriteAll(fd, text.c_str(), text.size());
  close(fd);
  if (written) rename(kTemporary, kExitRecord);
}

}  // namespace vx::shim
