#include "plugins/agent/name_files.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "plugins/agent/file.h"

namespace vx::agent {
namespace {

constexpr unsigned long kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

// Makes it where it is not there.
bool Touch(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

// Where a link leads; `path` itself where it is none.
std::string Follow(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t n = readlink(path.c_str(), target, sizeof target);
  if (n <= 0) return path;
  const std::string text(target, static_cast<size_t>(n));
  return text[0] == '/' ? text : FolderOf(path) + "/" + text;
}

bool MakeTarget(const std::string& path) {
  if (Touch(path)) return true;
  return errno == ENOENT && MakeDirs(FolderOf(Follow(path))) && Touch(path);
}

bool WriteAll(const std::string& path, const std::string& content) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd < 0) return false;
  const ssize_t n = write(fd, content.data(), content.size());
  if (n >= 0 && static_cast<size_t>(n) != content.size()) errno = ENOSPC;
  close(fd);
  return n == static_cast<ssize_t>(content.size());
}

bool PutFile(const NameFile& file, const std::string& source) {
  return WriteAll(source, file.content) && MakeTarget(file.target) &&
         mount(source.c_str(), file.target.c_str(), nullptr, MS_BIND, nullptr) == 0;
}

std::string Reason(const std::string& what) { return what + ": " + strerror(errno); }

}  // namespace

std::vector<std::string> PutNameFiles(const std::vector<NameFile>& files,
                                      const std::string& scratch) {
  std::vector<std::string> complaints;
  if (files.empty()) return complaints;
  mkdir(scratch.c_str(), 0700);
  if (mount("tmpfs", scratch.c_str(), "tmpfs", kFlags, "size=2m,mode=0755") < 0) {
    complaints.push_back(Reason("memory for the files of names"));
  } else {
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string source = scratch + "/" + std::to_string(i);
      if (!PutFile(files[i], source)) complaints.push_back(Reason("put " + files[i].target));
    }
    umount2(scratch.c_str(), MNT_DETACH);
  }
  rmdir(scratch.c_str());
  return complaints;
}

}  // namespace vx::agent
