#include "tests/contract/libvirtd.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"

namespace vx::contract {
namespace {

constexpr const char* kFolders[] = {"/etc/libvirt", "/run/libvirt", "/var/lib/libvirt",
                                    "/var/cache/libvirt", "/var/log/libvirt"};
constexpr char kCache[] = "/var/cache/libvirt";
// The usual one is beside these folders, and the host's own libvirtd may have it.
constexpr char kPidFile[] = "/run/libvirt/libvirtd.pid";
constexpr char kSocket[] = "/run/libvirt/libvirt-sock";
constexpr absl::Duration kPatience = absl::Seconds(30);

// No virtlogd, no cgroups of libvirt's own. libvirtd asks QEMU anew what it can do, each
// time for 10 s, where the user for that may not open a /dev/kvm that it may open itself.
constexpr char kQemuConf[] =
    "user = \"root\"\n"
    "group = \"root\"\n"
    "stdio_handler = \"file\"\n"
    "security_driver = \"none\"\n"
    "cgroup_controllers = []\n";
constexpr char kDaemonConf[] = "auth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n";

bool Connects() {
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, kSocket);
  return connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Libvirtd>> Libvirtd::Make(const std::string& cache) {
  if (FindProgram("libvirtd").empty()) return absl::NotFoundError("there is no libvirtd");
  std::unique_ptr<Libvirtd> libvirtd(new Libvirtd());
  for (const char* folder : kFolders) VX_RETURN_IF_ERROR(libvirtd->Cover(folder));
  if (!cache.empty()) VX_RETURN_IF_ERROR(libvirtd->KeepCache(cache));
  VX_RETURN_IF_ERROR(WriteFileAtomic("/etc/libvirt/qemu.conf", kQemuConf, 0600));
  VX_RETURN_IF_ERROR(WriteFileAtomic("/etc/libvirt/libvirtd.conf", kDaemonConf, 0600));
  return libvirtd;
}

absl::Status Libvirtd::Cover(const char* folder) {
  if (mkdir(folder, 0755) == 0) made_.push_back(folder);
  if (mount("tmpfs", folder, "tmpfs", 0, "mode=755") < 0) return ErrnoError(errno, folder);
  covered_.push_back(folder);
  return absl::OkStatus();
}

absl::Status Libvirtd::KeepCache(const std::string& cache) const {
  VX_RETURN_IF_ERROR(MakeDirs(cache, 0755));
  if (mount(cache.c_str(), kCache, nullptr, MS_BIND, nullptr) == 0) return absl::OkStatus();
  return ErrnoError(errno, kCache);
}

Libvirtd::~Libvirtd() {
  Stop(SIGTERM);
  umount2(kCache, MNT_DETACH);
  for (const char* folder : covered_) umount2(folder, MNT_DETACH);
  for (const char* folder : made_) rmdir(folder);
}

absl::Status Libvirtd::Start() {
  if (process_.valid()) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(pid_t pid, Spawn({.argv = {"libvirtd", "--pid-file", kPidFile}}));
  VX_ASSIGN_OR_RETURN(process_, OpenPidfd(pid));
  // It says nowhere when it listens.
  const absl::Time deadline = absl::Now() + kPatience;
  while (!Connects()) {
    if (absl::Now() > deadline) return absl::DeadlineExceededError("libvirtd does not listen");
    if (WaitPidfd(process_.get(), absl::Milliseconds(20))) {
      return absl::InternalError("libvirtd ended at once");
    }
  }
  return absl::OkStatus();
}

void Libvirtd::Stop(int signal) {
  if (!process_.valid()) return;
  SignalPidfd(process_.get(), signal).IgnoreError();
  if (!WaitPidfd(process_.get(), kPatience)) SignalPidfd(process_.get(), SIGKILL).IgnoreError();
  waitid(P_PIDFD, process_.get(), nullptr, WEXITED);
  process_.reset();
}

}  // namespace vx::contract
