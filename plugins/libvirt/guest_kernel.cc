#include "plugins/libvirt/guest_kernel.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cctype>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/cpio.h"
#include "plugins/libvirt/kernel_image.h"
#include "plugins/libvirt/kernel_modules.h"

namespace vx::libvirt {
namespace {

constexpr char kPrefix[] = "vmlinuz-";
constexpr char kHint[] = "install linux-image-cloud-amd64, or name a kernel by vm.kernel";

// Each costs boot time: only what a root disk and an output port take.
const std::vector<std::string>& NeededModules() {
  static const auto* const kModules =
      new std::vector<std::string>{"virtio_pci", "virtio_blk", "virtio_console"};
  return *kModules;
}

// Those that a guest is better off with; a kernel may lack them.
const std::vector<std::string>& UsefulModules() {
  static const auto* const kModules = new std::vector<std::string>{"virtio_balloon"};
  return *kModules;
}

constexpr char kNetworkModule[] = "virtio_net";

// Those of a guest with folders of the host.
const std::vector<std::string>& SharingModules() {
  static const auto* const kModules = new std::vector<std::string>{"virtiofs"};
  return *kModules;
}

// With `more`, all of which it must have.
absl::StatusOr<GuestModules> FindModules(const GuestKernel& kernel,
                                         const std::vector<std::string>& more = {}) {
  VX_ASSIGN_OR_RETURN(KernelModules modules, KernelModules::Open(kernel.modules));
  std::vector<std::string> names = NeededModules();
  VX_RETURN_IF_ERROR(modules.Resolve(names).status());
  for (const std::string& name : UsefulModules()) {
    if (modules.Resolve({name}).ok()) names.push_back(name);
  }
  names.insert(names.end(), more.begin(), more.end());
  GuestModules found;
  VX_ASSIGN_OR_RETURN(found.boot, modules.Resolve(names));
  names.push_back(kNetworkModule);
  auto all = modules.Resolve(names);
  if (all.ok()) found.network.assign(all->begin() + found.boot.size(), all->end());
  return found;
}

// Puts them into the archive, and their names into its file `list`.
absl::Status AddModules(CpioWriter& archive, const std::vector<std::string>& paths,
                        const std::string& list) {
  std::string order;
  for (const std::string& path : paths) {
    const std::string name = absl::StrCat(ModuleName(path), ".ko");
    VX_ASSIGN_OR_RETURN(std::string module, ReadModule(path));
    archive.AddFile(absl::StrCat("mods/", name), 0644, module);
    absl::StrAppend(&order, name, "\n");
  }
  archive.AddFile(list, 0644, order);
  return absl::OkStatus();
}

bool IsCloud(const std::string& version) { return absl::StrContains(version, "cloud"); }

// Takes a number or a run of other characters off the front.
absl::string_view TakePart(absl::string_view& rest) {
  size_t n = 1;
  const bool digits = isdigit(static_cast<unsigned char>(rest[0])) != 0;
  while (n < rest.size() && (isdigit(static_cast<unsigned char>(rest[n])) != 0) == digits) ++n;
  absl::string_view part = rest.substr(0, n);
  rest.remove_prefix(n);
  return part;
}

bool Bootable(const GuestKernel& kernel) { return FindModules(kernel).ok(); }

absl::StatusOr<GuestKernel> NamedKernel(const std::string& path, const KernelFolders& folders) {
  GuestKernel kernel = {.path = path};
  absl::string_view name = path;
  name.remove_prefix(name.rfind('/') + 1);
  kernel.version = std::string(absl::StripPrefix(name, kPrefix));
  kernel.modules = absl::StrCat(folders.modules, "/", kernel.version);
  if (!PathExists(path)) {
    return Error(absl::StatusCode::kNotFound, "NO_GUEST_KERNEL",
                 absl::StrCat("there is no guest kernel at ", path, " (vm.kernel)"), kHint);
  }
  const absl::Status modules = FindModules(kernel).status();
  if (modules.ok()) return kernel;
  return Error(absl::StatusCode::kNotFound, "NO_GUEST_KERNEL",
               absl::StrCat("the guest kernel ", path,
                            " can't boot a guest from its disk: ", modules.message()),
               kHint);
}

std::string HashName(absl::string_view content) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest);
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(digest), 16));
}

// Returns where it is.
absl::StatusOr<std::string> Keep(const std::string& cache_dir, absl::string_view content,
                                 absl::string_view suffix) {
  std::string path = absl::StrCat(cache_dir, "/", HashName(content), suffix);
  if (PathExists(path)) return path;
  VX_RETURN_IF_ERROR(WriteFileAtomic(path, content, 0644, Durability::kDurable));
  return path;
}

// Unpacked where it can be booted so.
absl::StatusOr<std::string> KeepKernel(const std::string& cache_dir, absl::string_view image) {
  const std::string unpacked = absl::StrCat(cache_dir, "/", HashName(image), ".vmlinux");
  if (PathExists(unpacked)) return unpacked;
  auto kernel = UnpackKernel(image);
  if (!kernel.ok()) return Keep(cache_dir, image, ".vmlinuz");
  VX_RETURN_IF_ERROR(WriteFileAtomic(unpacked, *kernel, 0644, Durability::kDurable));
  return unpacked;
}

}  // namespace

bool OlderVersion(const std::string& a, const std::string& b) {
  absl::string_view left = a, right = b;
  while (!left.empty() && !right.empty()) {
    const absl::string_view l = TakePart(left), r = TakePart(right);
    uint64_t l_number, r_number;
    if (absl::SimpleAtoi(l, &l_number) && absl::SimpleAtoi(r, &r_number)) {
      if (l_number != r_number) return l_number < r_number;
    } else if (l != r) {
      return l < r;
    }
  }
  return left.empty() && !right.empty();
}

absl::StatusOr<GuestKernel> FindGuestKernel(const std::string& setting,
                                            const KernelFolders& folders) {
  if (!setting.empty()) return NamedKernel(setting, folders);
  GuestKernel best;
  auto names = ListDir(folders.boot);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    if (!absl::StartsWith(name, kPrefix)) continue;
    GuestKernel kernel = {.path = absl::StrCat(folders.boot, "/", name),
                          .version = name.substr(sizeof kPrefix - 1)};
    kernel.modules = absl::StrCat(folders.modules, "/", kernel.version);
    const bool better = best.version.empty() ||
                        (IsCloud(kernel.version) && !IsCloud(best.version)) ||
                        (IsCloud(kernel.version) == IsCloud(best.version) &&
                         OlderVersion(best.version, kernel.version));
    if (better && Bootable(kernel)) best = kernel;
  }
  if (!best.version.empty()) return best;
  return Error(absl::StatusCode::kNotFound, "NO_GUEST_KERNEL",
               absl::StrCat("there is no guest kernel with virtio modules in ", folders.boot),
               kHint);
}

absl::StatusOr<std::string> BuildInitramfs(const std::string& agent, const GuestModules& modules) {
  CpioWriter archive;
  archive.AddDirectory("dev", 0755);
  // The kernel opens it for /init's output before there is a devtmpfs.
  archive.AddCharDevice("dev/console", 0600, 5, 1);
  VX_ASSIGN_OR_RETURN(std::string init, ReadFile(agent));
  archive.AddFile("init", 0755, init);
  archive.AddDirectory("mods", 0755);
  VX_RETURN_IF_ERROR(AddModules(archive, modules.boot, "mods.order"));
  VX_RETURN_IF_ERROR(AddModules(archive, modules.network, "mods.network"));
  return archive.Finish();
}

absl::StatusOr<BootFiles> MakeBootFiles(const GuestKernel& kernel, const std::string& agent,
                                        const std::string& cache_dir) {
  VX_ASSIGN_OR_RETURN(GuestModules modules, FindModules(kernel));
  VX_ASSIGN_OR_RETURN(std::string initramfs, BuildInitramfs(agent, modules));
  VX_ASSIGN_OR_RETURN(std::string image, ReadFile(kernel.path));
  VX_RETURN_IF_ERROR(MakeDirs(cache_dir, 0755));
  BootFiles files;
  VX_ASSIGN_OR_RETURN(files.kernel, KeepKernel(cache_dir, image));
  VX_ASSIGN_OR_RETURN(files.initramfs, Keep(cache_dir, initramfs, ".initramfs"));
  auto sharing = FindModules(kernel, SharingModules());
  if (!sharing.ok()) return files;
  VX_ASSIGN_OR_RETURN(initramfs, BuildInitramfs(agent, *sharing));
  VX_ASSIGN_OR_RETURN(files.sharing_initramfs, Keep(cache_dir, initramfs, ".initramfs"));
  return files;
}

absl::Status PruneBootFiles(const std::string& cache_dir, const BootFiles& keep) {
  VX_ASSIGN_OR_RETURN(std::vector<std::string> names, ListDir(cache_dir));
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(cache_dir, "/", name);
    const bool kept =
        path == keep.kernel || path == keep.initramfs || path == keep.sharing_initramfs;
    if (!kept) VX_RETURN_IF_ERROR(RemoveTree(path));
  }
  return absl::OkStatus();
}

}  // namespace vx::libvirt
