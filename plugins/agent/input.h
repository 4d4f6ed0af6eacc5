// The input of a command: what came for it and was not taken yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "plugins/agent/loop.h"

namespace vx::agent {

class Input {
 public:
  // Told of bytes that are done with: taken by the command, or thrown away because it
  // does not read any more.
  using Done = std::function<void(size_t bytes)>;

  // Takes `fd`, non-blocking: the write end of a pipe, or a terminal's master; -1: all
  // is thrown away.
  Input(Loop& loop, int fd, bool tty, Done done);
  ~Input();
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  // The sender keeps to what it was told there is room for.
  void Put(std::string_view data);
  // What was put is still passed on. With a terminal: as if Ctrl-D was typed.
  void End();
  // Of the terminal; a program on it hears of it even where it is the same. Fine where
  // there is none.
  void Resize(uint16_t columns, uint16_t rows) const;

 private:
  void Flush();
  void Close();

  Loop& loop_;
  int fd_;
  const bool tty_;
  const Done done_;
  std::string pending_;
  // Bytes in it that nobody sent.
  size_t own_ = 0;
  bool ending_ = false;
};

}  // namespace vx::agent
