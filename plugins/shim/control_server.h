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
    bool is_input;
  };

  void Accept();
  // False when the connection is over.
  bool ServeOne(Connection& connection);
  bool ServeInput(const Connection& connection);
  void TakeInputs();
  void Drop(int index);

  ControlHandler& handler_;
  int listener_ = -1;
  Connection connections_[kMaxConnections] = {};
  int count_ = 0;
};

}  // namespace vx::shim
