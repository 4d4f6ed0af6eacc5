#include "tests/leftovers/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <thread>

namespace vx::leftovers {
namespace {

int Enter(int fd, int type) {
  // A thread that shares its root with others can't change it.
  if (type == CLONE_NEWNS && unshare(CLONE_FS) < 0) return errno;
  return setns(fd, type) < 0 ? errno : 0;
}

}  // namespace

std::map<std::string, std::string> AllNamespaces(const Context& context, const std::string& type) {
  std::map<std::string, std::string> found;
  for (const Process& process : context.processes) {
    const std::string dir = "/proc/" + std::to_string(process.pid);
    const std::string& own = type == "mnt" ? process.mount_namespace : process.net_namespace;
    if (!own.empty()) found.emplace(own, dir + "/ns/" + type);
    for (const OpenFile& file : process.files) {
      if (!file.link.starts_with(type + ":[") || !file.what.starts_with("fd ")) continue;
      found.emplace(file.link, dir + "/fd/" + file.what.substr(3));
    }
  }
  for (const Mount& mount : context.mounts) {
    if (mount.type == "nsfs" && mount.root.starts_with(type + ":[")) {
      found.emplace(mount.root, mount.point);
    }
  }
  return found;
}

int InNamespace(const std::string& path, int type, const std::function<void()>& look) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = 0;
  std::thread([&] {
    error = Enter(fd, type);
    if (error == 0) look();
  }).join();
  close(fd);
  return error;
}

}  // namespace vx::leftovers
