#include "daemon/network/port_proxy.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/pipe.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "daemon/network/marked_process.h"

namespace vx::network {
namespace {

constexpr int kLifeFd = 3;
constexpr size_t kMostComplaint = 4096;

std::string Mark(const std::string& name) { return absl::StrCat("--name=", name); }

std::string Endpoint(const Address& address, int port) {
  if (address.v6) return absl::StrCat("[", ToString(address), "]:", port);
  return absl::StrCat(ToString(address), ":", port);
}

std::string Forward(const ProxiedPort& port) {
  std::string text = absl::StrCat(port.udp ? "udp," : "tcp,", Endpoint(port.host, port.host_port));
  for (const Address& target : port.targets) {
    absl::StrAppend(&text, ",", Endpoint(target, port.guest_port));
  }
  return text;
}

// To the end: the child that serves has let go of it.
std::string ReadAll(int fd) {
  std::string text;
  char buffer[512];
  while (text.size() < kMostComplaint) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

bool EndedWell(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

absl::Status StartPortProxy(const PortProxyConfig& config) {
  VX_RETURN_IF_ERROR(EndPortProxy(config.name));
  if (config.ports.empty()) return absl::OkStatus();
  std::vector<std::string> argv = {config.program, Mark(config.name),
                                   absl::StrCat("--life-fd=", kLifeFd)};
  if (!config.cgroup_procs.empty()) {
    argv.push_back(absl::StrCat("--cgroup-procs=", config.cgroup_procs));
  }
  for (const ProxiedPort& port : config.ports) argv.push_back(Forward(port));
  VX_ASSIGN_OR_RETURN(Pipe complaints, MakePipe());
  VX_ASSIGN_OR_RETURN(
      const pid_t pid,
      Spawn({.argv = argv, .fds = {{config.life, kLifeFd}, {complaints.write.get(), 2}}}));
  complaints.write.reset();
  const std::string complaint = ReadAll(complaints.read.get());
  if (EndedWell(pid)) return absl::OkStatus();
  return Error(absl::StatusCode::kUnavailable, "PORT_UNAVAILABLE",
               absl::StrCat("a port can't be published: ", absl::StripSuffix(complaint, "\n")),
               "choose another port, or end what listens on it");
}

absl::Status EndPortProxy(const std::string& name) {
  const absl::Status ended = EndAllMarked(Mark(name));
  // It may have ended by itself, with the workload.
  ReapAdopted("vx-proxy");
  return ended;
}

}  // namespace vx::network
