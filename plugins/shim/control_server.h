// The shim's end of the control socket (protocol.h).
#pragma once

#include <poll.h>

#include <cstddef>

#include "plugins/shim/protocol.h"

namespace vx::shim {

// What a mode does with requests.
class ControlHandler {
 public:
  // Fills `reply` and returns true; false when the answer comes later, by
  // ControlServer::AnswerStarts.
  virtual bool OnRequest(const ControlRequest& request, ControlReply& reply) = 0;

  // Whether there is room for a packet of input.
  virtual bool TakesInput() const { return false; }
  // `data` has at most kMaxInput bytes.
  virtual void OnInput(InputType, const char* /*data*/, size_t /*size*/) {}

  // The same for the one connection of kConsoleInput.
  virtual bool TakesTyping() const { return false; }
  virtual void OnTyped(const char* /*data*/, size_t /*size*/) {}

 protected:
  ~ControlHandler() = default;
};

class ControlServer {
 public:
  static constexpr int kMaxConnections = 16;
  static constexpr int kMaxPollFds = kMaxConnections + 1;

  explicit ControlServer(ControlHandler& handler) : handler_(handler) {}

  // False with errno on failure.
  bool Open();

  // Fills in what to poll for, and returns how many.
  int Prepare(pollfd* fds) const;
  // Serves what poll found; `fds` as Prepare filled them.
  void Serve(const pollfd* fds, int count);

  // Answers every connection whose kStart waits.
  void AnswerStarts(const ControlReply& reply);

 private:
  struct Connection {
    int fd;
    bool waits_for_start;
    // Packets are no requests any more, but of this verb; kStatus: they are.
    ControlVerb use;
    // Its caller has gone and left packets behind, for which there is no room yet.
    bool hung_up;

    bool is_input() const { return use == ControlVerb::kInput || is_typing(); }
    bool is_typing() const { return use == ControlVerb::kConsoleInput; }
  };

  void Accept();
  // False when the connection is over.
  bool ServeOne(Connection& connection);
  bool ServeInput(Connection& connection);
  void TakeInputs();
  bool HasRoom(const Connection& connection) const;
  // Takes the connection for what it asks for, or refuses.
  void Dedicate(Connection& connection, ControlVerb verb, ControlReply& reply) const;
  void Drop(int index);

  ControlHandler& handler_;
  int listener_ = -1;
  Connection connections_[kMaxConnections] = {};
  int count_ = 0;
};

}  // namespace vx::shim
