#include "daemon/core/inventory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/state_dir.h"
#include "daemon/store/backup.h"

namespace vx::core {
namespace {

constexpr size_t kPieceBytes = size_t{256} << 10;
constexpr int kAll = 1 << 30;
// Of the names in an error.
constexpr size_t kMostNamed = 10;
constexpr char kForce[] = "to restore it all the same: vxctl system restore --force FILE";

absl::Status SendFile(const std::string& path,
                      const std::function<absl::Status(absl::string_view)>& sink) {
  VX_ASSIGN_OR_RETURN(UniqueFd file, OpenFile(path, O_RDONLY));
  std::string piece(kPieceBytes, '\0');
  while (true) {
    const ssize_t n = read(file.get(), piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, absl::StrCat("read ", path));
    if (n == 0) return absl::OkStatus();
    VX_RETURN_IF_ERROR(sink(absl::string_view(piece.data(), static_cast<size_t>(n))));
  }
}

}  // namespace

absl::Status Inventory::Backup(const std::string& spool_dir,
                               const std::function<absl::Status(absl::string_view)>& sink) {
  const std::string file = absl::StrCat(spool_dir, "/", RandomHex(16));
  absl::Cleanup remove = [&] { unlink(file.c_str()); };
  VX_RETURN_IF_ERROR(store_.Backup(file));
  return SendFile(file, sink);
}

absl::StatusOr<int> Inventory::StageRestore(const std::string& file, bool force) {
  VX_ASSIGN_OR_RETURN(store::BackupFacts facts, store::ReadBackup(file));
  if (!force) {
    VX_RETURN_IF_ERROR(CheckSameHost(facts.instance_id));
    VX_RETURN_IF_ERROR(CheckKnowsAll(facts.uids));
  }
  VX_RETURN_IF_ERROR(store_.StageRestore(file));
  return static_cast<int>(facts.uids.size());
}

absl::Status Inventory::CheckSameHost(const std::string& instance_id) {
  VX_ASSIGN_OR_RETURN(std::string own, store_.Read().GetMeta(kInstanceKey));
  if (instance_id == own) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "BACKUP_OF_ANOTHER",
               absl::StrCat("this is a backup of another vxd (instance ", instance_id, ", this is ",
                            own, "): the roots of its workloads are not here"),
               kForce);
}

absl::Status Inventory::CheckKnowsAll(const std::set<std::string>& uids) {
  auto unknown = [&](const v1::Workload& workload) { return uids.count(workload.uid()) == 0; };
  VX_ASSIGN_OR_RETURN(store::Page<v1::Workload> page,
                      store_.Read().ListWorkloads(0, kAll, unknown));
  if (page.rows.empty()) return absl::OkStatus();
  std::vector<std::string> names;
  for (const v1::Workload& workload : page.rows) {
    if (names.size() < kMostNamed) names.push_back(workload.name());
  }
  const size_t more = page.rows.size() - names.size();
  return Error(absl::StatusCode::kFailedPrecondition, "WORKLOADS_NOT_IN_BACKUP",
               absl::StrCat("the backup does not know ", absl::StrJoin(names, ", "),
                            more > 0 ? absl::StrCat(" and ", more, " more") : "",
                            ": after it they would be ended and not be shown any more"),
               absl::StrCat("remove them first, or ", kForce, " (their files stay)"));
}

}  // namespace vx::core
