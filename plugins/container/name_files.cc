#include "plugins/container/name_files.h"

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/driver/name_texts.h"

namespace vx::container {

absl::StatusOr<std::vector<FileInside>> WriteNameFiles(const v1::Workload& workload,
                                                       const std::string& hostname,
                                                       const std::string& dir) {
  std::vector<FileInside> files;
  if (workload.status().networks_size() == 0) return files;
  files = {{absl::StrCat(dir, "/resolv.conf"), "/etc/resolv.conf"},
           {absl::StrCat(dir, "/hosts"), "/etc/hosts"}};
  VX_RETURN_IF_ERROR(
      WriteFileAtomic(files[0].source, driver::ResolverText(workload.status()), 0644));
  VX_RETURN_IF_ERROR(WriteFileAtomic(files[1].source,
                                     driver::HostsText(workload.status(), hostname), 0644));
  return files;
}

}  // namespace vx::container
