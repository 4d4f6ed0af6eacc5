#include "plugins/shim/control_server.h"

#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "plugins/shim/sys.h"

namespace vx::shim {
namespace {

bool IsTrusted(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

}  // namespace

bool ControlServer::Open() {
  listener_ = Listen(kControlSocket, SOCK_SEQPACKET);
  return listener_ >= 0;
}

int ControlServer::Prepare(pollfd* fds) const {
  // Who comes when all places are taken waits in the listener's queue.
  const short events = count_ < kMaxConnections ? POLLIN : 0;
  fds[0] = {listener_, events, 0};
  for (int i = 0; i < count_; ++i) {
    // Who hangs up is noticed in any case.
    const Connection& each = connections_[i];
    const bool waits = each.is_input() && !HasRoom(each);
    // A hang-up would be found again and again.
    const int fd = waits && each.hung_up ? -1 : each.fd;
    fds[i + 1] = {fd, static_cast<short>(waits ? 0 : POLLIN), 0};
  }
  return count_ + 1;
}

void ControlServer::Serve(const pollfd* fds, int count) {
  // By descriptor, as serving one may move another.
  for (int i = 1; i < count; ++i) {
    if (fds[i].revents == 0) continue;
    for (int j = 0; j < count_; ++j) {
      if (connections_[j].fd != fds[i].fd) continue;
      if (!ServeOne(connections_[j])) Drop(j);
      break;
    }
  }
  if (fds[0].revents != 0) Accept();
}

void ControlServer::Accept() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (!IsTrusted(fd)) {
    close(fd);
    return;
  }
  connections_[count_++] = {fd, false, ControlVerb::kStatus, false};
}

bool ControlServer::ServeOne(Connection& connection) {
  if (connection.is_input()) return ServeInput(connection);
  ControlRequest request{};
  const long n = Read(connection.fd, &request, sizeof request);
  if (n < 0) return errno == EAGAIN;
  if (n != sizeof request) return false;
  if (request.verb == ControlVerb::kStart) TakeInputs();
  ControlReply reply{};
  if (!handler_.OnRequest(request, reply)) {
    connection.waits_for_start = true;
    return true;
  }
  Dedicate(connection, request.verb, reply);
  return send(connection.fd, &reply, sizeof reply, MSG_NOSIGNAL) == sizeof reply;
}

void ControlServer::Dedicate(Connection& connection, ControlVerb verb, ControlReply& reply) const {
  if (reply.error != 0) return;
  if (verb == ControlVerb::kConsoleInput) {
    for (int i = 0; i < count_; ++i) {
      if (connections_[i].is_typing()) reply.error = EBUSY;
    }
  }
  const bool dedicated = verb == ControlVerb::kInput || verb == ControlVerb::kConsoleInput;
  if (dedicated && reply.error == 0) connection.use = verb;
}

bool ControlServer::HasRoom(const Connection& connection) const {
  return connection.is_typing() ? handler_.TakesTyping() : handler_.TakesInput();
}

// What another packet has filled meanwhile stays in the socket.
bool ControlServer::ServeInput(Connection& connection) {
  if (!HasRoom(connection)) {
    char nothing;
    const ssize_t n = recv(connection.fd, &nothing, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return true;
    // A console is free for the next, whatever was typed.
    connection.hung_up = n > 0 && !connection.is_typing();
    return connection.hung_up;
  }
  InputHeader header{};
  const long n = Read(connection.fd, g_buffer, sizeof header + kMaxInput);
  if (n < 0) return errno == EAGAIN;
  if (n < static_cast<long>(sizeof header)) return false;
  memcpy(&header, g_buffer, sizeof header);
  const char* data = g_buffer + sizeof header;
  const size_t size = static_cast<size_t>(n) - sizeof header;
  if (!connection.is_typing()) {
    handler_.OnInput(header.type, data, size);
  } else if (header.type == InputType::kData) {
    handler_.OnTyped(data, size);
  }
  return true;
}

// What was sent before a start is there at the start: the terminal's size above all. Who
// has hung up is noticed in its turn.
void ControlServer::TakeInputs() {
  for (int i = 0; i < count_; ++i) {
    if (connections_[i].use == ControlVerb::kInput && handler_.TakesInput()) ServeInput(connections_[i]);
  }
}

void ControlServer::Drop(int index) {
  close(connections_[index].fd);
  connections_[index] = connections_[--count_];
}

void ControlServer::AnswerStarts(const ControlReply& reply) {
  for (int i = 0; i < count_; ++i) {
    if (!connections_[i].waits_for_start) continue;
    send(connections_[i].fd, &reply, sizeof reply, MSG_NOSIGNAL);
    connections_[i].waits_for_start = false;
  }
}

}  // namespace vx::shim
