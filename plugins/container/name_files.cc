#include "plugins/container/name_files.h"

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/driver/name_texts.h"
#include "plugins/container/confinement.h"

namespace vx::container {

absl::StatusOr<std::vector<FileInside>> WriteNameFiles(const v1::Workload& workload,
                                                       const std::string& hostname,
                                                       const std::string& dir) {
  std::vector<FileInside> files;
  std::string resolver, hosts;
  if (IsOnHostNetwork(workload.spec())) {
    resolver = ReadFile("/etc/resolv.conf").value_or("");
    hosts = absl::StrCat(ReadFile("/etc/hosts").value_or(""), "127.0.1.1 ", hostname, "\n");
  } else if (workload.status().networks_size() > 0) {
    resolver = driver::ResolverText(workload.status());
    hosts = driver::HostsText(workload.status(), hostname);
  } else {
    return files;
  }
  files = {{absl::StrCat(dir, "/resolv.conf"), "/etc/resolv.conf"},
           {absl::StrCat(dir, "/hosts"), "/etc/hosts"}};
  VX_RETURN_IF_ERROR(WriteFileAtomic(files[0].source, resolver, 0644));
  VX_RETURN_IF_ERROR(WriteFileAtomic(files[1].source, hosts, 0644));
  return files;
}

}  // namespace vx::container
