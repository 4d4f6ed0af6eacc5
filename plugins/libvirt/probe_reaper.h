// Reaps the QEMUs by which libvirt finds out what QEMU can do.
//
// In embedded mode they become children of vxd, a subreaper; libvirt waits until
// they are gone altogether, for seconds when nobody reaps them.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "plugins/libvirt/watcher.h"

namespace vx::libvirt {

class ProbeReaper {
 public:
  // Watches `library_dir` (EMBED_ROOT/lib/qemu, there already), where libvirt
  // makes a folder with a pid file for each. Borrows the watcher, which ends
  // before the reaper does.
  ProbeReaper(Watcher* watcher, std::string library_dir);
  ProbeReaper(const ProbeReaper&) = delete;
  ProbeReaper& operator=(const ProbeReaper&) = delete;

 private:
  void ReadEvents();
  void ReapWhenDead(const std::string& pid_file);

  Watcher* const watcher_;
  const std::string dir_;
  int inotify_ = -1;  // owned by the watcher
  // Used on the watcher's thread only.
  std::map<int, std::string> folders_;
};

// Reaps the process once it has ended, if it is a child of ours.
void ReapChild(int pidfd);

}  // namespace vx::libvirt
