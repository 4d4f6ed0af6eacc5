// What a guest's agent says, taken apart: the host's half of plugins/agent/wire.h without
// the connection. Where what is not to be trusted is judged.
//
// Every frame that a guest may send is paid for by one of the host's: an answer by a
// request, data by room that was given, room by data that was sent. So a guest can't
// flood the host with frames that are allowed.
//
// Passive: all of it is guarded by the lock of the AgentChannel that owns it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "plugins/agent/wire.h"
#include "plugins/libvirt/agent_stream.h"

namespace vx::libvirt {

class AgentDemux {
 public:
  AgentDemux() : reader_(agent::kMaxAgentMessage, agent::kMaxOutput) {}

  // A connection begins: nothing counts before a Welcome with `nonce`.
  void Begin(uint64_t nonce);
  // Takes what came. UNAVAILABLE (AGENT_BROKEN) when the protocol is broken; then only
  // Begin makes it of use again.
  absl::Status Feed(absl::string_view data);

  // The agent has said Welcome.
  bool ready() const { return ready_; }
  // What it can do.
  const std::set<std::string>& features() const { return features_; }

  // Adds a stream with the next number.
  std::shared_ptr<AgentStream> Add(bool stays);
  // Those that the guest has not ended yet.
  size_t streams() const { return streams_.size(); }
  // Ends all streams, and the connection: as if their commands had been killed, unless
  // `why` is AGENT_BROKEN.
  void EndAll(const absl::Status& why);

 private:
  bool OnFrame(const agent::WireHeader& header, std::string_view body);
  bool OnWelcome(std::string_view body);
  bool OnStreamFrame(AgentStream& stream, const agent::WireHeader& header, std::string_view body);
  bool OnReply(AgentStream& stream, std::string_view body);
  bool OnExit(AgentStream& stream, std::string_view body);
  bool OnRoom(AgentStream& stream, std::string_view body);

  agent::WireReader reader_;
  bool ready_ = false;
  uint64_t nonce_ = 0;
  int stale_welcomes_ = 0;
  std::set<std::string> features_;
  uint32_t last_stream_ = 0;
  std::map<uint32_t, std::shared_ptr<AgentStream>> streams_;
};

}  // namespace vx::libvirt
