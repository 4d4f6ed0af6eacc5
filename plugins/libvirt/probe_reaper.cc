#include "plugins/libvirt/probe_reaper.h"

#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"

namespace vx::libvirt {
namespace {

constexpr char kFolderPrefix[] = "qmp-";
constexpr char kPidFile[] = "/qmp.pid";
// QEMU keeps its pid file open: it is written, not closed.
constexpr uint32_t kWritten = IN_CREATE | IN_MODIFY | IN_ONLYDIR;

}  // namespace

void ReapChild(int pidfd) { waitid(P_PIDFD, static_cast<id_t>(pidfd), nullptr, WEXITED | WNOHANG); }

ProbeReaper::ProbeReaper(Watcher* watcher, std::string library_dir)
    : watcher_(watcher), dir_(std::move(library_dir)) {
  UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  inotify_ = inotify.get();
  if (inotify_add_watch(inotify_, dir_.c_str(), IN_CREATE | IN_ONLYDIR) < 0) return;
  watcher_->Add(std::move(inotify), [this] {
    ReadEvents();
    return true;
  });
}

void ProbeReaper::ReadEvents() {
  alignas(inotify_event) char buffer[4096];
  const ssize_t n = read(inotify_, buffer, sizeof buffer);
  for (ssize_t at = 0; at < n;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof *event + event->len);
    if (event->mask & IN_IGNORED) {
      folders_.erase(event->wd);
    } else if (auto it = folders_.find(event->wd); it != folders_.end()) {
      ReapWhenDead(it->second + kPidFile);
    } else if (event->len > 0 && absl::StartsWith(event->name, kFolderPrefix)) {
      const std::string folder = absl::StrCat(dir_, "/", event->name);
      const int watch = inotify_add_watch(inotify_, folder.c_str(), kWritten);
      if (watch >= 0) folders_[watch] = folder;
      ReapWhenDead(folder + kPidFile);
    }
  }
}

void ProbeReaper::ReapWhenDead(const std::string& pid_file) {
  auto content = ReadFile(pid_file);
  pid_t pid = 0;
  if (!content.ok() || !absl::SimpleAtoi(*content, &pid)) return;
  auto pidfd = OpenPidfd(pid);
  if (!pidfd.ok()) return;
  const int fd = pidfd->get();
  watcher_->Add(*std::move(pidfd), [fd] {
    ReapChild(fd);
    return false;
  });
}

}  // namespace vx::libvirt
