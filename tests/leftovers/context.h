// One look at the host: what is read once, and the parts that look.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/leftovers/leftovers.h"
#include "tests/leftovers/marks.h"
#include "tests/leftovers/procfs.h"

namespace vx::leftovers {

struct Context {
  explicit Context(const Scope& scope);

  void Add(const std::string& kind, const std::string& name, const std::string& detail);
  void Note(const std::string& note) { report.notes.insert(note); }
  // Whether a thing on the host of that name counts.
  bool IsLeft(std::string_view name) const;

  const Scope& scope;
  const Marks marks;
  const std::vector<Process> processes;
  // The caller's own.
  const std::string mount_namespace;
  const std::string net_namespace;

  // By FindProcesses, for those that are not foreign.
  std::map<pid_t, Whose> whose;
  // By FindMounts: of all namespaces that were seen.
  std::vector<Mount> mounts;
  // By FindFiles: "DEVICE:INODE" to path, of all that it saw.
  std::map<std::string, std::string> inodes;

  Report report;
};

// In this order.
void FindProcesses(Context& context);
void FindFiles(Context& context);
void FindMounts(Context& context);
void FindCgroups(Context& context);
void FindNetworks(Context& context);
void FindClaims(Context& context);
void FindSharedMemory(Context& context);

// Its command line as far as a reader wants it, and its number.
std::string Described(const Process& process);

// "DEVICE:INODE".
std::string InodeKey(uint64_t device, uint64_t inode);

}  // namespace vx::leftovers
