#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <initializer_list>

#include "daemon/network/proxy/proxy.h"

namespace vx::network::proxy {
namespace {

constexpr uint32_t kEdges = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
constexpr size_t kPiece = 64 * 1024;
// Then it is the turn of others.
constexpr int kMostPieces = 16;
constexpr int kMostAccepted = 32;

void SetOptions(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // A peer that is gone without a word would keep its place for ever.
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

enum class Moved { kNothing, kSome, kError };

Moved Splice(int from, int to, size_t size, ssize_t& n) {
  n = splice(from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  if (n >= 0) return Moved::kSome;
  return errno == EAGAIN || errno == EINTR ? Moved::kNothing : Moved::kError;
}

Moved Fill(Flow& flow, int from) {
  if (flow.ended || flow.held >= kPiece) return Moved::kNothing;
  ssize_t n = 0;
  const Moved moved = Splice(from, flow.pipe[1], kPiece - flow.held, n);
  if (moved != Moved::kSome) return moved;
  flow.held += static_cast<size_t>(n);
  flow.ended = n == 0;
  return moved;
}

Moved Drain(Flow& flow, int to) {
  if (flow.held == 0) return Moved::kNothing;
  ssize_t n = 0;
  const Moved moved = Splice(flow.pipe[0], to, flow.held, n);
  if (moved == Moved::kSome) flow.held -= static_cast<size_t>(n);
  return moved;
}

// kSome: there may be more at once.
Moved PumpOne(Flow& flow, int from, int to) {
  for (int piece = 0; piece < kMostPieces; ++piece) {
    const Moved in = Fill(flow, from), out = Drain(flow, to);
    if (in == Moved::kError || out == Moved::kError) return Moved::kError;
    if (in == Moved::kSome || out == Moved::kSome) continue;
    if (flow.ended && flow.held == 0 && !flow.shut) {
      flow.shut = true;
      shutdown(to, SHUT_WR);
    }
    return Moved::kNothing;
  }
  return Moved::kSome;
}

bool MakePipes(Link& link) {
  for (Flow& flow : link.flows) flow = {{-1, -1}, 0, false, false};
  return pipe2(link.flows[0].pipe, O_NONBLOCK | O_CLOEXEC) == 0 &&
         pipe2(link.flows[1].pipe, O_NONBLOCK | O_CLOEXEC) == 0;
}

}  // namespace

void Proxy::Accept(int forward) {
  for (int i = 0; i < kMostAccepted; ++i) {
    const int index = Free();
    if (index < 0) return SetListening(false);
    const int fd = accept4(forwards_[forward].fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
      return SetListening(false);
    }
    if (fd < 0) return;
    Link& link = g_links[index];
    link.state = Link::kConnecting;
    link.forward = forward;
    link.target = 0;
    link.fds[0] = fd;
    link.fds[1] = -1;
    SetOptions(fd);
    if (!MakePipes(link) || !Watch(fd, kEdges, kClientSide, index) || !Connect(index)) Close(index);
  }
}

bool Proxy::Connect(int index) {
  Link& link = g_links[index];
  const Forward& forward = forwards_[link.forward];
  for (; link.target < forward.targets; ++link.target) {
    const Endpoint& to = forward.to[link.target];
    if (link.fds[1] >= 0) close(link.fds[1]);
    link.fds[1] = socket(to.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link.fds[1] < 0) return false;
    SetOptions(link.fds[1]);
    const bool begun = connect(link.fds[1], &to.any, to.size) == 0 || errno == EINPROGRESS;
    if (begun) return Watch(link.fds[1], kEdges, kWorkloadSide, index);
  }
  return false;
}

void Proxy::Connected(int index) {
  Link& link = g_links[index];
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(link.fds[1], SOL_SOCKET, SO_ERROR, &error, &size);
  Endpoint peer;
  peer.size = sizeof peer.v6;
  if (error == 0 && getpeername(link.fds[1], &peer.any, &peer.size) < 0) return;
  if (error == 0) {
    link.state = Link::kOpen;
    return Pump(index);
  }
  ++link.target;
  if (!Connect(index)) Close(index);
}

void Proxy::Pump(int index) {
  Link& link = g_links[index];
  Moved moved[2];
  for (int side : {0, 1}) {
    moved[side] = PumpOne(link.flows[side], link.fds[side], link.fds[1 - side]);
    if (moved[side] == Moved::kError) return Close(index);
  }
  if (link.flows[0].shut && link.flows[1].shut) return Close(index);
  if (moved[0] != Moved::kSome && moved[1] != Moved::kSome) return;
  // They say again what they have said already.
  Watch(link.fds[0], kEdges, kClientSide, index);
  Watch(link.fds[1], kEdges, kWorkloadSide, index);
}

}  // namespace vx::network::proxy
