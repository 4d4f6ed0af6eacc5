// One port that vx-proxy listens on, and where it leads.
//
// As text: "tcp,LISTEN,TO[,TO...]" or "udp,…", each "10.117.0.5:80" or "[::1]:8080".
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

namespace vx::network::proxy {

inline constexpr int kMostTargets = 4;

struct Endpoint {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  };
  socklen_t size;
};

struct Forward {
  bool udp;
  Endpoint listen;
  Endpoint to[kMostTargets];
  int targets;
  // The socket that listens.
  int fd;
};

// False when the text is none; it is written into.
bool ParseForward(char* text, Forward& forward);

// Opens and binds its socket; false with errno.
bool Open(Forward& forward);

}  // namespace vx::network::proxy
