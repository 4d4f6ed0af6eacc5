// Groups in every hierarchy that is mounted.
#include <sys/stat.h>

#include "tests/leftovers/context.h"

namespace vx::leftovers {
namespace {

std::string Members(const std::string& group) {
  const size_t count = Split(ReadAll(group + "/cgroup.procs"), '\n').size();
  return count == 0 ? "empty" : "with " + std::to_string(count) + " processes";
}

void Walk(Context& context, const std::string& dir) {
  for (const std::string& name : Entries(dir)) {
    const std::string path = dir + "/" + name;
    struct stat info = {};
    if (lstat(path.c_str(), &info) < 0 || !S_ISDIR(info.st_mode)) continue;
    const Whose whose = context.marks.Of(path);
    // The parent of those that run stays for them.
    const bool needed = whose == Whose::kInstance && context.marks.anything_runs();
    if (context.IsLeft(path) && !needed) context.Add("cgroup", path, Members(path));
    Walk(context, path);
  }
}

// Hierarchies are told apart by their controllers.
void NoteMissing(Context& context, const std::set<std::string>& mounted) {
  for (const std::string& line : Split(ReadAll("/proc/thread-self/cgroup"), '\n')) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (mounted.contains(controllers)) continue;
    const std::string name = controllers.empty() ? "of version 2" : controllers;
    context.Note("cgroups: the hierarchy " + name + " is not mounted, hence not looked at");
  }
}

// "name=systemd" or "cpu,cpuacct" of a v1 mount's options.
std::string Controllers(const Mount& mount) {
  if (mount.type == "cgroup2") return "";
  std::string controllers;
  static const std::set<std::string> kOptions = {
      "rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "favordynmods"};
  const std::string options = mount.line.substr(mount.line.rfind(' ') + 1);
  for (const std::string& option : Split(options, ',')) {
    if (kOptions.contains(option) || option.starts_with("release_agent=")) continue;
    controllers += (controllers.empty() ? "" : ",") + option;
  }
  return controllers;
}

}  // namespace

void FindCgroups(Context& context) {
  std::set<std::string> mounted;
  for (const Mount& mount : ParseMounts(ReadAll("/proc/thread-self/mountinfo"))) {
    if (!mount.type.starts_with("cgroup")) continue;
    if (mounted.insert(Controllers(mount)).second) Walk(context, mount.point);
  }
  NoteMissing(context, mounted);
}

}  // namespace vx::leftovers
