#include "plugins/container/runtime/terminal.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/inside.h"
#include "plugins/container/runtime/mount_calls.h"

namespace vx::container {
namespace {

constexpr char kMaster[] = "/dev/pts/ptmx";
constexpr char kConsole[] = "/dev/console";
constexpr uint16_t kRows = 24;
constexpr uint16_t kColumns = 80;

// Not what an image may have put in its place.
bool IsDevpts(int fd) {
  struct statfs info{};
  return fstatfs(fd, &info) == 0 && info.f_type == DEVPTS_SUPER_MAGIC;
}

absl::StatusOr<UniqueFd> OpenMaster(int root) {
  auto place = OpenInside(root, kMaster, O_PATH);
  if (!place.ok() || !IsDevpts(place->get())) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_TERMINAL",
                 "process.terminal needs a devpts at /dev/pts");
  }
  VX_ASSIGN_OR_RETURN(UniqueFd master, OpenInside(root, kMaster, O_RDWR | O_NOCTTY));
  int locked = 0;
  if (ioctl(master.get(), TIOCSPTLCK, &locked) < 0) return ErrnoError(errno, "open a terminal");
  return master;
}

absl::Status SendFd(int socket, int fd, const std::string& name) {
  iovec text{const_cast<char*>(name.data()), name.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  if (sendmsg(socket, &message, MSG_NOSIGNAL) > 0) return absl::OkStatus();
  return ErrnoError(errno, "send the terminal to the console socket");
}

// Programs stumble over a terminal without any: a VT100's is the custom.
void SetSize(int terminal, const ProcessConfig& process) {
  const bool known = process.terminal_rows > 0 && process.terminal_columns > 0;
  const winsize size{known ? process.terminal_rows : kRows,
                     known ? process.terminal_columns : kColumns, 0, 0};
  ioctl(terminal, TIOCSWINSZ, &size);
}

absl::Status MountConsole(int root, const std::string& terminal) {
  VX_ASSIGN_OR_RETURN(UniqueFd place, MakePlaceInside(root, kConsole, /*is_dir=*/false));
  VX_ASSIGN_OR_RETURN(UniqueFd node, OpenInside(root, terminal, O_PATH));
  VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(node.get(), "", /*recursive=*/false));
  return AttachMount(tree.get(), place.get(), kConsole);
}

}  // namespace

absl::StatusOr<UniqueFd> ConnectConsole(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error(absl::StatusCode::kInvalidArgument, "PATH_TOO_LONG",
                 absl::StrCat(path, " is too long for a socket"));
  }
  path.copy(address.sun_path, path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (fd.valid() && connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    return fd;
  }
  return ErrnoError(errno, absl::StrCat("connect to the console socket ", path));
}

absl::Status TakeTerminal(int console, const ProcessConfig& process, bool as_console) {
  VX_ASSIGN_OR_RETURN(UniqueFd root, OpenFile("/", O_PATH | O_DIRECTORY));
  VX_ASSIGN_OR_RETURN(UniqueFd master, OpenMaster(root.get()));
  unsigned number = 0;
  if (ioctl(master.get(), TIOCGPTN, &number) < 0) return ErrnoError(errno, "name a terminal");
  const std::string name = absl::StrCat("/dev/pts/", number);
  SetSize(master.get(), process);
  UniqueFd terminal(ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal.valid() || ioctl(terminal.get(), TIOCSCTTY, 0) < 0) {
    return ErrnoError(errno, absl::StrCat("take the terminal ", name));
  }
  VX_RETURN_IF_ERROR(SendFd(console, master.get(), name));
  for (int fd : {0, 1, 2}) dup2(terminal.get(), fd);
  return as_console ? MountConsole(root.get(), name) : absl::OkStatus();
}

}  // namespace vx::container
