#include "client/cli/port_forwarder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/errors.h"
#include "client/cli/signal_watcher.h"
#include "client/lib/connection.h"
#include "daemon/base/error.h"
#include "daemon/base/pipe.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

constexpr int kMostPort = 65535;
constexpr int kBacklog = 128;
constexpr size_t kPiece = 128 << 10;
constexpr absl::Duration kRestart = absl::Seconds(10);

using Tunnel = client::Duplex<v1::ForwardPortRequest, v1::ForwardPortResponse>;

// What comes from the local side, until that ends.
void SendAll(int fd, Tunnel& tunnel) {
  v1::ForwardPortRequest request;
  while (true) {
    std::string* data = request.mutable_data();
    data->resize(kPiece);
    const ssize_t got = read(fd, data->data(), data->size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    data->resize(static_cast<size_t>(got));
    if (!tunnel.Write(request)) return;
  }
  request.set_eof(true);
  tunnel.Write(request);
}

bool WriteAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

// One connection, to its end.
void Serve(client::Connection& connection, const std::string& name, int port, UniqueFd local) {
  v1::ForwardPortRequest::Start start;
  start.set_name(name);
  start.set_port(port);
  const std::unique_ptr<Tunnel> tunnel = connection.ForwardPort(std::move(start));
  std::thread sender([&] { SendAll(local.get(), *tunnel); });
  v1::ForwardPortResponse response;
  bool eof = false;
  while (tunnel->Read(&response)) {
    if (response.part_case() == v1::ForwardPortResponse::kEof) {
      eof = true;
      shutdown(local.get(), SHUT_WR);
    } else if (!WriteAll(local.get(), response.data())) {
      tunnel->Cancel();
      break;
    }
  }
  shutdown(local.get(), eof ? SHUT_RD : SHUT_RDWR);
  sender.join();
  const absl::Status status = tunnel->Finish();
  if (!status.ok() && !eof) Report(status);
  // The next connection finds a vxd that has been started again.
  if (ErrorReason(status) == "CONNECTION_LOST") connection.Reconnect(kRestart).IgnoreError();
}

int PortOf(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  const bool v6 = bound.ss_family == AF_INET6;
  return ntohs(v6 ? reinterpret_cast<sockaddr_in6*>(&bound)->sin6_port
                  : reinterpret_cast<sockaddr_in*>(&bound)->sin_port);
}

absl::StatusOr<UniqueFd> Listen(const std::string& address, int port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return UsageError(absl::StrCat("--address: \"", address, "\" is no IP address"));
  }
  UniqueFd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (fd.valid()) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool listens = fd.valid() && bind(fd.get(), found->ai_addr, found->ai_addrlen) == 0 &&
                       listen(fd.get(), kBacklog) == 0;
  const int error = errno;
  freeaddrinfo(found);
  if (listens) return fd;
  return Error(absl::StatusCode::kFailedPrecondition, "PORT_TAKEN",
               absl::StrCat("can't listen on ", address, " port ", port, ": ", strerror(error)),
               "choose another local port, or leave it out (:80) for one that is free");
}

struct Listener {
  UniqueFd fd;
  Forwarded port;
};

absl::StatusOr<std::vector<Listener>> ListenOnAll(const std::string& address,
                                                  const std::vector<Forwarded>& ports) {
  std::vector<Listener> all;
  for (Forwarded port : ports) {
    VX_ASSIGN_OR_RETURN(UniqueFd fd, Listen(address, port.local));
    port.local = PortOf(fd.get());
    all.push_back({std::move(fd), port});
  }
  return all;
}

absl::Status CheckWorkload(client::Connection& connection, const std::string& name) {
  v1::GetWorkloadRequest request;
  request.set_name(name);
  VX_ASSIGN_OR_RETURN(auto response, connection.GetWorkload(request));
  if (response.workload().status().state() == v1::STATE_RUNNING) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("\"", name, "\" is not running"), absl::StrCat("vxctl start ", name));
}

// False once `stop` is readable.
bool AcceptOne(client::Connection& connection, const std::string& name,
               const std::vector<Listener>& listeners, int stop) {
  std::vector<pollfd> polled = {{stop, POLLIN, 0}};
  for (const Listener& listener : listeners) polled.push_back({listener.fd.get(), POLLIN, 0});
  if (poll(polled.data(), polled.size(), -1) < 0) return errno == EINTR;
  if (polled[0].revents != 0) return false;
  for (size_t i = 0; i < listeners.size(); ++i) {
    if (polled[i + 1].revents == 0) continue;
    UniqueFd local(accept4(listeners[i].fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!local.valid()) continue;
    // It ends with its connection, or with this process.
    std::thread([&connection, name, port = listeners[i].port.remote,
                 local = std::move(local)]() mutable {
      Serve(connection, name, port, std::move(local));
    }).detach();
  }
  return true;
}

}  // namespace

absl::StatusOr<Forwarded> ParseForwarded(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  Forwarded ports;
  const bool same = parts.size() == 1;
  const bool numbers =
      parts.size() <= 2 && absl::SimpleAtoi(parts.back(), &ports.remote) &&
      (same || parts[0].empty() || (absl::SimpleAtoi(parts[0], &ports.local) && ports.local > 0));
  if (same) ports.local = ports.remote;
  if (numbers && ports.remote > 0 && ports.remote <= kMostPort && ports.local <= kMostPort) {
    return ports;
  }
  return UsageError(absl::StrCat("\"", text, "\" is no pair of ports"),
                    "write LOCAL:INSIDE, e.g. 8080:80, or :80 for a local one that is free");
}

int ForwardPorts(Context& context, const std::string& name, const std::string& address,
                 const std::vector<Forwarded>& ports) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  if (absl::Status status = CheckWorkload(**connection, name); !status.ok()) return Report(status);
  auto listeners = ListenOnAll(address, ports);
  if (!listeners.ok()) return Report(listeners.status());
  auto stop = MakePipe();
  if (!stop.ok()) return Report(stop.status());
  const SignalWatcher watcher([&](int) { stop->write.reset(); });
  for (const Listener& listener : *listeners) {
    const char* const open = address.find(':') == std::string::npos ? "" : "[";
    std::cout << open << address << (*open ? "]" : "") << ":" << listener.port.local << " -> "
              << name << ":" << listener.port.remote << std::endl;
  }
  while (AcceptOne(**connection, name, *listeners, stop->read.get())) {
  }
  return 0;
}

}  // namespace vx::cli
