// vx-agent: /init of a VM that runs an OCI image. Brings the guest up, runs the
// workload's command, forwards its streams, serves vxd meanwhile (further commands, files,
// figures), reports its end, switches the machine off.
#include <string>

#include "plugins/agent/boot_config.h"
#include "plugins/agent/channel.h"
#include "plugins/agent/supervisor.h"
#include "plugins/agent/system.h"
#include "plugins/shim/protocol.h"

namespace vx::agent {
namespace {

constexpr int kDeviceTimeoutMs = 20000;

void RunGuest() {
  const uint64_t born = SinceBootNanos();
  MountEarly();
  LoadModules();
  const int port = OpenPort(shim::kOutputPort, kDeviceTimeoutMs);
  if (port < 0) return Complain("the port %s did not appear", shim::kOutputPort);
  Channel channel(port);
  BootConfig config;
  if (const char* error = DecodeBootConfig(channel.Introduce(), config)) {
    return Complain("bad configuration: %s", error);
  }
  LoadNetworkModules(!config.nics.empty());
  if (!EnterRoot(kDeviceTimeoutMs)) return;
  shim::ExitFrame exit = {.code = 126, .exec_errno = shim::kErrnoSetUp};
  if (SetUpGuest(config)) exit = Supervisor(channel, born).Run(config);
  SealRoot();
  channel.SendLast(shim::FrameType::kExit, &exit, sizeof exit);
}

}  // namespace
}  // namespace vx::agent

int main() {
  vx::agent::RunGuest();
  vx::agent::PowerOff();
}
