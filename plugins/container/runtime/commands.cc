#include "plugins/container/runtime/commands.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/signals.h"
#include "daemon/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "plugins/cgroup/cgroup.h"
#include "plugins/container/runtime/config.h"
#include "plugins/container/runtime/paths.h"
#include "plugins/container/runtime/seccomp.h"
#include "plugins/container/runtime/state.h"

namespace vx::container {
namespace {

constexpr absl::Duration kKillTimeout = absl::Seconds(10);

absl::Status Precondition(const char* reason, const std::string& id, const char* what) {
  return Error(absl::StatusCode::kFailedPrecondition, reason,
               absl::StrCat("container \"", id, "\" ", what));
}

absl::Status RemoveCgroup(const ContainerState& state) {
  if (state.cgroups_path.empty()) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(cgroup::CgroupLayout layout, cgroup::FindCgroups());
  std::unique_ptr<cgroup::Cgroup> cgroup = cgroup::Cgroup::Open(layout, state.cgroups_path);
  VX_RETURN_IF_ERROR(cgroup->Kill(kKillTimeout));
  return cgroup->Remove();
}

}  // namespace

absl::Status Start(const std::string& root, const std::string& id) {
  VX_ASSIGN_OR_RETURN(std::string dir, StateDir(root, id));
  VX_RETURN_IF_ERROR(ReadState(dir, id).status());
  const std::string path = absl::StrCat(dir, "/", kStartFifo);
  UniqueFd fifo(open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fifo.valid()) return Precondition("NOT_CREATED", id, "does not wait to be started");
  if (write(fifo.get(), "1", 1) != 1) return ErrnoError(errno, absl::StrCat("write ", path));
  return absl::OkStatus();
}

absl::StatusOr<std::string> State(const std::string& root, const std::string& id) {
  VX_ASSIGN_OR_RETURN(std::string dir, StateDir(root, id));
  VX_ASSIGN_OR_RETURN(ContainerState state, ReadState(dir, id));
  return ToOciState(dir, state);
}

absl::Status Kill(const std::string& root, const std::string& id, const std::string& signal) {
  VX_ASSIGN_OR_RETURN(std::string dir, StateDir(root, id));
  VX_ASSIGN_OR_RETURN(ContainerState state, ReadState(dir, id));
  const std::optional<int> number = ParseSignal(signal);
  if (!number) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_SIGNAL",
                 absl::StrCat("\"", signal, "\" is no signal"));
  }
  if (StatusOf(dir, state) == "stopped") return Precondition("NOT_RUNNING", id, "does not run");
  if (kill(state.pid, *number) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("signal container \"", id, "\""));
}

absl::Status Delete(const std::string& root, const std::string& id, bool force) {
  VX_ASSIGN_OR_RETURN(std::string dir, StateDir(root, id));
  auto state = ReadState(dir, id);
  if (!state.ok()) return force ? absl::OkStatus() : state.status();
  if (!force && StatusOf(dir, *state) != "stopped") {
    return Precondition("STILL_RUNNING", id, "still runs");
  }
  VX_RETURN_IF_ERROR(RemoveCgroup(*state));
  return RemoveTree(dir);
}

std::string Features() {
  const nlohmann::json features = {
      {"ociVersionMin", "1.0.0"},
      {"ociVersionMax", "1.1.0"},
      // Nothing of a bundle is run but in the container.
      {"hooks", nlohmann::json::array()},
      {"mountOptions", MountOptionNames()},
      {"linux",
       {{"namespaces", {"cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"}},
        {"capabilities", CapabilityNames()},
        {"cgroup",
         {{"v1", true}, {"v2", true}, {"systemd", false}, {"systemdUser", false}, {"rdma", false}}},
        {"seccomp", SeccompFeatures()},
        {"apparmor", {{"enabled", true}}},
        {"selinux", {{"enabled", false}}},
        {"intelRdt", {{"enabled", false}}},
        {"mountExtensions", {{"idmap", {{"enabled", true}}}}}}},
      {"annotations", {{"vx.features.join-user-namespace", "false"}}}};
  return features.dump(2) + "\n";
}

}  // namespace vx::container
