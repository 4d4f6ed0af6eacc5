#include "plugins/agent/system.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include "plugins/agent/file.h"
#include "plugins/agent/network.h"
#include "plugins/agent/uevents.h"
#include "plugins/shim/copy_up.h"

namespace vx::agent {
namespace {

constexpr char kDisk[] = "/dev/vda";
constexpr char kNewRoot[] = "/newroot";
constexpr uint64_t kOverheadBlocks = 1024;
// From the kernel's fs/ext4/ext4.h, which no package exports.
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

struct GuestMount {
  const char* type;
  const char* target;
  unsigned long flags;
  const char* options;
};

constexpr GuestMount kGuestMounts[] = {
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=0620,gid=5,ptmxmode=0666"},
    {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=1777"},
    {"mqueue", "/dev/mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
    {"cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr},
};

struct Link {
  const char* target;
  const char* path;
};

constexpr Link kDevLinks[] = {
    {"/proc/self/fd", "/dev/fd"},
    {"/proc/self/fd/0", "/dev/stdin"},
    {"/proc/self/fd/1", "/dev/stdout"},
    {"/proc/self/fd/2", "/dev/stderr"},
};

void LoadModule(const std::string& name, const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)) {
    Complain("module %s: %s", name.c_str(), strerror(errno));
  }
  if (fd >= 0) close(fd);
}

void TakeModules(const char* list, bool wanted) {
  const std::string order = ReadSmallFile(list);
  size_t begin = 0;
  while (begin < order.size()) {
    size_t end = order.find('\n', begin);
    if (end == std::string::npos) end = order.size();
    const std::string name = order.substr(begin, end - begin);
    const std::string path = "/mods/" + name;
    if (!name.empty() && wanted) LoadModule(name, path);
    if (!name.empty()) unlink(path.c_str());
    begin = end + 1;
  }
}

bool MountDisk(int timeout_ms) {
  Uevents events;
  const Deadline deadline(timeout_ms);
  while (mount(kDisk, kNewRoot, "ext4", MS_NOATIME, nullptr) < 0) {
    if (errno != ENOENT && errno != ENXIO) {
      Complain("mount %s: %s", kDisk, strerror(errno));
      return false;
    }
    if (!events.WaitForNext(deadline)) {
      Complain("the disk %s did not appear", kDisk);
      return false;
    }
  }
  return true;
}

bool GrowFilesystem(int disk, int root) {
  struct statvfs size = {};
  uint64_t bytes = 0;
  if (fstatvfs(root, &size) < 0 || ioctl(disk, BLKGETSIZE64, &bytes) < 0) return false;
  uint64_t blocks = bytes / size.f_frsize;
  // statvfs counts without the filesystem's own blocks: a rough look is enough.
  const bool larger = blocks > size.f_blocks + size.f_blocks / 8 + kOverheadBlocks;
  return !larger || ioctl(root, EXT4_IOC_RESIZE_FS, &blocks) == 0;
}

bool GrowFilesystemAt(const char* path) {
  const int disk = open(kDisk, O_RDONLY | O_CLOEXEC);
  const int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool grown = GrowFilesystem(disk, root);
  const int problem = errno;
  close(root);
  close(disk);
  errno = problem;
  return grown;
}

void MoveMount(const char* name) {
  const std::string target = std::string(kNewRoot) + name;
  mkdir(target.c_str(), 0755);
  if (mount(name, target.c_str(), nullptr, MS_MOVE, nullptr) < 0) {
    Complain("move %s: %s", name, strerror(errno));
  }
}

bool MountTmpfs(const BootTmpfs& tmpfs) {
  const unsigned long flags = MS_NOSUID | MS_NODEV | (tmpfs.exec ? 0 : MS_NOEXEC);
  char options[64];
  snprintf(options, sizeof options, "size=%llu,mode=%o",
           static_cast<unsigned long long>(tmpfs.size_bytes), tmpfs.mode);
  if (MakeDirs(tmpfs.target) &&
      mount("tmpfs", tmpfs.target.c_str(), "tmpfs", flags, options) == 0) {
    return true;
  }
  Complain("tmpfs on %s: %s", tmpfs.target.c_str(), strerror(errno));
  return false;
}

// What the image has there is under the mount, and still open.
bool FillShare(const BootShare& share, int covered) {
  const int mounted = open(share.target.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  std::string error;
  const bool filled = mounted >= 0 && shim::CopyUp(covered, mounted, &error);
  if (!filled) Complain("fill %s: %s", share.target.c_str(), error.c_str());
  if (mounted >= 0) close(mounted);
  return filled;
}

// The disk with that serial number; empty: there is none.
std::string FindDisk(const std::string& serial) {
  for (char letter = 'b'; letter <= 'z'; ++letter) {
    const std::string name = std::string("vd") + letter;
    // The kernel's file has no newline.
    if (ReadSmallFile(("/sys/block/" + name + "/serial").c_str()) == serial) return "/dev/" + name;
  }
  return "";
}

bool MountShare(const BootShare& share) {
  const std::string tag = "vx" + std::to_string(share.number);
  const std::string source = share.disk ? FindDisk(tag) : tag;
  const unsigned long flags = MS_NODEV | MS_NOSUID | (share.read_only ? MS_RDONLY : 0);
  MakeDirs(share.target);
  const int covered = open(share.target.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  bool done = covered >= 0 &&
              mount(source.c_str(), share.target.c_str(), share.disk ? "ext4" : "virtiofs", flags,
                    nullptr) == 0;
  if (!done) Complain("mount on %s: %s", share.target.c_str(), strerror(errno));
  if (done && share.copy_up) done = FillShare(share, covered);
  if (covered >= 0) close(covered);
  return done;
}

// One that lies on another comes after it.
bool MountAsked(const BootConfig& config) {
  bool whole = true;
  auto share = config.shares.begin();
  for (const BootTmpfs& tmpfs : config.tmpfs) {
    while (share != config.shares.end() && share->target.size() < tmpfs.target.size()) {
      whole = MountShare(*share++) && whole;
    }
    whole = MountTmpfs(tmpfs) && whole;
  }
  while (share != config.shares.end()) whole = MountShare(*share++) && whole;
  return whole;
}

}  // namespace

void Complain(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  dprintf(STDERR_FILENO, "vx-agent: %s\n", line);
}

void MountEarly() {
  mkdir("/dev", 0755);
  mkdir("/proc", 0755);
  mkdir("/sys", 0755);
  mkdir(kNewRoot, 0755);
  mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
}

void LoadModules() { TakeModules("/mods.order", true); }

void LoadNetworkModules(bool wanted) { TakeModules("/mods.network", wanted); }

bool EnterRoot(int timeout_ms) {
  if (!MountDisk(timeout_ms)) return false;
  // The disk may be larger than the filesystem that the image brought.
  if (!GrowFilesystemAt(kNewRoot)) Complain("grow the root: %s", strerror(errno));
  for (const char* name : {"/dev", "/proc", "/sys"}) MoveMount(name);
  if (chdir(kNewRoot) < 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) < 0 || chroot(".") < 0 ||
      chdir("/") < 0) {
    Complain("switch to the root: %s", strerror(errno));
    return false;
  }
  return true;
}

uint64_t SinceBootNanos() {
  timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

bool GrowRoot() { return GrowFilesystemAt("/"); }

bool SetUpGuest(const BootConfig& config) {
  for (const GuestMount& m : kGuestMounts) {
    mkdir(m.target, 0755);
    if (mount(m.type, m.target, m.type, m.flags, m.options) < 0 && errno != ENODEV) {
      Complain("mount %s: %s", m.target, strerror(errno));
    }
  }
  for (const Link& link : kDevLinks) symlink(link.target, link.path);
  const bool whole = MountAsked(config);
  const std::string& hostname = config.hostname;
  if (!hostname.empty() && sethostname(hostname.data(), hostname.size()) < 0) {
    Complain("hostname: %s", strerror(errno));
  }
  if (!MakeDirs(config.working_dir)) {
    Complain("working directory %s: %s", config.working_dir.c_str(), strerror(errno));
  }
  SetUpNetwork(config);
  if (config.read_only) SealRoot();
  return whole;
}

long OomKills() {
  const std::string vmstat = ReadSmallFile("/proc/vmstat");
  const size_t at = vmstat.find("\noom_kill ");
  return at == std::string::npos ? 0 : atol(vmstat.c_str() + at + strlen("\noom_kill "));
}

void SealRoot() {
  sync();
  if (mount(nullptr, "/", nullptr, MS_REMOUNT | MS_RDONLY, nullptr) < 0) {
    Complain("seal the root: %s", strerror(errno));
  }
}

void PowerOff() {
  sync();
  reboot(RB_POWER_OFF);
  // No way to switch off: a reboot ends the machine too.
  reboot(RB_AUTOBOOT);
  while (true) pause();
}

}  // namespace vx::agent
