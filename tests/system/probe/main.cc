// probe WHAT: tries, from inside a container, what it must not be able to do. Static.
//
//   calls   each system call that reaches the kernel's or another's own; one line each,
//           "NAME refused" or "NAME ERRNO"
//   fds     opens files until no more can be had; prints how many
//   inside  prints the device and inode of "." and "/"
//   reach, overwrite   live.h
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/system/probe/live.h"

namespace {

using Call = long (*)();

struct Attempt {
  const char* name;
  Call call;
};

long OpenByHandle() {
  // Of any root folder: what a well-known escape of containers asks for.
  struct {
    struct file_handle handle;
    unsigned char bytes[8];
  } root = {{8, 1, {}}, {2}};
  return syscall(SYS_open_by_handle_at, AT_FDCWD, &root.handle, O_RDONLY);
}

long NewNamespaces() {
  const long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (pid == 0) _exit(0);
  return pid;
}

long DiskNode() {
  return mknod("/disk", S_IFBLK | 0600, makedev(254, 0)) < 0 ? -1 : open("/disk", O_RDONLY);
}

long MemoryNode() {
  return mknod("/mem", S_IFCHR | 0600, makedev(1, 1)) < 0 ? -1 : open("/mem", O_RDONLY);
}

long PerfEvent() {
  perf_event_attr attr{};
  attr.size = sizeof attr;
  return syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
}

const Attempt kAttempts[] = {
    {"init_module", [] { return syscall(SYS_init_module, "", 0, ""); }},
    {"finit_module", [] { return syscall(SYS_finit_module, 0, "", 0); }},
    {"delete_module", [] { return syscall(SYS_delete_module, "loop", O_NONBLOCK); }},
    {"kexec_load", [] { return syscall(SYS_kexec_load, 0, 0, nullptr, 0); }},
    {"unshare", [] { return long{unshare(CLONE_NEWUSER)}; }},
    {"unshare_mount", [] { return long{unshare(CLONE_NEWNS)}; }},
    {"clone", NewNamespaces},
    {"setns", [] { return long{setns(open("/proc/1/ns/net", O_RDONLY), 0)}; }},
    {"mount", [] { return long{mount("none", "/mnt", "tmpfs", 0, nullptr)}; }},
    {"mount_cgroup", [] { return long{mount("none", "/mnt", "cgroup", 0, "rdma")}; }},
    {"remount_sys", [] { return long{mount("none", "/sys", nullptr, MS_REMOUNT, nullptr)}; }},
    {"umount", [] { return long{umount2("/proc/sys", MNT_DETACH)}; }},
    {"fsopen", [] { return syscall(SYS_fsopen, "tmpfs", 0); }},
    {"open_tree", [] { return syscall(SYS_open_tree, AT_FDCWD, "/", 1); }},
    {"pivot_root", [] { return syscall(SYS_pivot_root, ".", "."); }},
    {"bpf", [] { return syscall(SYS_bpf, BPF_PROG_LOAD, nullptr, 0); }},
    {"perf_event_open", PerfEvent},
    {"userfaultfd", [] { return syscall(SYS_userfaultfd, O_CLOEXEC); }},
    {"io_uring_setup", [] { return syscall(SYS_io_uring_setup, 1, nullptr); }},
    {"keyctl", [] { return syscall(SYS_keyctl, 0, -4, 1, 0, 0); }},
    {"add_key", [] { return syscall(SYS_add_key, "user", "x", "y", 1, -4); }},
    {"open_by_handle_at", OpenByHandle},
    {"iopl", [] { return syscall(SYS_iopl, 3); }},
    {"reboot", [] { return syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, nullptr); }},
    {"swapoff", [] { return syscall(SYS_swapoff, "/none"); }},
    {"settimeofday", [] { return syscall(SYS_settimeofday, nullptr, nullptr); }},
    {"sethostname", [] { return long{sethostname("x", 1)}; }},
    {"syslog", [] { return syscall(SYS_syslog, 10, nullptr, 0); }},
    {"quotactl", [] { return syscall(SYS_quotactl, 0, "/", 0, nullptr); }},
    {"acct", [] { return syscall(SYS_acct, "/acct"); }},
    {"disk_node", DiskNode},
    {"memory_node", MemoryNode},
};

bool IsRefusal(int error) { return error == EPERM || error == ENOSYS || error == EACCES; }

int TryCalls() {
  for (const Attempt& attempt : kAttempts) {
    errno = 0;
    const long result = attempt.call();
    const int error = result < 0 ? errno : 0;
    printf("%s %s\n", attempt.name,
           IsRefusal(error) ? "refused" : (error == 0 ? "DONE" : strerror(error)));
  }
  return 0;
}

int TakeDescriptors() {
  int count = 0;
  while (open("/dev/null", O_RDONLY) >= 0) ++count;
  printf("%d %s\n", count, errno == EMFILE ? "EMFILE" : strerror(errno));
  return 0;
}

int ShowPlace() {
  struct stat here{}, root{};
  if (stat(".", &here) < 0 || stat("/", &root) < 0) return 1;
  printf("%lu:%lu %lu:%lu\n", here.st_dev, here.st_ino, root.st_dev, root.st_ino);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc == 2 ? argv[1] : "";
  if (strcmp(what, "calls") == 0) return TryCalls();
  if (strcmp(what, "fds") == 0) return TakeDescriptors();
  if (strcmp(what, "inside") == 0) return ShowPlace();
  if (strcmp(what, "reach") == 0) ReachIn();
  if (strcmp(what, "overwrite") == 0) Overwrite();
  fprintf(stderr, "usage: probe calls|fds|inside|reach|overwrite\n");
  return 2;
}
