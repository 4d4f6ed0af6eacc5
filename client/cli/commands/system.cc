#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/transfers.h"
#include "daemon/base/error.h"

namespace vx::cli {
namespace {

struct SystemFlags {
  std::string file;
  bool force = false;
  bool yes = false;
};

int Backup(Context& context, const SystemFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  return Report(BackupInventory(**connection, flags.file));
}

int Restore(Context& context, const SystemFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  if (!flags.yes && flags.file != "-" && !Confirmed("replace the inventory by this backup?")) {
    return Report(Error(absl::StatusCode::kCancelled, "CANCELLED", "nothing was done"));
  }
  absl::StatusOr<int> workloads = RestoreInventory(**connection, flags.file, flags.force);
  if (!workloads.ok()) return Report(workloads.status());
  absl::Status back = (*connection)->Reconnect(client::kRestartLimit);
  if (!back.ok()) return Report(back);
  return Print(
      absl::StrCat("restored ", *workloads, *workloads == 1 ? " workload\n" : " workloads\n"));
}

Action DeclareSystemBackup(Arguments& arguments) {
  auto flags = std::make_shared<SystemFlags>();
  arguments.Option("-o,--output", &flags->file, "FILE", "Where to; - is stdout");
  arguments.Example("vxctl system backup -o vx-$(date +%F).db");
  return [flags](Context& context) { return Backup(context, *flags); };
}

Action DeclareSystemRestore(Arguments& arguments) {
  auto flags = std::make_shared<SystemFlags>();
  arguments.Word("FILE", &flags->file, "What backup wrote; - is stdin");
  arguments.Flag("--force", &flags->force,
                 "Also if it is of another vxd, or does not know workloads that are there");
  arguments.Flag("-y,--yes", &flags->yes, "Do not ask");
  arguments.Example("vxctl system restore vx-2026-11-21.db");
  return [flags](Context& context) { return Restore(context, *flags); };
}

}  // namespace

Action DeclareSystem(Arguments& arguments) {
  arguments.Verb("backup",
                 "Copy the inventory: workloads, operations, events; not images, roots and logs",
                 DeclareSystemBackup);
  arguments.Verb("restore", "Replace the inventory by a backup; the present one is kept",
                 DeclareSystemRestore);
  arguments.Example("vxctl system backup -o vx.db");
  return nullptr;
}

}  // namespace vx::cli
