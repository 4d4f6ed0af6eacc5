// Reaps the QEMUs that libvirt starts: of VMs, and those by which it finds out what
// QEMU can do.
//
// In embedded mode they become children of vxd, a subreaper. libvirt waits until
// one that died is gone altogether: when nobody reaps it, for seconds after a probe
// and for a minute after a VM that died while it was started.
#pragma once

#include <sys/types.h>

#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/base/watcher.h"
#include "plugins/libvirt/qemu_process.h"

namespace vx::libvirt {

class QemuReaper {
 public:
  // Watches two folders, there already, for libvirt's pid files: `pid_dir` has one
  // for each VM, of this vxd or of one whose place it took, `probe_dir` a folder with
  // one for each probe. Comes before libvirt is opened, and ends the probes that an earlier vxd was
  // killed in. Borrows the watcher, which ends before the reaper does.
  QemuReaper(Watcher* watcher, const std::string& pid_dir, std::string probe_dir);
  QemuReaper(const QemuReaper&) = delete;
  QemuReaper& operator=(const QemuReaper&) = delete;

 private:
  void EndProbes() const;
  bool WatchPidFiles(const std::string& dir);
  void ReadEvents();
  // NOT_FOUND unless it is the pid file of a QEMU that is not awaited yet.
  absl::StatusOr<QemuProcess> Await(const std::string& pid_file);
  void ReapWhenDead(const std::string& pid_file);
  void ReapWhenDead(QemuProcess qemu);
  void Reap(pid_t pid, int pidfd);
  void ReapOnceOurs(pid_t pid);

  Watcher* const watcher_;
  const std::string probe_dir_;
  int inotify_ = -1;  // owned by the watcher
  // Used on the watcher's thread only, once it is told of inotify_.
  int probe_dir_watch_ = -1;
  std::map<int, std::string> folders_;
  std::set<pid_t> awaited_;
};

}  // namespace vx::libvirt
