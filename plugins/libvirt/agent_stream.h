// One stream of a connection with a guest's agent (plugins/agent/wire.h), as far as the
// host keeps it: its answer, what the guest wrote and was not read yet, its end.
//
// Passive: all of it is guarded by the lock of the AgentChannel that owns it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "daemon/base/unique_fd.h"
#include "plugins/agent/wire.h"
#include "vx/agent/v1/agent.pb.h"
#include "vx/v1/workload.pb.h"

namespace vx::libvirt {

// An eventfd that says something to who polls it.
class Flag {
 public:
  Flag();

  int fd() const { return fd_.get(); }
  // Polls readable, and not writable, while it is raised; the reverse while it is not.
  void Raise() const;
  void Lower() const;

 private:
  UniqueFd fd_;
};

// What came on a channel.
class StreamBuffer {
 public:
  // False when there is nothing in it, it is more than there was room for, or comes
  // behind the end.
  bool Put(absl::string_view data);
  void End();
  // Gives up to `size` bytes.
  size_t Take(char* data, size_t size);

  bool ended() const { return ended_; }
  size_t size() const { return data_.size() - begin_; }
  // Bytes that were taken and not told to the guest yet, once they are worth a frame.
  uint32_t TakeCredit();

  // Readable while there is something to take, and from the end on.
  const Flag& flag() const { return flag_; }

 private:
  std::string data_;
  size_t begin_ = 0;
  uint32_t room_ = agent::kOutputRoom;
  uint32_t credit_ = 0;
  bool ended_ = false;
  Flag flag_;
};

struct AgentStream {
  explicit AgentStream(uint32_t number) : number(number) {}

  const uint32_t number;
  // Nobody on the host wants it any more; kept until the guest has heard of it.
  bool abandoned = false;
  // By the guest's word.
  bool over = false;
  std::optional<agent::v1::Reply> reply;
  // It was asked for something that goes on after the reply.
  bool stays = false;
  StreamBuffer out;
  StreamBuffer err;
  // Bytes of input that the guest has room for.
  uint32_t input_room = agent::kRoom;
  // Raised while there is no room for input.
  Flag input_full;
  // How the command ended, or why that is not known.
  std::optional<v1::Exit> exit;
  absl::Status failure;
  Flag ended;
};


}  // namespace vx::libvirt
