// vxctl's own stdin, read for a command elsewhere.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/base/unique_fd.h"

namespace vx::cli {

// Finds the keys by which a user leaves. What may be their beginning is held back until
// the next byte shows that it is not.
class DetachKeys {
 public:
  // Bytes, one a key; empty: none are looked for.
  explicit DetachKeys(std::string keys) : keys_(std::move(keys)) {}

  // "ctrl-p,ctrl-q" or single letters; "" for none. INVALID_ARGUMENT names what is no
  // key.
  static absl::StatusOr<DetachKeys> Parse(absl::string_view text);

  // What of `data` is for the command; true once the keys were typed, with what came
  // before them in `out`.
  bool Take(absl::string_view data, std::string* out);

 private:
  std::string keys_;
  size_t seen_ = 0;
};

// Reads stdin in a thread of its own while it exists.
class OwnInput {
 public:
  struct Sink {
    // May wait; false: no more is wanted.
    std::function<bool(std::string)> data;
    std::function<void()> end;
    // The detach keys were typed.
    std::function<void()> detach;
  };

  OwnInput(DetachKeys keys, Sink sink);
  // Waits for a call of the sink under way.
  ~OwnInput();
  OwnInput(const OwnInput&) = delete;
  OwnInput& operator=(const OwnInput&) = delete;

 private:
  void Run();

  DetachKeys keys_;
  const Sink sink_;
  UniqueFd stop_;  // eventfd
  std::thread thread_;
};

}  // namespace vx::cli
