#include "plugins/libvirt/kernel_modules.h"

#include <elf.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/kernel_image.h"

namespace vx::libvirt {
namespace {

constexpr size_t kMaxModule = 64 << 20;

}  // namespace

std::string ModuleName(absl::string_view path) {
  path.remove_prefix(path.rfind('/') + 1);
  return absl::StrReplaceAll(path.substr(0, path.find(".ko")), {{"-", "_"}});
}

absl::StatusOr<KernelModules> KernelModules::Open(const std::string& dir) {
  VX_ASSIGN_OR_RETURN(std::string dep, ReadFile(absl::StrCat(dir, "/modules.dep")));
  VX_ASSIGN_OR_RETURN(std::string builtin, ReadFile(absl::StrCat(dir, "/modules.builtin")));
  return Parse(dir, dep, builtin);
}

KernelModules KernelModules::Parse(const std::string& dir, absl::string_view dep,
                                   absl::string_view builtin) {
  KernelModules modules;
  modules.dir_ = dir;
  for (absl::string_view line : absl::StrSplit(dep, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(':', 1));
    Module module;
    module.path = std::string(halves.first);
    for (absl::string_view need : absl::StrSplit(halves.second, ' ', absl::SkipEmpty())) {
      module.needs.push_back(ModuleName(need));
    }
    modules.modules_[ModuleName(halves.first)] = std::move(module);
  }
  for (absl::string_view line : absl::StrSplit(builtin, '\n', absl::SkipEmpty())) {
    modules.builtin_.insert(ModuleName(line));
  }
  return modules;
}

absl::StatusOr<std::vector<std::string>> KernelModules::Resolve(
    const std::vector<std::string>& names) const {
  std::vector<std::string> paths;
  auto add = [&](const std::string& name) -> absl::Status {
    if (builtin_.count(name) > 0) return absl::OkStatus();
    auto it = modules_.find(name);
    if (it == modules_.end()) {
      return Error(absl::StatusCode::kNotFound, "NO_MODULE",
                   absl::StrCat("the kernel of ", dir_, " has no module ", name),
                   "install linux-image-cloud-amd64, or choose a kernel by vm.kernel");
    }
    std::string path = absl::StrCat(dir_, "/", it->second.path);
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
      paths.push_back(std::move(path));
    }
    return absl::OkStatus();
  };
  for (const std::string& name : names) {
    // depmod lists all that a module needs, what must come first last.
    if (auto it = modules_.find(name); it != modules_.end()) {
      const std::vector<std::string>& needs = it->second.needs;
      for (auto need = needs.rbegin(); need != needs.rend(); ++need) {
        VX_RETURN_IF_ERROR(add(*need));
      }
    }
    VX_RETURN_IF_ERROR(add(name));
  }
  return paths;
}

absl::StatusOr<std::string> ReadModule(const std::string& path) {
  VX_ASSIGN_OR_RETURN(std::string content, ReadFile(path));
  absl::Status why = absl::DataLossError("it is no module");
  if (!absl::EndsWith(path, ".ko")) {
    auto unpacked = Decompress(content, kMaxModule);
    why = unpacked.ok() ? why : unpacked.status();
    content = std::move(unpacked).value_or("");
  }
  if (absl::StartsWith(content, ELFMAG)) return content;
  return Error(absl::StatusCode::kDataLoss, "BAD_MODULE", absl::StrCat(path, ": ", why.message()),
               "reinstall the kernel's package");
}

}  // namespace vx::libvirt
