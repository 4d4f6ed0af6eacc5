#include "plugins/libvirt/shares.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/pipe.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"

namespace vx::libvirt {
namespace {

constexpr const char* kPrograms[] = {"/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd",
                                     "/usr/lib/virtiofsd"};
// In the child.
constexpr int kSocketFd = 3, kGoFd = 4;
constexpr char kSocketSuffix[] = ".sock";

absl::StatusOr<UniqueFd> Listen(const std::string& path) {
  sockaddr_un address{.sun_family = AF_UNIX};
  if (path.size() >= sizeof address.sun_path) {
    return Error(absl::StatusCode::kFailedPrecondition, "PATH_TOO_LONG",
                 absl::StrCat("the socket's path ", path, " is too long"),
                 "choose a shorter daemon.runtime_dir");
  }
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 ||
      listen(fd.get(), 1) < 0) {
    return ErrnoError(errno, absl::StrCat("listen at ", path));
  }
  return fd;
}

// The guest's own caches are asked about each time: others write to the same folder.
std::vector<std::string> Arguments(const Share& share, const std::string& program,
                                   const std::string& virtiofsd, const std::string& at) {
  std::vector<std::string> argv = {program};
  if (share.read_only) argv.push_back("--read-only");
  if (!share.subpath.empty()) argv.insert(argv.end(), {"--subpath", share.subpath});
  argv.insert(argv.end(), {"--go-fd", absl::StrCat(kGoFd)});
  argv.insert(argv.end(), {share.path, at, virtiofsd, "-f", absl::StrCat("--fd=", kSocketFd),
                           "--rlimit-nofile=0", "-o", absl::StrCat("source=", at), "-o",
                           "sandbox=namespace", "-o", "cache=auto", "-o", "timeout=0", "-o",
                           "xattr"});
  return argv;
}

}  // namespace

std::vector<Share> SharesOf(const v1::WorkloadSpec& spec,
                            const std::vector<driver::MountSource>& sources,
                            const std::string& run) {
  std::vector<Share> shares;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (!sources[i].disk_format.empty()) continue;
    const v1::Mount& mount = spec.mounts(static_cast<int>(i));
    shares.push_back({.tag = absl::StrCat("vx", i),
                      .path = sources[i].path,
                      .subpath = mount.subpath(),
                      .read_only = mount.read_only(),
                      .socket = absl::StrCat(run, "/share-", i, kSocketSuffix)});
  }
  return shares;
}

std::vector<DomainDisk> DisksOf(const v1::WorkloadSpec& spec,
                                const std::vector<driver::MountSource>& sources) {
  std::vector<DomainDisk> disks;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].disk_format.empty()) continue;
    disks.push_back({.serial = absl::StrCat("vx", i),
                     .path = sources[i].path,
                     .format = sources[i].disk_format,
                     .read_only = spec.mounts(static_cast<int>(i)).read_only()});
  }
  return disks;
}

std::vector<agent::BootShare> ToBoot(const v1::WorkloadSpec& spec,
                                     const std::vector<driver::MountSource>& sources) {
  std::vector<agent::BootShare> all;
  for (size_t i = 0; i < sources.size(); ++i) {
    const v1::Mount& mount = spec.mounts(static_cast<int>(i));
    all.push_back({.number = static_cast<uint32_t>(i),
                   .disk = !sources[i].disk_format.empty(),
                   .target = mount.target(),
                   .read_only = mount.read_only(),
                   .copy_up = sources[i].is_volume && !mount.no_copy() && !mount.read_only()});
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.target.size() < b.target.size();
  });
  return all;
}

absl::StatusOr<std::string> FindVirtiofsd() {
  for (const char* path : kPrograms) {
    if (access(path, X_OK) == 0) return std::string(path);
  }
  return Error(absl::StatusCode::kFailedPrecondition, "NO_VIRTIOFSD",
               "this host has no virtiofsd, by which VMs are given folders",
               "install it: apt install qemu-system-common, or virtiofsd");
}

absl::Status ShareProcess::LetGo() { return WriteAll(go.get(), "G", "start virtiofsd"); }

absl::StatusOr<ShareProcess> StartShare(const Share& share, const std::string& program,
                                        const std::string& virtiofsd, const QemuUser& user) {
  const std::string at(absl::StripSuffix(share.socket, kSocketSuffix));
  if (mkdir(at.c_str(), 0700) < 0) return ErrnoError(errno, absl::StrCat("make ", at));
  VX_ASSIGN_OR_RETURN(UniqueFd socket, Listen(share.socket));
  VX_RETURN_IF_ERROR(GiveTo(share.socket, user));
  VX_ASSIGN_OR_RETURN(UniqueFd log, OpenFile(at + ".log", O_WRONLY | O_CREAT | O_TRUNC, 0600));
  VX_ASSIGN_OR_RETURN(Pipe go, MakePipe());
  SpawnOptions options;
  options.argv = Arguments(share, program, virtiofsd, at);
  options.fds = {{log.get(), 1}, {log.get(), 2}, {socket.get(), kSocketFd}, {go.read.get(), kGoFd}};
  options.new_session = true;
  ShareProcess process;
  VX_ASSIGN_OR_RETURN(process.pid, Spawn(options));
  VX_ASSIGN_OR_RETURN(process.pidfd, OpenPidfd(process.pid));
  process.go = std::move(go.write);
  return process;
}

}  // namespace vx::libvirt
