#include "client/cli/own_terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace vx::cli {

bool OnTerminal() { return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1; }

v1::TerminalSize OwnTerminalSize() {
  v1::TerminalSize size;
  winsize now = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) != 0) return size;
  size.set_columns(now.ws_col);
  size.set_rows(now.ws_row);
  return size;
}

RawTerminal::RawTerminal() {
  if (tcgetattr(STDIN_FILENO, &old_) != 0) return;
  termios raw = old_;
  cfmakeraw(&raw);
  raw_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

RawTerminal::~RawTerminal() {
  if (raw_) tcsetattr(STDIN_FILENO, TCSADRAIN, &old_);
}

}  // namespace vx::cli
