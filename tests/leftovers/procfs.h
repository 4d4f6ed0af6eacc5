// The kernel's files, read.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vx::leftovers {

// All of it; nothing when it can't be read.
std::string ReadAll(const std::string& path);
std::string ReadLink(const std::string& path);
// Names, sorted, without "." and "..".
std::vector<std::string> Entries(const std::string& dir);

std::vector<std::string> Split(std::string_view text, char separator);
// The first of the words, which blanks and newlines part.
std::string FirstWord(const std::string& text);

struct Mount {
  int id = 0;
  std::string root;
  std::string point;
  std::string type;
  std::string source;
  std::string line;  // all of it, blanks in names as blanks
};

// The lines of a mountinfo file.
std::vector<Mount> ParseMounts(const std::string& mountinfo);

// Something that a process holds open, or stands in.
struct OpenFile {
  std::string what;                              // "fd 3", "cwd", "root"
  std::string link;                              // where it leads to
  uint64_t mount_id = 0, device = 0, inode = 0;  // 0 where it is no file
};

struct Process {
  pid_t pid = 0, parent = 0;
  char state = '?';
  uint64_t start = 0;  // clock ticks since boot
  std::string name;
  std::string program;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<std::string> cgroups;  // "HIERARCHY:CONTROLLERS:PATH"
  std::vector<OpenFile> files;
  std::string mount_namespace;  // "mnt:[4026531832]"; empty when it may not be read
  std::string net_namespace;

  bool ended() const { return state == 'Z' || state == 'X'; }
  std::string CommandLine() const;
};

// Every process but the kernel's own.
std::vector<Process> ReadProcesses();

// `pid`, its parent and so on.
std::set<pid_t> WithParents(const std::vector<Process>& processes, pid_t pid);

}  // namespace vx::leftovers
