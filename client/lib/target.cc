#include "client/lib/target.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"

namespace vx::client {
namespace {

absl::Status NotYet(absl::string_view text, absl::string_view what) {
  return Error(absl::StatusCode::kUnimplemented, "NOT_YET",
               absl::StrCat("cannot reach \"", text, "\": ", what, " are not supported yet"),
               "use a unix socket: --host unix:///PATH");
}

absl::Status BadHost(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_HOST",
               absl::StrCat("\"", text, "\" does not name a vxd"),
               absl::StrCat("write unix:///PATH, e.g. ", kDefaultTarget));
}

absl::StatusOr<sockaddr_un> SocketAddress(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_HOST",
                 absl::StrCat("the socket's path ", path, " is longer than the ",
                              sizeof(address.sun_path) - 1, " bytes that a socket can have"));
  }
  memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// The group that owns the socket; "vx" where that can't be seen.
std::string GroupOf(const std::string& path) {
  struct stat info;
  if (stat(path.c_str(), &info) != 0) return "vx";
  const group* owner = getgrgid(info.st_gid);
  return owner == nullptr ? "vx" : owner->gr_name;
}

absl::Status NoPermission(const std::string& path) {
  std::string group = GroupOf(path);
  if (group == "root") {
    return Error(absl::StatusCode::kPermissionDenied, "NO_PERMISSION",
                 absl::StrCat("no permission to use ", path),
                 "only root may: use sudo, or let vxd give the socket to a group (daemon.group)");
  }
  return Error(absl::StatusCode::kPermissionDenied, "NO_PERMISSION",
               absl::StrCat("no permission to use ", path),
               absl::StrCat("join the group ", group, ": sudo usermod -aG ", group,
                            " $USER, then log in again"));
}

absl::Status ConnectError(int error, const std::string& path) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
      return Error(absl::StatusCode::kUnavailable, "NO_DAEMON",
                   absl::StrCat("no vxd answers at ", path),
                   "start it (systemctl start vxd, or sudo vxd), or name another with --host or "
                   "VX_HOST");
    case EACCES:
    case EPERM:
      return NoPermission(path);
    case EAGAIN:
      return Error(absl::StatusCode::kUnavailable, "NO_ANSWER",
                   absl::StrCat("vxd at ", path, " takes no connections"),
                   "see what it logs, and start it again if it hangs");
    default:
      return ErrnoError(error, absl::StrCat("connect to ", path));
  }
}

absl::Status SetNonBlocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0) return absl::OkStatus();
  return ErrnoError(errno, "set O_NONBLOCK");
}

}  // namespace

std::string ChooseTarget(const std::string& flag) {
  if (!flag.empty()) return flag;
  const char* env = getenv("VX_HOST");
  return env != nullptr && *env != '\0' ? env : kDefaultTarget;
}

absl::StatusOr<Target> ParseTarget(absl::string_view text) {
  absl::string_view path = text;
  if (absl::StartsWith(text, "tls://")) return NotYet(text, "connections with TLS");
  if (!absl::ConsumePrefix(&path, "unix://") && absl::StrContains(text, ":")) return BadHost(text);
  if (absl::StartsWith(path, "/")) return Target{std::string(text), std::string(path)};
  if (path.size() < text.size() || path.empty() || absl::StrContains(path, "/"))
    return BadHost(text);
  return NotYet(text, "named hosts");
}

absl::StatusOr<UniqueFd> Connect(const Target& target, absl::Duration limit) {
  absl::StatusOr<sockaddr_un> address = SocketAddress(target.socket);
  if (!address.ok()) return address.status();
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError(errno, "make a socket");
  timeval patience = absl::ToTimeval(limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  const auto* generic = reinterpret_cast<const sockaddr*>(&*address);
  if (connect(fd.get(), generic, sizeof(*address)) != 0) return ConnectError(errno, target.socket);
  if (absl::Status status = SetNonBlocking(fd.get()); !status.ok()) return status;
  return fd;
}

}  // namespace vx::client
