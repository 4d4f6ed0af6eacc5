// What a verb has at hand: the global flags, the connection, the terminal.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/lib/connection.h"

namespace vx::cli {

struct GlobalFlags {
  std::string host;
  std::string progress = "auto";
};

class Context {
 public:
  explicit Context(GlobalFlags flags) : flags_(std::move(flags)) {}

  const GlobalFlags& flags() const { return flags_; }

  // The connection, made by the first call.
  absl::StatusOr<client::Connection*> Connect();

 private:
  const GlobalFlags flags_;
  std::unique_ptr<client::Connection> connection_;
};

// Reason of an error of WriteAll, where SIGPIPE is ignored: nobody reads.
inline constexpr char kOutputClosed[] = "OUTPUT_CLOSED";

// All of `text` to a descriptor, whatever it is: a pipe that is full or does not
// block is waited for.
absl::Status WriteAll(int fd, absl::string_view text);

// To stdout; returns the exit status.
int Print(absl::string_view text);

}  // namespace vx::cli
