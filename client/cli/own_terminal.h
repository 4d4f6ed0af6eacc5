// The terminal that vxctl itself runs on, while it stands for that of a command.
#pragma once

#include <termios.h>

#include "vx/v1/workload_service.pb.h"

namespace vx::cli {

// Whether stdin and stdout are one.
bool OnTerminal();

// Of stdout; without columns and rows where it is no terminal.
v1::TerminalSize OwnTerminalSize();

// While one exists, every key goes through as it is: nothing is echoed, Ctrl-C is no
// signal. Does nothing where stdin is no terminal.
class RawTerminal {
 public:
  RawTerminal();
  ~RawTerminal();
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  bool raw_ = false;
  termios old_ = {};
};

}  // namespace vx::cli
