// The one loop of vx-proxy, and what it keeps: connections and UDP sessions, in a table of
// a fixed size. One thread; no heap.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/network/proxy/forward.h"

namespace vx::network::proxy {

inline constexpr int kMostForwards = 4096;
// Connections and sessions together. While all are taken, connections wait to be
// accepted, and the UDP session that was used least recently makes way.
inline constexpr int kMostLinks = 1024;
// A UDP session ends when it was not used for so long.
inline constexpr int64_t kUdpIdleMillis = 60'000;

// One of the two ways of a TCP connection.
struct Flow {
  int pipe[2];
  size_t held;  // bytes in the pipe
  bool ended;   // its source says no more
  bool shut;    // and its sink was told
};

struct Link {
  enum State : uint8_t { kFree, kConnecting, kOpen, kUdp, kDead };
  State state;
  uint8_t target;  // of its forward's
  int forward;
  // The client's side and the workload's; UDP has only the latter.
  int fds[2];
  Flow flows[2];  // from fds[0] to fds[1], and back
  Endpoint client;  // UDP
  int64_t used;     // UDP: CLOCK_MONOTONIC in ms
};

class Proxy {
 public:
  // `forwards` are open; they and `life`, a pidfd, are borrowed.
  Proxy(Forward* forwards, int count, int life) : forwards_(forwards), count_(count), life_(life) {}

  // Until the process behind `life` has ended. False, with errno, when it can't begin.
  bool Run();

 private:
  enum Kind : uint32_t { kLife, kListener, kClientSide, kWorkloadSide };

  bool Watch(int fd, uint32_t events, Kind kind, int index);
  void Handle(Kind kind, int index, uint32_t events);
  int Free();
  // Its slot is another's only after all events of this turn were handled.
  void Close(int index);
  void EndTurn();
  void SetListening(bool on);

  // tcp.cc
  void Accept(int forward);
  bool Connect(int index);
  void Connected(int index);
  void Pump(int index);

  // udp.cc
  void FromClients(int forward);
  void FromWorkload(int index);
  int Session(int forward, const Endpoint& client);
  int OpenSession(int forward, const Endpoint& client);
  int LeastUsed() const;
  void CloseIdle();

  Forward* const forwards_;
  const int count_;
  const int life_;
  int epoll_ = -1;
  int sessions_ = 0;
  bool listening_ = true;
  bool closed_ = false;
};

int64_t NowMillis();

extern Link g_links[kMostLinks];

}  // namespace vx::network::proxy
