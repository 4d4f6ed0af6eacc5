// The host's end of a guest's agent port: one connection, through QEMU's socket, and
// the streams on it (plugins/agent/wire.h).
//
// The guest is not trusted. All that it can make vxd keep is bounded: a frame, and for
// each of at most kMaxStreams streams what the host said there is room for. What breaks
// the protocol ends the connection; a new one is tried later and later. One guest's
// bytes are taken a piece at a time, so that they hold up no other's.
//
// vxd comes and goes: a connection begins anew, and with it all streams are over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"
#include "daemon/base/watcher.h"
#include "plugins/agent/wire.h"
#include "plugins/libvirt/agent_demux.h"
#include "plugins/libvirt/agent_stream.h"
#include "vx/agent/v1/agent.pb.h"

namespace vx::libvirt {

// Thread-safe.
class AgentChannel : public std::enable_shared_from_this<AgentChannel> {
 public:
  // `socket` is where QEMU listens. `watcher`, which serves the connection, is borrowed.
  // `changed` is called, on any thread and without locks, when ready() has changed.
  AgentChannel(Watcher* watcher, std::string socket, std::function<void()> changed);
  ~AgentChannel();

  // Connects, unless it is or may not yet be tried again, and says hello. The agent
  // answers when it is there.
  void Connect();
  // The machine is gone: streams end as if their commands had been killed.
  void Close();

  // The agent has answered.
  bool ready() const;
  // UNAVAILABLE (AGENT_UNAVAILABLE) says why at `deadline`, or when it is gone for good.
  absl::Status WaitReady(absl::Time deadline);
  // What the agent can do ("exec", …); empty before it has answered.
  std::set<std::string> features() const;

  // Asks for something, and waits for the answer until `deadline`. The answer may be an
  // error of the guest's: Reply.error. UNAVAILABLE (AGENT_UNAVAILABLE);
  // UNIMPLEMENTED (AGENT_TOO_OLD) where the agent can't `feature`.
  absl::StatusOr<agent::v1::Reply> Ask(const agent::v1::Request& request,
                                       const std::string& feature, absl::Time deadline);

  // The same for what goes on after the answer: the stream, which the caller must
  // Abandon; null when the answer, in `reply`, is an error or the last word.
  absl::StatusOr<std::shared_ptr<AgentStream>> Open(const agent::v1::Request& request,
                                                    const std::string& feature,
                                                    absl::Time deadline, agent::v1::Reply& reply);
  void Abandon(const std::shared_ptr<AgentStream>& stream);

  // What a stream's holder does with it; fine when it is over.
  // As driver::Output::Read.
  absl::StatusOr<size_t> Read(AgentStream& stream, StreamBuffer& buffer, char* data, size_t size);
  // As driver::Input::Write and Close.
  absl::StatusOr<size_t> Write(AgentStream& stream, absl::string_view data);
  absl::Status EndInput(AgentStream& stream);
  absl::Status Control(AgentStream& stream, const agent::v1::Control& control);
  // Once stream.ended is raised.
  absl::StatusOr<v1::Exit> Result(const AgentStream& stream) const;

 private:
  using StreamPtr = std::shared_ptr<AgentStream>;

  // False once `connection` is over.
  bool OnReadable(uint64_t connection);
  bool OnWritable(uint64_t connection);
  void Watch(uint32_t events, bool (AgentChannel::*ready)(uint64_t))
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadSome() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Lost(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SayHello() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Resync() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::StatusOr<StreamPtr> Begin(const agent::v1::Request& request, const std::string& feature,
                                  bool stays, absl::Time deadline);
  void Send(agent::WireType type, uint32_t stream, uint8_t channel, absl::string_view body)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Flush() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Watcher* const watcher_;
  const std::string socket_;
  const std::function<void()> changed_;

  mutable absl::Mutex mutex_;
  UniqueFd fd_ ABSL_GUARDED_BY(mutex_);
  // Counts them.
  uint64_t connection_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  AgentDemux demux_ ABSL_GUARDED_BY(mutex_);
  std::string out_ ABSL_GUARDED_BY(mutex_);
  bool waits_for_room_ ABSL_GUARDED_BY(mutex_) = false;
  // Why there is no connection, and when to try again.
  absl::Status lost_ ABSL_GUARDED_BY(mutex_);
  absl::Time retry_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Duration backoff_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::libvirt
