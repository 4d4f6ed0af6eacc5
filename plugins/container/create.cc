// The part of the driver that makes and removes workloads and their runs.
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/bundle.h"
#include "plugins/container/driver.h"
#include "plugins/container/run_files.h"

namespace vx::container {
namespace {

absl::Status NotPrepared(absl::StatusCode code, const std::string& uid) {
  return Error(code, "NOT_PREPARED", absl::StrCat("workload ", uid, " has no writable layer"));
}

absl::Status MakeDir(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("make folder ", path));
}

bool Sets(const google::protobuf::RepeatedPtrField<std::string>& env, const char* prefix) {
  return std::any_of(env.begin(), env.end(), [&](const auto& v) { return v.starts_with(prefix); });
}

// The same layer twice (an empty one, mostly) is refused by overlayfs and adds
// nothing: its upper place counts.
std::vector<std::string> WithoutRepeats(const std::vector<std::string>& layers) {
  std::vector<std::string> unique;
  for (auto it = layers.rbegin(); it != layers.rend(); ++it) {
    if (std::find(unique.begin(), unique.end(), *it) == unique.end()) unique.push_back(*it);
  }
  std::reverse(unique.begin(), unique.end());
  return unique;
}

}  // namespace

absl::Status ContainerDriver::Prepare(const v1::Workload& workload, const driver::Base& base) {
  const std::string& uid = workload.uid();
  VX_RETURN_IF_ERROR(trash_.Throw(layout_.State(uid)));
  auto undo = absl::MakeCleanup([&] { trash_.Throw(layout_.State(uid)).IgnoreError(); });
  VX_RETURN_IF_ERROR(MakeDir(layout_.State(uid), 0700));
  VX_FAULT_POINT("create.container.folder");
  VX_RETURN_IF_ERROR(MakeDir(layout_.Root(uid), 0700));
  VX_RETURN_IF_ERROR(MakeDir(absl::StrCat(layout_.Root(uid), "/upper"), 0755));
  VX_RETURN_IF_ERROR(MakeDir(absl::StrCat(layout_.Root(uid), "/work"), 0700));
  VX_RETURN_IF_ERROR(OpenFile(layout_.Log(uid), O_WRONLY | O_CREAT, 0600).status());
  VX_FAULT_POINT("create.container.root");
  VX_RETURN_IF_ERROR(WriteBase(uid, base));
  std::move(undo).Cancel();
  return absl::OkStatus();
}

// The last file makes the workload prepared.
absl::Status ContainerDriver::WriteBase(const std::string& uid, const driver::Base& base) const {
  VX_RETURN_IF_ERROR(WriteFileAtomic(layout_.Image(uid), base.config.SerializeAsString(), 0600));
  return WriteFileAtomic(layout_.Layers(uid), absl::StrJoin(base.layers, "\n"), 0600);
}

absl::StatusOr<driver::Base> ContainerDriver::ReadBase(const std::string& uid) const {
  auto layers = ReadFile(layout_.Layers(uid));
  auto config = ReadFile(layout_.Image(uid));
  driver::Base base;
  if (!layers.ok() || !config.ok() || !base.config.ParseFromString(*config)) {
    return NotPrepared(absl::StatusCode::kFailedPrecondition, uid);
  }
  base.layers = absl::StrSplit(*layers, '\n', absl::SkipEmpty());
  if (base.layers.empty()) return NotPrepared(absl::StatusCode::kFailedPrecondition, uid);
  return base;
}

absl::StatusOr<driver::IdRanges> ContainerDriver::Ids() const {
  return driver::IdRanges::Open(
      environment_.Option("container.subuid_claims_file", driver::kIdClaimsFile),
      environment_.Option("container.subuid", "auto"), environment_.instance_id);
}

absl::StatusOr<driver::Endpoint> ContainerDriver::Create(
    const v1::Workload& workload, const std::vector<driver::MountSource>& sources) {
  const std::string& uid = workload.uid();
  Shim existing;
  VX_RETURN_IF_ERROR(driver::CheckSources(workload, sources));
  VX_ASSIGN_OR_RETURN(driver::Base base, ReadBase(uid));
  if (FindRun(uid, existing)) {
    return Error(absl::StatusCode::kFailedPrecondition, "RUN_EXISTS",
                 absl::StrCat("workload ", uid, " has a run already"), "delete it first");
  }
  auto undo = absl::MakeCleanup([&] { RemoveRun(uid).IgnoreError(); });
  VX_RETURN_IF_ERROR(RemoveTree(layout_.Run(uid)));
  VX_RETURN_IF_ERROR(MakeDir(layout_.Run(uid), 0700));
  VX_FAULT_POINT("start.container.folder");
  VX_RETURN_IF_ERROR(WriteBundle(workload, sources, base));
  VX_FAULT_POINT("start.container.bundle");
  VX_ASSIGN_OR_RETURN(Shim shim, LaunchShim(uid, workload.spec()));
  VX_FAULT_POINT("start.container.shim");
  VX_ASSIGN_OR_RETURN(driver::Endpoint endpoint, EndpointOf(uid));
  VX_RETURN_IF_ERROR(AddRun(uid, std::move(shim)));
  std::move(undo).Cancel();
  return endpoint;
}

absl::Status ContainerDriver::WriteBundle(const v1::Workload& workload,
                                          const std::vector<driver::MountSource>& sources,
                                          const driver::Base& base) {
  const std::string& uid = workload.uid();
  const v1::WorkloadSpec& spec = workload.spec();
  BundleSpec bundle;
  VX_ASSIGN_OR_RETURN(bundle.process, driver::ResolveProcess(workload, base.config));
  VX_ASSIGN_OR_RETURN(bundle.confinement, ToConfinement(spec));
  if (bundle.confinement.user_namespace) {
    VX_ASSIGN_OR_RETURN(driver::IdRanges ids, Ids());
    VX_ASSIGN_OR_RETURN(bundle.first_id, ids.Claim(uid));
  }
  VX_ASSIGN_OR_RETURN(bundle.seccomp_file, SeccompFile(uid, spec));
  if (spec.init()) bundle.init_program = absl::StrCat(environment_.bin_dir, "/vx-init");
  bundle.sets_home = spec.env().contains("HOME") || Sets(base.config.env(), "HOME=");
  bundle.terminal = spec.tty();
  bundle.resources = spec.resources();
  bundle.mounts = {spec.mounts().begin(), spec.mounts().end()};
  bundle.sources = sources;
  bundle.layers = WithoutRepeats(base.layers);
  bundle.root = layout_.Root(uid);
  bundle.is_volatile = spec.remove_on_exit();
  bundle.cgroup = layout_.Cgroup(uid);
  VX_ASSIGN_OR_RETURN(cgroup::CgroupLayout cgroups, Cgroups());
  bundle.cgroup_mode = cgroups.mode;
  bundle.oom_score_adj = driver::WorkloadOomScore();
  bundle.host_network = IsOnHostNetwork(spec);
  const std::string dir = layout_.Run(uid);
  VX_ASSIGN_OR_RETURN(bundle.files, WriteNameFiles(workload, bundle.process.hostname, dir));
  VX_RETURN_IF_ERROR(WriteRunNotes(dir, {bundle.process.stop_signal, bundle.process.argv[0],
                                         bundle.process.user, bundle.process.working_dir}));
  return WriteFileAtomic(absl::StrCat(dir, "/config.json"), MakeBundle(bundle), 0600);
}

absl::StatusOr<std::string> ContainerDriver::SeccompFile(const std::string& uid,
                                                         const v1::WorkloadSpec& spec) {
  if (IsUnfiltered(spec)) return "";
  if (!HasOwnFilter(spec)) return seccomp_.File();
  return KeepSeccompProfile(layout_.OwnSeccomp(uid), spec.security().seccomp());
}

absl::StatusOr<ContainerDriver::Shim> ContainerDriver::LaunchShim(
    const std::string& uid, const v1::WorkloadSpec& spec) const {
  const std::string dir = layout_.Run(uid);
  shim::LaunchOptions options;
  options.program = absl::StrCat(environment_.bin_dir, "/vx-shim");
  options.dir = dir;
  options.log = layout_.Log(uid);
  options.stdin = spec.stdin();
  options.tty = spec.tty();
  SetLogBounds(environment_, options);
  VX_ASSIGN_OR_RETURN(options.cgroup_procs, shim_groups_.Make(uid));
  options.runtime = {absl::StrCat(environment_.bin_dir, "/vx-runtime"),
                     "--root",
                     layout_.runtime_dir,
                     "create",
                     "--bundle",
                     dir,
                     "--pid-file",
                     absl::StrCat(dir, "/", shim::kInitPid),
                     "--error-fd",
                     absl::StrCat(shim::kRuntimeErrorFd),
                     "--exec-fd",
                     absl::StrCat(shim::kRuntimeExecFd),
                     "--die-with-parent"};
  if (spec.tty()) {
    options.runtime.insert(options.runtime.end(),
                           {"--console-fd", absl::StrCat(shim::kRuntimeConsoleFd)});
  }
  if (spec.init()) options.runtime.push_back("--keep-exec-fd");
  options.runtime.push_back(uid);
  VX_ASSIGN_OR_RETURN(Shim shim, shim::Client::Launch(options));
  return shim;
}

absl::StatusOr<driver::Endpoint> ContainerDriver::EndpointOf(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(std::string pid,
                      ReadFile(absl::StrCat(layout_.Run(uid), "/", shim::kInitPid)));
  driver::Endpoint endpoint;
  VX_ASSIGN_OR_RETURN(endpoint.netns, OpenFile(absl::StrCat("/proc/", pid, "/ns/net"), O_RDONLY));
  return endpoint;
}

absl::StatusOr<UniqueFd> ContainerDriver::OpenNetns(const std::string& uid) {
  VX_RETURN_IF_ERROR(LiveShim(uid).status());
  VX_ASSIGN_OR_RETURN(driver::Endpoint endpoint, EndpointOf(uid));
  return std::move(endpoint.netns);
}

// A link is put into the namespace from outside, and that is all there is to it.
absl::StatusOr<driver::Endpoint> ContainerDriver::Plug(const std::string& uid,
                                                       const v1::NetworkAttachment&) {
  VX_RETURN_IF_ERROR(LiveShim(uid).status());
  return EndpointOf(uid);
}

absl::Status ContainerDriver::Configure(const std::string&, const v1::NetworkAttachment&) {
  return absl::OkStatus();
}

absl::Status ContainerDriver::Unplug(const std::string&, const v1::NetworkAttachment&) {
  return absl::OkStatus();
}

absl::Status ContainerDriver::Delete(const std::string& uid) {
  Shim shim;
  const bool found = FindRun(uid, shim);
  // What an undone Create left has no run, but may have a folder.
  if (!found && !PathExists(layout_.Run(uid))) return absl::OkStatus();
  Unwatch(uid);
  if (shim != nullptr) VX_RETURN_IF_ERROR(EndRun(uid, shim));
  {
    absl::MutexLock lock(&mutex_);
    runs_.erase(uid);
  }
  // An end that is being dealt with is done after this, and no other begins.
  {
    absl::MutexLock barrier(&end_mutex_);
  }
  return RemoveRun(uid);
}

// The folder goes last: as long as it is there, a new driver finds the rest.
absl::Status ContainerDriver::RemoveRun(const std::string& uid) {
  if (auto found = shim::Client::Find(layout_.Run(uid)); found.ok()) {
    VX_RETURN_IF_ERROR(EndRun(uid, *std::move(found)));
  }
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  if (cgroup->Exists()) VX_RETURN_IF_ERROR(cgroup->Kill(absl::Seconds(10)));
  VX_RETURN_IF_ERROR(cgroup->Remove());
  VX_RETURN_IF_ERROR(shim_groups_.Remove(uid));
  VX_FAULT_POINT("stop.container.cgroup");
  VX_ASSIGN_OR_RETURN(driver::IdRanges ids, Ids());
  VX_RETURN_IF_ERROR(ids.Release(uid));
  VX_FAULT_POINT("stop.container.ids");
  return RemoveTree(layout_.Run(uid));
}

absl::Status ContainerDriver::Release(const std::string& uid) {
  VX_RETURN_IF_ERROR(Delete(uid));
  return trash_.Throw(layout_.State(uid));
}

absl::StatusOr<std::unique_ptr<driver::LogReader>> ContainerDriver::OpenLog(
    const std::string& uid, const driver::LogPosition& position) {
  if (!PathExists(layout_.Layers(uid))) return NotPrepared(absl::StatusCode::kNotFound, uid);
  return shim::OpenLog(layout_.Log(uid), position);
}

}  // namespace vx::container
