#include "plugins/libvirt/qemu_reaper.h"

#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/qemu_process.h"

namespace vx::libvirt {
namespace {

constexpr char kProbePrefix[] = "qmp-";
constexpr char kProbePidFile[] = "/qmp.pid";
constexpr char kPidFileSuffix[] = ".pid";
// QEMU keeps its pid file open: it is written, not closed.
constexpr uint32_t kWritten = IN_CREATE | IN_MODIFY | IN_ONLYDIR;

}  // namespace

QemuReaper::QemuReaper(Watcher* watcher, const std::string& pid_dir, std::string probe_dir)
    : watcher_(watcher), probe_dir_(std::move(probe_dir)) {
  EndProbes();
  UniqueFd inotify(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  inotify_ = inotify.get();
  probe_dir_watch_ = inotify_add_watch(inotify_, probe_dir_.c_str(), IN_CREATE | IN_ONLYDIR);
  if (!WatchPidFiles(pid_dir) && probe_dir_watch_ < 0) return;
  std::vector<QemuProcess> there;
  const auto names = ListDir(pid_dir);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    auto qemu = Await(absl::StrCat(pid_dir, "/", name));
    if (qemu.ok()) there.push_back(*std::move(qemu));
  }
  // From here on the watcher's thread is at work.
  for (QemuProcess& qemu : there) ReapWhenDead(std::move(qemu));
  watcher_->Add(std::move(inotify), [this] {
    ReadEvents();
    return true;
  }).IgnoreError();
}

void QemuReaper::EndProbes() const {
  const auto names = ListDir(probe_dir_);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    if (!absl::StartsWith(name, kProbePrefix)) continue;
    const std::string folder = absl::StrCat(probe_dir_, "/", name);
    auto probe = FindProcess(folder + kProbePidFile, folder);
    if (probe.ok()) SignalPidfd(probe->pidfd.get(), SIGKILL).IgnoreError();
    RemoveTree(folder).IgnoreError();
  }
}

bool QemuReaper::WatchPidFiles(const std::string& dir) {
  const int watch = inotify_add_watch(inotify_, dir.c_str(), kWritten);
  if (watch >= 0) folders_[watch] = dir;
  return watch >= 0;
}

void QemuReaper::ReadEvents() {
  alignas(inotify_event) char buffer[4096];
  const ssize_t n = read(inotify_, buffer, sizeof buffer);
  for (ssize_t at = 0; at < n;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof *event + event->len);
    const std::string name = event->len > 0 ? event->name : "";
    if (event->mask & IN_IGNORED) {
      folders_.erase(event->wd);
    } else if (event->wd == probe_dir_watch_) {
      if (!absl::StartsWith(name, kProbePrefix)) continue;
      const std::string folder = absl::StrCat(probe_dir_, "/", name);
      // It may have been written before it was watched.
      if (WatchPidFiles(folder)) ReapWhenDead(folder + kProbePidFile);
    } else if (auto it = folders_.find(event->wd); it != folders_.end()) {
      ReapWhenDead(absl::StrCat(it->second, "/", name));
    }
  }
}

absl::StatusOr<QemuProcess> QemuReaper::Await(const std::string& pid_file) {
  VX_ASSIGN_OR_RETURN(std::string content, ReadFile(pid_file));
  QemuProcess qemu;
  const bool other = !absl::EndsWith(pid_file, kPidFileSuffix) ||
                     !absl::SimpleAtoi(content, &qemu.pid) ||
                     // libvirt's own driver has a pid file too.
                     qemu.pid == getpid();
  if (other || awaited_.contains(qemu.pid)) return absl::NotFoundError(pid_file);
  VX_ASSIGN_OR_RETURN(qemu.pidfd, OpenPidfd(qemu.pid));
  awaited_.insert(qemu.pid);
  return qemu;
}

void QemuReaper::ReapWhenDead(const std::string& pid_file) {
  auto qemu = Await(pid_file);
  if (qemu.ok()) ReapWhenDead(*std::move(qemu));
}

void QemuReaper::ReapWhenDead(QemuProcess qemu) {
  const int fd = qemu.pidfd.get();
  watcher_->Add(std::move(qemu.pidfd), [this, pid = qemu.pid, fd] {
    Reap(pid, fd);
    return false;
  }).IgnoreError();
}

void QemuReaper::Reap(pid_t pid, int pidfd) {
  awaited_.erase(pid);
  if (!ReapPidfd(pidfd)) ReapOnceOurs(pid);
}

// One that dies at once may do so before the process in between, which libvirt
// started it by, has ended and left it to us.
void QemuReaper::ReapOnceOurs(pid_t pid) {
  auto pidfd = OpenPidfd(pid);
  auto parent = ParentOf(pid);
  if (!pidfd.ok() || !parent.ok()) return;
  auto parent_pidfd = OpenPidfd(*parent);
  // Another thread of ours may have reaped it meanwhile, or it may be ours by now.
  if (ReapPidfd(pidfd->get()) || !parent_pidfd.ok() || *parent == getpid()) return;
  // Of one that an earlier vxd started the host's init takes care.
  if (*parent == 1) return;
  auto orphan = std::make_shared<UniqueFd>(*std::move(pidfd));
  watcher_->Add(*std::move(parent_pidfd), [orphan] {
    ReapPidfd(orphan->get());
    return false;
  }).IgnoreError();
}

}  // namespace vx::libvirt
