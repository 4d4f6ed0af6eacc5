// vx-share: shows one folder to the virtiofsd that it becomes, and nothing else of what is
// around it.
//
//   vx-share [--read-only] [--subpath PATH] [--go-fd FD] SOURCE AT PROGRAM ARGUMENT…
//
// Mounts SOURCE, or the folder PATH in it, on the folder AT in a mount namespace of its
// own, and runs PROGRAM there. What is in SOURCE is a workload's: no link in it is followed
// out of it, whoever swaps what meanwhile, and devices and set-user-id programs have no
// force. Read-only is so for PROGRAM, whatever its guest asks it for. With --go-fd it begins
// once a byte is read there: by then it is in its cgroup. Exit status 1: it could not, and
// stderr says why.
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

// <sys/mount.h> and <linux/mount.h> can't both be included.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;

namespace {

constexpr unsigned long kRecursiveSlave = (1UL << 14) | (1UL << 19);  // MS_REC | MS_SLAVE

int Fail(const char* what, const char* which) {
  fprintf(stderr, "vx-share: %s %s: %s\n", what, which, strerror(errno));
  return 1;
}

int OpenInside(int root, const char* path) {
  open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  long fd = -1;
  // EAGAIN: something was renamed meanwhile, anywhere on the host.
  for (int i = 0; i < 32 && fd < 0; ++i) {
    fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd < 0 && errno != EAGAIN) break;
  }
  return static_cast<int>(fd);
}

// Makes what is missing on the way.
int OpenSubpath(int source, const std::string& path) {
  int dir = OpenInside(source, "/");
  for (size_t begin = 0; dir >= 0 && begin < path.size();) {
    size_t end = path.find('/', begin);
    if (end == std::string::npos) end = path.size();
    const std::string name = path.substr(begin, end - begin), whole = path.substr(0, end);
    begin = end + 1;
    if (name.empty() || name == ".") continue;
    if (mkdirat(dir, name.c_str(), 0755) < 0 && errno != EEXIST) return -1;
    close(dir);
    dir = OpenInside(source, whole.c_str());
  }
  return dir;
}

struct Options {
  bool read_only = false;
  const char* subpath = nullptr;
  int go_fd = -1;
  const char* source = nullptr;
  const char* at = nullptr;
  char** program = nullptr;
};

bool Parse(char** argv, Options& options) {
  for (++argv; *argv != nullptr && strncmp(*argv, "--", 2) == 0; ++argv) {
    if (strcmp(*argv, "--read-only") == 0) {
      options.read_only = true;
    } else if (strcmp(*argv, "--subpath") == 0 && argv[1] != nullptr) {
      options.subpath = *++argv;
    } else if (strcmp(*argv, "--go-fd") == 0 && argv[1] != nullptr) {
      options.go_fd = atoi(*++argv);
    } else {
      return false;
    }
  }
  if (argv[0] == nullptr || argv[1] == nullptr || argv[2] == nullptr) return false;
  options.source = argv[0];
  options.at = argv[1];
  options.program = argv + 2;
  return true;
}

// False when nobody is there any more to say so.
bool WaitForGo(int fd) {
  char byte;
  const bool go = fd < 0 || read(fd, &byte, 1) == 1;
  if (fd >= 0) close(fd);
  return go;
}

// A mount of the folder that is nowhere yet; -1.
int CloneSource(const Options& options) {
  int folder = open(options.source, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0 && options.subpath != nullptr) folder = OpenSubpath(folder, options.subpath);
  if (folder < 0) return -1;
  const long tree = syscall(SYS_open_tree, folder, "",
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
  mount_attr attributes = {};
  attributes.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
  if (options.read_only) attributes.attr_set |= MOUNT_ATTR_RDONLY;
  if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                          sizeof attributes) < 0) {
    return -1;
  }
  return static_cast<int>(tree);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (argc < 1 || !Parse(argv, options)) {
    fputs("usage: vx-share [--read-only] [--subpath PATH] [--go-fd FD] SOURCE AT PROGRAM ARG...\n", stderr);
    return 2;
  }
  if (!WaitForGo(options.go_fd)) return 1;
  // Where this was mounted meanwhile is not shown to the host; what goes there goes here.
  if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", nullptr, kRecursiveSlave, nullptr) < 0) {
    return Fail("make a mount namespace for", options.source);
  }
  const int tree = CloneSource(options);
  if (tree < 0) return Fail("share", options.source);
  if (syscall(SYS_move_mount, tree, "", AT_FDCWD, options.at, MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    return Fail("mount on", options.at);
  }
  execv(options.program[0], options.program);
  return Fail("run", options.program[0]);
}
