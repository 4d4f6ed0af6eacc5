// Serves vxd on the agent's port (wire.h): further commands, files, and what it asks
// of the guest as a whole.
//
// vxd comes and goes. When it goes its sessions end, but for detached commands.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "plugins/agent/boot_config.h"
#include "plugins/agent/loop.h"
#include "plugins/agent/session.h"
#include "plugins/agent/tasks.h"
#include "plugins/agent/wire.h"

namespace vx::agent {

class Server final : public FrameSink {
 public:
  // Borrows all; `shutdown` ends the workload's command.
  Server(Loop& loop, const BootConfig& config, std::function<void()> shutdown);
  ~Server();

  // Takes the port, if the machine has one.
  void Open();
  // The same with a port that is open.
  void Serve(int port);

  // A process has ended; fine when it is none of a session's.
  void OnReaped(pid_t pid, int status);
  // Sends what was said meanwhile, in one go, as each costs an exit from the machine; and
  // forgets sessions that are over. After each step of the loop.
  void EndStep();

 private:
  void Send(WireType type, uint32_t stream, uint8_t channel, std::string_view body) override;
  bool HasRoom() const override;

  void OnPort(uint32_t events);
  void ReadPort();
  void Flush();
  void HostGone();
  void EndSessions();
  bool OnFrame(const WireHeader& header, std::string_view body);
  bool OnHello(std::string_view body);
  void OnRequest(uint32_t stream, std::string_view body);
  void OnExec(uint32_t stream, const v1::Exec& exec);
  void OpenSession(uint32_t stream, const Command& command, bool tty);
  void Answer(uint32_t stream, const v1::Reply& reply);
  void Refuse(uint32_t stream, int error, std::string_view message);

  Loop& loop_;
  const BootConfig& config_;
  Tasks tasks_;
  int port_ = -1;
  bool connected_ = false;
  OutputLimits limits_;
  WireReader reader_;
  std::string out_;
  size_t sent_ = 0;
  uint32_t last_stream_ = 0;
  std::map<uint32_t, std::unique_ptr<Session>> sessions_;
};

}  // namespace vx::agent
