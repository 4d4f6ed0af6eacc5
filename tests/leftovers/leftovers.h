// What vx left on a host: mounts, cgroups, network namespaces, links, nftables,
// processes, domains, sockets, claims, shared memory, files.
//
// The tests' own judge: it knows nothing of vx's code, only the kernel's files
// and the conventions that vx promises to its users:
//   - what is global to the host has the instance id, 8 hex digits, in its name,
//     and what is one workload's has the workload's uid, 32 hex digits;
//   - the instance id is the content of STATE/instance-id;
//   - /run/vx-id-ranges has a line "START INSTANCE UID" for each claim;
//   - all else is in the state and the runtime directory.
//
// Nothing here changes the host. What the caller may not read, as it is not root,
// is not found. Threads: namespaces are entered in threads that have ended when
// a function returns; several calls at once are fine.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <compare>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vx::leftovers {

// One vxd, and what of it may be there.
struct Instance {
  std::string state_dir;
  std::string runtime_dir;
  // Empty: as in STATE/instance-id; without that file, names are not looked for.
  std::string id;
  // It runs: what names no workload is its own.
  bool alive = false;
  // Uids of all workloads that its inventory holds; they may have files.
  std::set<std::string> workloads;
  // Those of them that may have processes, cgroups and all the rest.
  std::set<std::string> running;
};

// What counts. All that is set adds to it.
struct Scope {
  std::optional<Instance> instance;
  // What names one of these folders or is below it. With a "*" at the end: any
  // whose name begins so, and these too count.
  std::vector<std::string> dirs;
  // Processes of programs below this folder.
  std::string programs;
  // Whatever the instance: what has a name that begins with "vx", and all claims
  // and shared memory segments.
  bool host = false;
  // Whatever their names: mounts, links and nftables of the caller's namespaces,
  // and mounts without a place that processes there hold. For namespaces that
  // are the test's alone.
  bool here = false;
  // Children of `tester`, living or dead. Its dead ones always count.
  bool children = false;
  // 0: the caller. It, its parents and theirs never count.
  pid_t tester = 0;
  std::string claims_file = "/run/vx-id-ranges";
};

struct Finding {
  std::string kind;    // mount, cgroup, netns, link, nft, process, domain, socket, claim, shm, file
  std::string name;    // with the kind, tells it from all others
  std::string detail;  // why it counts

  // "KIND NAME: DETAIL", one line.
  std::string ToString() const;
  bool operator==(const Finding& other) const;
  std::strong_ordering operator<=>(const Finding& other) const;
};

struct Report {
  std::set<Finding> findings;
  // What could not be looked at, and why.
  std::set<std::string> notes;

  // The findings as text, for a matcher.
  std::vector<std::string> Lines() const;
};

Report Look(const Scope& scope);

// Looks again, every 20 ms, until nothing is found that is not in `before`, or
// `patience` is over; then tells what was there for the second half of that time.
Report LookAfter(const Scope& scope, const std::set<Finding>& before,
                 std::chrono::milliseconds patience);

// A report's findings in a file. Save returns an errno, Load nothing when the
// file can't be read.
int Save(const std::set<Finding>& findings, const std::string& path);
std::optional<std::set<Finding>> Load(const std::string& path);

}  // namespace vx::leftovers
