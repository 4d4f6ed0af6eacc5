// Files in the state and the runtime directory: of workloads that there are not,
// half made, or of a daemon that is gone. Domains of libvirt are among them.
#include <sys/stat.h>

#include <algorithm>

#include "tests/leftovers/context.h"

namespace vx::leftovers {
namespace {

constexpr size_t kDigestDigits = 64;
// What is in these is being made, or removed.
constexpr std::string_view kPassing[] = {"tmp", "incoming", "staging", ".staging", ".trash"};
// Where a libvirtd that is not embedded has its domains.
constexpr const char* kLibvirtDirs[] = {"/run/libvirt/qemu", "/var/lib/libvirt/qemu"};

bool IsTemporary(std::string_view name) {
  return name.ends_with(".tmp") || name.find(".tmp-") != name.npos;
}

bool IsPassing(std::string_view folder) {
  return std::ranges::find(kPassing, folder) != std::end(kPassing);
}

bool HoldsDigest(std::string_view name) {
  size_t digits = 0;
  for (char c : name) {
    digits = isxdigit(static_cast<unsigned char>(c)) ? digits + 1 : 0;
    if (digits == kDigestDigits) return true;
  }
  return false;
}

// What libvirt keeps of one domain that runs.
bool IsDomain(const std::string& path, std::string_view name) {
  const bool runs = path.find("/run/qemu/") != path.npos || path.starts_with(kLibvirtDirs[0]);
  if (runs && (name.ends_with(".pid") || name.ends_with(".xml"))) return name != "driver.pid";
  return path.find("/qemu/") != path.npos && name.starts_with("domain-");
}

class Walk {
 public:
  // `stored`: what is there outlives a run.
  Walk(Context& context, bool stored) : context_(context), stored_(stored) {}

  void Enter(const std::string& dir) {
    struct stat info = {};
    if (lstat(dir.c_str(), &info) < 0 || !S_ISDIR(info.st_mode)) return;
    device_ = info.st_dev;
    Visit(dir, /*of_workload=*/false);
  }

 private:
  // A workload's own folder is looked at, but not what is below.
  void Visit(const std::string& dir, bool of_workload) {
    const bool passing = IsPassing(std::string_view(dir).substr(dir.rfind('/') + 1));
    for (const std::string& name : Entries(dir)) {
      const std::string path = dir + "/" + name;
      struct stat info = {};
      if (lstat(path.c_str(), &info) < 0) continue;
      context_.inodes[InodeKey(info.st_dev, info.st_ino)] = path;
      const std::vector<std::string> uids = UidsIn(name, context_.marks.id());
      std::string why = passing || IsTemporary(name) ? "half made or half removed" : WhyNot(uids);
      const std::string kind = Kind(path, name, info.st_mode);
      if (why.empty() && kind != "file" && !of_workload) why = WhyNoDaemon(uids);
      if (!why.empty()) context_.Add(kind, path, why);
      const bool entered = S_ISDIR(info.st_mode) && info.st_dev == device_ && !HoldsDigest(name);
      if (why.empty() && entered && !of_workload) Visit(path, !uids.empty());
    }
  }

  static std::string Kind(const std::string& path, const std::string& name, mode_t mode) {
    return IsDomain(path, name) ? "domain" : S_ISSOCK(mode) ? "socket" : "file";
  }

  std::string WhyNot(const std::vector<std::string>& uids) const {
    for (const std::string& uid : uids) {
      if (stored_ && !context_.marks.Exists(uid)) return "there is no workload " + uid;
      if (!stored_ && !context_.marks.Runs(uid)) return "no workload " + uid + " runs";
    }
    return "";
  }

  std::string WhyNoDaemon(const std::vector<std::string>& uids) const {
    return uids.empty() && !context_.marks.alive() ? "its daemon does not run" : "";
  }

  Context& context_;
  const bool stored_;
  dev_t device_ = 0;
};

void FindForeignDomains(Context& context) {
  for (const char* dir : kLibvirtDirs) {
    for (const std::string& name : Entries(dir)) {
      if (context.IsLeft(name)) context.Add("domain", dir + ("/" + name), "no such VM may run");
    }
  }
}

// Those that a "…*" of the scope is for.
void FindNamed(Context& context, const std::string& pattern) {
  const size_t slash = pattern.rfind('/');
  const std::string dir = pattern.substr(0, slash);
  const std::string prefix = pattern.substr(slash + 1, pattern.size() - slash - 2);
  for (const std::string& name : Entries(dir.empty() ? "/" : dir)) {
    if (name.starts_with(prefix))
      context.Add("file", dir + "/" + name, "its name says whose it is");
  }
}

}  // namespace

void FindFiles(Context& context) {
  for (const std::string& dir : context.scope.dirs) {
    if (dir.ends_with('*') && dir.find('/') != dir.npos) FindNamed(context, dir);
  }
  FindForeignDomains(context);
  if (!context.scope.instance) return;
  Walk(context, /*stored=*/true).Enter(context.scope.instance->state_dir);
  Walk(context, /*stored=*/false).Enter(context.scope.instance->runtime_dir);
}

}  // namespace vx::leftovers
