#include "daemon/service/listener.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::service {
namespace {

// Connections get numbers from here up to the limit, in turn, so that a number is
// used again as late as possible; everything else in the process stays below.
constexpr int kFirstNumber = 2048;

absl::StatusOr<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error(absl::StatusCode::kInvalidArgument, "SOCKET_PATH_TOO_LONG",
                 absl::StrCat("the socket's path has ", path.size(), " bytes, the limit is ",
                              sizeof address.sun_path - 1, ": ", path),
                 "give a shorter --socket or --runtime-dir");
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool Answers(const sockaddr_un& address) {
  UniqueFd probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// False: it stays its owner's alone.
bool GiveToGroup(const std::string& path, const std::string& group) {
  if (group.empty()) return false;
  const struct group* entry = getgrnam(group.c_str());
  if (entry == nullptr) {
    spdlog::warn("there is no group {}: only root can use {} (groupadd --system {})", group, path,
                 group);
    return false;
  }
  if (chown(path.c_str(), static_cast<uid_t>(-1), entry->gr_gid) == 0) return true;
  spdlog::warn("{} can't be given to group {}: {}", path, group, strerror(errno));
  return false;
}

int HighestNumber() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
}

}  // namespace

absl::StatusOr<UniqueFd> BindSocket(const std::string& path, const std::string& group) {
  VX_ASSIGN_OR_RETURN(sockaddr_un address, AddressOf(path));
  if (Answers(address)) {
    return Error(absl::StatusCode::kFailedPrecondition, "SOCKET_IN_USE",
                 absl::StrCat("a daemon answers at ", path, " already"),
                 "stop it, or give this one another --socket");
  }
  if (unlink(path.c_str()) < 0 && errno != ENOENT) {
    return ErrnoError(errno, absl::StrCat("remove ", path));
  }
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket");
  // Nobody gets in between bind and chown.
  const mode_t old_mask = umask(0777);
  const int bound = bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  umask(old_mask);
  if (bound < 0) return ErrnoError(errno, absl::StrCat("bind ", path));
  const mode_t mode = GiveToGroup(path, group) ? 0660 : 0600;
  if (chmod(path.c_str(), mode) < 0) return ErrnoError(errno, absl::StrCat("chmod ", path));
  if (listen(fd.get(), SOMAXCONN) < 0) return ErrnoError(errno, absl::StrCat("listen ", path));
  return fd;
}

Listener::Listener(UniqueFd socket, Peers& peers, Handler handler)
    : socket_(std::move(socket)),
      stop_(eventfd(0, EFD_CLOEXEC)),
      peers_(peers),
      handler_(std::move(handler)),
      next_number_(kFirstNumber),
      thread_([this] { Loop(); }) {}

Listener::~Listener() {
  const uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void Listener::Loop() {
  pthread_setname_np(pthread_self(), "vx-accept");
  while (true) {
    pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents != 0) return;
    if (fds[0].revents != 0) AcceptOne();
  }
}

void Listener::AcceptOne() {
  UniqueFd accepted(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!accepted.valid()) {
    // Out of descriptors: the connection waits in the backlog until one is free.
    if (errno == EMFILE || errno == ENFILE) {
      pollfd stop{stop_.get(), POLLIN, 0};
      poll(&stop, 1, 50);
    }
    return;
  }
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(accepted.get(), SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) return;
  UniqueFd numbered(fcntl(accepted.get(), F_DUPFD_CLOEXEC, next_number_));
  if (!numbered.valid()) {
    next_number_ = kFirstNumber;
    numbered.reset(fcntl(accepted.get(), F_DUPFD_CLOEXEC, next_number_));
  }
  if (!numbered.valid()) numbered = std::move(accepted);
  next_number_ = numbered.get() + 1;
  if (next_number_ >= HighestNumber()) next_number_ = kFirstNumber;
  peers_.Put(numbered.get(), credentials);
  handler_(std::move(numbered));
}

}  // namespace vx::service
