// Mounts of all mount namespaces, and those that have a place in none any more.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "tests/leftovers/context.h"
#include "tests/leftovers/namespaces.h"

namespace vx::leftovers {
namespace {

// Mounts inside the kernel, which no namespace has.
constexpr std::string_view kInternal[] = {"/memfd:", "/SYSV", "/dev/zero",  "/[",      "/anon_",
                                          "/drm",    "/i915", "/secretmem", "/dmabuf", "/kvm-"};

// By namespace.
using MountTables = std::map<std::string, std::vector<Mount>>;

void Append(std::vector<Mount>& to, std::vector<Mount> from) {
  to.insert(to.end(), from.begin(), from.end());
}

std::string Root(const Process& process) {
  for (const OpenFile& file : process.files) {
    if (file.what == "root") return file.link;
  }
  return "";
}

// A process sees what is below its root only: those of one namespace that have
// other roots are asked too.
MountTables ReadTables(const Context& context) {
  MountTables tables;
  tables[context.mount_namespace] = ParseMounts(ReadAll("/proc/thread-self/mountinfo"));
  std::set<std::string> asked;
  for (const Process& process : context.processes) {
    const std::string dir = "/proc/" + std::to_string(process.pid);
    const std::string& own = process.mount_namespace;
    if (own.empty() || !asked.insert(own + Root(process)).second) continue;
    Append(tables[own], ParseMounts(ReadAll(dir + "/mountinfo")));
  }
  return tables;
}

// Namespaces in which no process is.
void ReadHeldTables(Context& context, MountTables& tables) {
  const int proc = open("/proc/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (const auto& [name, path] : AllNamespaces(context, "mnt")) {
    if (tables.contains(name)) continue;
    std::string text;
    InNamespace(path, CLONE_NEWNS, [&, &table = path] {
      // By the outer /proc; there may be none in there.
      if (fchdir(proc) == 0) text = ReadAll("thread-self/mountinfo");
    });
    tables[name] = ParseMounts(text);
  }
  close(proc);
}

// Namespaces of workloads that may run.
std::set<std::string> OwnedNamespaces(const Context& context) {
  std::set<std::string> owned;
  for (const Process& process : context.processes) {
    const auto it = context.whose.find(process.pid);
    if (it != context.whose.end() && it->second == Whose::kOwned) {
      owned.insert(process.mount_namespace);
    }
  }
  owned.erase(context.mount_namespace);
  return owned;
}

void AddMount(Context& context, const Mount& mount, const std::string& name_space) {
  const bool network = mount.type == "nsfs" && mount.root.starts_with("net:[");
  context.Add(network ? "netns" : "mount",
              mount.point + " in " + name_space + ", number " + std::to_string(mount.id),
              mount.line.substr(mount.line.find(" - ") + 3) + " of " + mount.root);
}

void JudgeTable(Context& context, const std::string& name_space, const std::vector<Mount>& mounts,
                bool owned) {
  const bool all = context.scope.here && name_space == context.mount_namespace;
  for (const Mount& mount : mounts) {
    const Whose whose = context.marks.Of(mount.line);
    const bool fine = owned && whose == Whose::kInstance;
    const bool bound = mount.type == "nsfs" && context.IsLeft(mount.point);
    if (all || bound || (context.marks.IsLeft(whose) && !fine)) {
      AddMount(context, mount, name_space);
    }
  }
}

bool IsInternal(const OpenFile& file) {
  return file.mount_id == 0 || std::ranges::any_of(kInternal, [&](std::string_view begin) {
           return file.link.starts_with(begin);
         });
}

// Files on a mount that has no place any more (MNT_DETACH, open_tree).
void FindDetached(Context& context, const std::set<uint64_t>& placed) {
  for (const Process& process : context.processes) {
    const bool here = context.scope.here && process.mount_namespace == context.mount_namespace;
    for (const OpenFile& file : process.files) {
      if (IsInternal(file) || placed.contains(file.mount_id)) continue;
      const auto known = context.inodes.find(InodeKey(file.device, file.inode));
      const bool left =
          known != context.inodes.end() && context.marks.IsLeft(context.marks.Of(known->second));
      if (!here && !left) continue;
      context.Add("mount", "without a place, number " + std::to_string(file.mount_id),
                  Described(process) + " has it as " + file.what + ", " +
                      (left ? known->second : file.link));
    }
  }
}

}  // namespace

void FindMounts(Context& context) {
  MountTables tables = ReadTables(context);
  for (const auto& [name, mounts] : tables) Append(context.mounts, mounts);
  ReadHeldTables(context, tables);
  const std::set<std::string> owned = OwnedNamespaces(context);
  std::set<uint64_t> placed;
  for (const auto& [name, mounts] : tables) {
    for (const Mount& mount : mounts) placed.insert(mount.id);
    JudgeTable(context, name, mounts, owned.contains(name));
  }
  FindDetached(context, placed);
}

}  // namespace vx::leftovers
