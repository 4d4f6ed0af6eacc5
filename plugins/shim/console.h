// A machine's serial console: what it says goes into a log of its own, and one caller at
// a time may type on it.
//
// A serial port hands over byte after byte. What it says is put together to lines, or
// what of a line was said in a moment, before it is written: a line of the log for each
// byte would take forty times the room.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>

#include "plugins/shim/command_input.h"
#include "plugins/shim/log_writer.h"

namespace vx::shim {

class Console {
 public:
  static constexpr int kPollFds = 2;

  // What it says is kept there; without a log it is dropped. A log without bounds gets
  // some, as no guest may fill the disk. False with errno on failure.
  bool OpenLog(const char* path, LogBounds bounds);
  // For QEMU. False with errno on failure.
  bool Listen();

  // Fills in what to poll for, and serves what was found.
  void Prepare(pollfd* fds) const;
  void Serve(const pollfd* fds);
  // When to call Flush at the latest, in MonotonicMillis; 0: no need to.
  int64_t deadline() const { return deadline_; }
  // Writes what waits for the rest of its line, if it has waited long enough.
  void FlushLate(int64_t now);
  // Takes what is still there and writes all.
  void Finish();

  // Whether there is room for a packet of what is typed. What nobody reads waits: the
  // guest may take its time.
  bool TakesInput() const { return !input_.pending(); }
  // At most kMaxInput bytes. Dropped while no machine is connected.
  void Type(const char* data, size_t size);

 private:
  static constexpr size_t kLine = 1024;

  void Accept();
  // False at the end of the connection, or when there is no more for now.
  bool ReadSome();
  void Disconnect();
  void Write(const char* data, size_t size);
  // Puts `data` behind what waits; how much of it was taken.
  size_t Continue(const char* data, size_t size);
  void Flush();

  LogWriter log_;
  bool logged_ = false;
  int listener_ = -1;
  int machine_ = -1;
  CommandInput input_;
  int64_t deadline_ = 0;
  size_t waiting_ = 0;
  char line_[kLine] = {};
};

}  // namespace vx::shim
