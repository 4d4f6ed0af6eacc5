// A machine's shim: QEMU's output and console channels connect to it; the agent
// in the guest talks to it over the first (frames, protocol.h).
#pragma once

#include "plugins/shim/console.h"
#include "plugins/shim/control_server.h"
#include "plugins/shim/exit_file.h"
#include "plugins/shim/frame_reader.h"
#include "plugins/shim/log_writer.h"
#include "plugins/shim/outbox.h"
#include "plugins/shim/stdio_options.h"

namespace vx::shim {

class VmMode final : public ControlHandler, public FrameHandler {
 public:
  VmMode(LogWriter& log, Console& console, const StdioOptions& stdio)
      : log_(log), console_(console), stdio_(stdio), control_(*this), reader_(*this) {}

  // Listens, reports on kReadyFd, and returns the program's exit status once the
  // machine is gone and all is written.
  int Run();

 private:
  bool OnRequest(const ControlRequest& request, ControlReply& reply) override;
  bool TakesInput() const override;
  void OnInput(InputType type, const char* data, size_t size) override;
  bool TakesTyping() const override { return console_.TakesInput(); }
  void OnTyped(const char* data, size_t size) override { console_.Type(data, size); }
  void OnHello() override;
  void OnOutput(int stream, const char* data, size_t size) override;
  void OnStarted(const StartedFrame& frame) override;
  void OnRoom(uint32_t bytes) override;
  void OnExit(const ExitFrame& frame) override;

  bool Listen();
  void Loop();
  int PollTimeout() const;
  void AcceptOutput();
  void ReadOutput();
  void EndOutput();
  void Finish();
  bool done() const;
  ControlReply Reply(int error) const;

  LogWriter& log_;
  Console& console_;
  const StdioOptions stdio_;
  ControlServer control_;
  FrameReader reader_;
  Outbox outbox_;
  RunState state_ = RunState::kCreated;
  StartedFrame started_{};
  bool greeted_ = false;
  uint32_t input_room_ = kInputRoom;
  ExitFile exit_;
  int output_listener_ = -1;
  int output_ = -1;
  bool output_ended_ = false;
  bool gone_ = false;
  int64_t deadline_ = 0;  // MonotonicMillis; once gone_
};

}  // namespace vx::shim
