#include "plugins/container/driver.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/driver/module.h"
#include "plugins/container/bundle.h"
#include "plugins/container/confinement.h"
#include "plugins/container/probe.h"
#include "plugins/container/run_files.h"

namespace vx::container {

ContainerDriver::ContainerDriver(const driver::Environment& environment)
    : environment_(environment),
      layout_{environment.state_dir, environment.runtime_dir, environment.instance_id,
              driver::CgroupParent(environment)},
      shim_groups_(environment, "shim"),
      seccomp_(layout_.Seccomp(), environment.Option("container.seccomp_profile")),
      trash_(layout_.Trash()),
      watcher_("vx-ct-watch") {}

ContainerDriver::~ContainerDriver() = default;

std::vector<v1::Check> ContainerDriver::Doctor() {
  std::vector<v1::Check> checks = CheckHost(environment_.bin_dir);
  auto ids = Ids();
  v1::Check check;
  check.set_name("subuid");
  check.set_driver(kDriverName);
  check.set_result(ids.ok() ? v1::CHECK_RESULT_OK : v1::CHECK_RESULT_FAILED);
  check.set_message(ids.ok() ? "ranges of user ids are there"
                             : std::string(ids.status().message()));
  if (!ids.ok()) check.set_hint(ErrorHint(ids.status()));
  checks.push_back(std::move(check));
  return checks;
}

v1::DriverInfo ContainerDriver::Probe() { return ToDriverInfo(Doctor()); }

namespace {

// Has ext4 put each folder in `dir` into a block group of its own (chattr +T). It does not
// use an inode again within 5 s of its removal, and an overlay's mount removes some: with
// all of them in one group, many starts in a row spend their time going over those.
void SpreadOverDisk(const std::string& dir) {
  auto fd = OpenFile(dir, O_RDONLY | O_DIRECTORY);
  int flags = 0;
  if (!fd.ok() || ioctl(fd->get(), FS_IOC_GETFLAGS, &flags) < 0) return;
  flags |= FS_TOPDIR_FL;
  // Filesystems that have no such thing do without.
  ioctl(fd->get(), FS_IOC_SETFLAGS, &flags);
}

}  // namespace

absl::StatusOr<cgroup::CgroupLayout> ContainerDriver::Cgroups() const {
  return cgroup::FindCgroups();
}

absl::StatusOr<std::unique_ptr<cgroup::Cgroup>> ContainerDriver::OpenCgroup(
    const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(cgroup::CgroupLayout layout, Cgroups());
  return cgroup::Cgroup::Open(layout, layout_.Cgroup(uid));
}

// Everything it waits for is bounded and short, so `timeout` is met by far.
absl::Status ContainerDriver::WaitSettled(absl::Duration timeout) {
  absl::MutexLock lock(&settle_mutex_);
  if (settled_) return absl::OkStatus();
  VX_RETURN_IF_ERROR(Settle());
  settled_ = true;
  return absl::OkStatus();
}

absl::Status ContainerDriver::Settle() {
  trash_.Start();
  SpreadOverDisk(layout_.state_dir);
  RemoveTemporaries(layout_.Seccomp());
  VX_ASSIGN_OR_RETURN(std::vector<std::string> uids, ListDir(layout_.runtime_dir));
  for (const std::string& uid : uids) VX_RETURN_IF_ERROR(AdoptRun(uid));
  SweepCgroups();
  return absl::OkStatus();
}

// A folder in which nothing runs and nothing ever ran is what a crash in the
// middle of Create or Delete left.
absl::Status ContainerDriver::AdoptRun(const std::string& uid) {
  const std::string dir = layout_.Run(uid);
  auto found = shim::Client::Find(dir);
  if (found.ok()) return AddRun(uid, *std::move(found));
  VX_ASSIGN_OR_RETURN(std::optional<shim::ExitRecord> record, shim::ReadExitRecord(dir));
  const bool ran = record.has_value() || PathExists(absl::StrCat(dir, "/", shim::kInitPid));
  if (!ran) return RemoveRun(uid);
  VX_RETURN_IF_ERROR(SettleEnd(uid));
  return AddRun(uid, nullptr);
}

// Groups of ours that no run's folder speaks for, as after the runtime folder was
// wiped.
void ContainerDriver::SweepCgroups() {
  auto cgroups = Cgroups();
  if (!cgroups.ok()) return;
  std::vector<std::string> mounts = cgroups->Hierarchies();
  if (!cgroups->unified.empty()) mounts.push_back(cgroups->unified);
  for (const std::string& mount : mounts) {
    auto entries = ListDir(absl::StrCat(mount, layout_.CgroupParent()));
    if (!entries.ok()) continue;
    for (const std::string& uid : *entries) {
      const std::string group = absl::StrCat(mount, layout_.Cgroup(uid));
      if (PathExists(layout_.Run(uid)) || !PathExists(absl::StrCat(group, "/cgroup.procs")))
        continue;
      std::unique_ptr<cgroup::Cgroup> cgroup = cgroup::Cgroup::Open(*cgroups, layout_.Cgroup(uid));
      cgroup->Kill(absl::Seconds(10)).IgnoreError();
      cgroup->Remove().IgnoreError();
    }
  }
}

std::vector<FieldViolation> ContainerDriver::Validate(const v1::WorkloadSpec& spec) const {
  std::vector<FieldViolation> violations;
  const v1::Resources& resources = spec.resources();
  if (resources.has_memory_bytes() && resources.memory_bytes() < kMinMemory) {
    violations.push_back({"spec.resources.memory_bytes", "a container needs at least 4 MiB"});
  }
  if (resources.has_cpus() && !(resources.cpus() >= kMinCpus && std::isfinite(resources.cpus()))) {
    violations.push_back({"spec.resources.cpus", "a container needs at least 0.01 cpus"});
  }
  if (resources.has_pids() && resources.pids() < 1) {
    violations.push_back({"spec.resources.pids", "a container needs at least 1 process"});
  }
  if (resources.has_disk_bytes()) {
    violations.push_back({"spec.resources.disk_bytes",
                          "containers have no disk of a fixed size; leave it out or use kind vm"});
  }
  for (FieldViolation& violation : CheckConfinement(spec)) {
    violations.push_back(std::move(violation));
  }
  return violations;
}

void ContainerDriver::SetObserver(driver::Observer observer) {
  absl::MutexLock lock(&observer_mutex_);
  observer_ = std::move(observer);
}

VX_DRIVER_MODULE("container", ContainerDriver)

}  // namespace vx::container
