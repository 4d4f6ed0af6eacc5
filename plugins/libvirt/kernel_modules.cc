#include "plugins/libvirt/kernel_modules.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::libvirt {
namespace {

constexpr size_t kMaxModule = 64 << 20;

using Archive = std::unique_ptr<archive, int (*)(archive*)>;

absl::Status BadModule(const std::string& path, archive* reader) {
  const char* why = archive_error_string(reader);
  return Error(absl::StatusCode::kDataLoss, "BAD_MODULE",
               absl::StrCat("cannot decompress ", path, ": ", why == nullptr ? "?" : why),
               "reinstall the kernel's package");
}

absl::StatusOr<std::string> Decompress(const std::string& path) {
  Archive reader(archive_read_new(), archive_read_free);
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry;
  if (archive_read_open_filename(reader.get(), path.c_str(), 65536) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    return BadModule(path, reader.get());
  }
  std::string content;
  char buffer[65536];
  la_ssize_t n;
  while ((n = archive_read_data(reader.get(), buffer, sizeof buffer)) > 0) {
    content.append(buffer, n);
    if (content.size() > kMaxModule) break;
  }
  if (n != 0) return BadModule(path, reader.get());
  return content;
}

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
  const bool plain = absl::EndsWith(path, ".ko");
  return plain ? ReadFile(path) : Decompress(path);
}

}  // namespace vx::libvirt
