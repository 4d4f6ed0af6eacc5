#include "tests/leftovers/procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace vx::leftovers {
namespace {

// Above this, descriptors name the same few things.
constexpr size_t kMaxFiles = 4096;
constexpr pid_t kKernel = 2;

// Octal "\040" for a blank, and so on.
std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3') {
      plain += static_cast<char>(strtol(std::string(text.substr(i + 1, 3)).c_str(), nullptr, 8));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

OpenFile Inspect(const std::string& path, const std::string& what) {
  OpenFile file;
  file.what = what;
  file.link = ReadLink(path);
  struct statx info = {};
  if (file.link.starts_with('/') &&
      statx(AT_FDCWD, path.c_str(), AT_STATX_DONT_SYNC, STATX_INO | STATX_MNT_ID, &info) == 0) {
    file.mount_id = info.stx_mnt_id;
    file.device = makedev(info.stx_dev_major, info.stx_dev_minor);
    file.inode = info.stx_ino;
  }
  return file;
}

std::vector<OpenFile> ReadFiles(const std::string& dir) {
  std::vector<OpenFile> files = {Inspect(dir + "/cwd", "cwd"), Inspect(dir + "/root", "root")};
  for (const std::string& fd : Entries(dir + "/fd")) {
    if (files.size() >= kMaxFiles) break;
    files.push_back(Inspect(dir + "/fd/" + fd, "fd " + fd));
  }
  std::erase_if(files, [](const OpenFile& file) { return file.link.empty(); });
  return files;
}

// "PID (NAME) STATE PARENT …"; the name may hold anything. Field 22 is the start.
bool ParseStat(const std::string& text, Process& process) {
  const size_t open = text.find('('), close = text.rfind(')');
  if (open == text.npos || close == text.npos) return false;
  const std::vector<std::string> fields = Split(std::string_view(text).substr(close + 2), ' ');
  if (fields.size() < 20) return false;
  process.name = text.substr(open + 1, close - open - 1);
  process.state = fields[0][0];
  process.parent = atoi(fields[1].c_str());
  process.start = strtoull(fields[19].c_str(), nullptr, 10);
  return true;
}

bool ReadProcess(pid_t pid, Process& process) {
  const std::string dir = "/proc/" + std::to_string(pid);
  process.pid = pid;
  if (!ParseStat(ReadAll(dir + "/stat"), process)) return false;
  if (pid == kKernel || process.parent == kKernel) return false;
  process.program = ReadLink(dir + "/exe");
  process.arguments = Split(ReadAll(dir + "/cmdline"), '\0');
  process.environment = Split(ReadAll(dir + "/environ"), '\0');
  process.cgroups = Split(ReadAll(dir + "/cgroup"), '\n');
  process.mount_namespace = ReadLink(dir + "/ns/mnt");
  process.net_namespace = ReadLink(dir + "/ns/net");
  process.files = ReadFiles(dir);
  return true;
}

}  // namespace

std::string ReadAll(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return "";
  std::string text;
  char buffer[65536];
  ssize_t n = 0;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
  close(fd);
  return text;
}

std::string ReadLink(const std::string& path) {
  char target[4096];
  const ssize_t n = readlink(path.c_str(), target, sizeof target);
  return n > 0 ? std::string(target, static_cast<size_t>(n)) : "";
}

std::vector<std::string> Entries(const std::string& dir) {
  std::vector<std::string> names;
  std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(dir.c_str()), closedir);
  if (!stream) return names;
  while (const dirent* entry = readdir(stream.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string FirstWord(const std::string& text) {
  return text.substr(0, text.find_first_of(" \t\r\n"));
}

std::vector<Mount> ParseMounts(const std::string& mountinfo) {
  std::vector<Mount> mounts;
  for (const std::string& line : Split(mountinfo, '\n')) {
    const std::vector<std::string> fields = Split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 7 || fields.end() - dash < 3) continue;
    Mount mount;
    mount.id = atoi(fields[0].c_str());
    mount.root = Unescape(fields[3]);
    mount.point = Unescape(fields[4]);
    mount.type = dash[1];
    mount.source = Unescape(dash[2]);
    mount.line = Unescape(line);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::string Process::CommandLine() const {
  std::string line;
  for (const std::string& argument : arguments) line += (line.empty() ? "" : " ") + argument;
  return line.empty() ? "(" + name + ")" : line;
}

std::vector<Process> ReadProcesses() {
  std::vector<Process> processes;
  for (const std::string& name : Entries("/proc")) {
    const pid_t pid = atoi(name.c_str());
    Process process;
    if (pid > 0 && ReadProcess(pid, process)) processes.push_back(std::move(process));
  }
  return processes;
}

std::set<pid_t> WithParents(const std::vector<Process>& processes, pid_t pid) {
  std::map<pid_t, pid_t> parents;
  for (const Process& process : processes) parents[process.pid] = process.parent;
  std::set<pid_t> line;
  while (pid > 0 && line.insert(pid).second) pid = parents.contains(pid) ? parents[pid] : 0;
  return line;
}

}  // namespace vx::leftovers
