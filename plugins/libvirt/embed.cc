#include "plugins/libvirt/embed.h"

#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/qemu_user.h"

namespace vx::libvirt {
namespace {

// Each VM's XML says whom its QEMU runs as, and vxd hands its files over (qemu_user.h);
// root is for the QEMUs by which libvirt finds out what they can do. No cgroups of
// libvirt's, which would be left behind by a crash, and no mount namespace: both cost
// time.
constexpr char kQemuConf[] =
    "user = \"root\"\n"
    "group = \"root\"\n"
    "dynamic_ownership = 0\n"
    "remember_owner = 0\n"
    "security_driver = \"none\"\n"
    "stdio_handler = \"file\"\n"
    "namespaces = []\n"
    "cgroup_controllers = []\n";

// The longest path in it: libvirt shortens names to 20 characters.
constexpr char kLongestSocket[] = "/lib/qemu/domain-99999-vx-01234567-01234567/monitor.sock";

absl::Status LinkCache(const std::string& root, const std::string& cache_dir) {
  const std::string link = absl::StrCat(root, "/cache");
  VX_RETURN_IF_ERROR(MakeDirs(cache_dir, 0700));
  if (symlink(cache_dir.c_str(), link.c_str()) == 0 || errno == EEXIST) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("link ", link));
}

absl::Status RemoveWhere(const std::string& dir,
                         const std::function<bool(const std::string&)>& meant) {
  auto names = ListDir(dir);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    if (meant(name)) VX_RETURN_IF_ERROR(RemoveTree(absl::StrCat(dir, "/", name)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PrepareEmbedRoot(const std::string& root, const std::string& cache_dir) {
  if (root.size() + sizeof kLongestSocket > sizeof sockaddr_un().sun_path) {
    return Error(absl::StatusCode::kFailedPrecondition, "PATH_TOO_LONG",
                 absl::StrCat("sockets in ", root, " would have names that are too long"),
                 "choose a shorter daemon.runtime_dir");
  }
  // libvirt looks the user up even when it is told to use others.
  VX_RETURN_IF_ERROR(QemuGroup(false).status());
  for (const char* dir : {"/etc", "/lib/qemu", "/run"}) {
    VX_RETURN_IF_ERROR(MakeDirs(root + dir, 0700));
  }
  VX_RETURN_IF_ERROR(LinkCache(root, cache_dir));
  // Of a vxd that was killed.
  RemoveTemporaries(root + "/etc");
  return WriteFileAtomic(root + "/etc/qemu.conf", kQemuConf, 0600);
}

bool IsEmbedded(const std::string& uri) { return absl::StartsWith(uri, "qemu:///embed"); }

std::string ConnectionUri(const std::string& uri, const std::string& embed_root) {
  if (!IsEmbedded(uri)) return uri;
  return absl::StrCat("qemu:///embed?root=", embed_root);
}

std::string PidFolder(const std::string& uri, const std::string& embed_root) {
  return IsEmbedded(uri) ? absl::StrCat(embed_root, "/run/qemu") : "/run/libvirt/qemu";
}

std::string EmbedLibraryDir(const std::string& embed_root) {
  return absl::StrCat(embed_root, "/lib/qemu");
}

absl::Status RemoveDomainFiles(const std::string& embed_root, const std::string& domain) {
  // libvirt shortens the name in a folder's.
  constexpr size_t kShort = 20;
  const std::string begin = domain + ".", end = "-" + domain.substr(0, kShort);
  auto begins = [&](const std::string& name) { return absl::StartsWith(name, begin); };
  auto ends = [&](const std::string& name) { return absl::EndsWith(name, end); };
  const std::string library = EmbedLibraryDir(embed_root);
  VX_RETURN_IF_ERROR(RemoveWhere(embed_root + "/run/qemu", begins));
  VX_RETURN_IF_ERROR(RemoveWhere(embed_root + "/log/qemu", begins));
  VX_RETURN_IF_ERROR(RemoveWhere(library, ends));
  return RemoveWhere(library + "/channel/target", ends);
}

}  // namespace vx::libvirt
