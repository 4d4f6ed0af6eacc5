// The part of the driver that makes a run, and takes it apart.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "daemon/driver/id_ranges.h"
#include "plugins/libvirt/bundle.h"
#include "plugins/libvirt/driver.h"
#include "plugins/libvirt/recipe.h"

namespace vx::libvirt {
namespace {

// How long libvirt may take to drop a domain. It waits for a zombie, which only the
// parent of an adopted QEMU can reap.
constexpr absl::Duration kDomainEnd = absl::Seconds(5);
constexpr char kWorkloadFile[] = "/workload";
constexpr char kDisksFile[] = "/disks";

absl::Status AddShares(const std::vector<Share>& shares, const Equipment& equipment,
                       DomainSpec& spec) {
  if (shares.empty()) return absl::OkStatus();
  if (equipment.boot.sharing_initramfs.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_VIRTIOFS",
                 absl::StrCat("the guest kernel ", equipment.kernel.path,
                              " has no virtiofs, by which a VM has volumes"),
                 "install linux-image-cloud-amd64, or name a kernel by vm.kernel");
  }
  spec.initramfs = equipment.boot.sharing_initramfs;
  for (const Share& share : shares) spec.shares.push_back({share.tag, share.socket});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Workload> LibvirtDriver::ReadWorkload(const std::string& run) {
  VX_ASSIGN_OR_RETURN(std::string content, ReadFile(run + kWorkloadFile));
  v1::Workload workload;
  if (workload.ParseFromString(content)) return workload;
  return Error(absl::StatusCode::kDataLoss, "BAD_RUN", absl::StrCat(run, " holds no workload"));
}

absl::StatusOr<driver::IdRanges> LibvirtDriver::Ids() const {
  return driver::IdRanges::Open(
      environment_.Option("container.subuid_claims_file", driver::kIdClaimsFile),
      environment_.Option("container.subuid", "auto"), environment_.instance_id);
}

// On record before: RemoveRun takes them back.
absl::Status LibvirtDriver::HandOverDisks(const std::vector<DomainDisk>& disks,
                                          const std::string& run, const QemuUser& user) {
  if (disks.empty()) return absl::OkStatus();
  std::string paths;
  for (const DomainDisk& disk : disks) absl::StrAppend(&paths, disk.path, "\n");
  VX_RETURN_IF_ERROR(WriteFileAtomic(run + kDisksFile, paths, 0600));
  for (const DomainDisk& disk : disks) {
    VX_RETURN_IF_ERROR(LetPass(vx::ParentOf(disk.path), user.gid));
    VX_RETURN_IF_ERROR(GiveTo(disk.path, user));
  }
  return absl::OkStatus();
}

absl::Status LibvirtDriver::TakeDisksBack(const std::string& run) {
  auto paths = ReadFile(run + kDisksFile);
  if (absl::IsNotFound(paths.status())) return absl::OkStatus();
  VX_RETURN_IF_ERROR(paths.status());
  for (absl::string_view path : absl::StrSplit(*paths, '\n', absl::SkipEmpty())) {
    VX_RETURN_IF_ERROR(TakeBack(std::string(path)));
  }
  return absl::OkStatus();
}

// All that its QEMU opens and others must not.
absl::StatusOr<QemuUser> LibvirtDriver::HandOver(const DomainSpec& spec, const Machine& machine,
                                                 gid_t group) const {
  VX_ASSIGN_OR_RETURN(driver::IdRanges ids, Ids());
  VX_ASSIGN_OR_RETURN(uint32_t first, ids.Claim(machine.uid()));
  const QemuUser user = {.uid = first, .gid = group};
  for (const std::string& dir : {machine.dir(), vx::ParentOf(spec.disk)}) {
    VX_RETURN_IF_ERROR(LetPass(dir, group));
  }
  VX_RETURN_IF_ERROR(HandOverDisks(spec.disks, machine.dir(), user));
  for (const std::string& path : {spec.disk, spec.output_socket, spec.console_socket}) {
    VX_RETURN_IF_ERROR(GiveTo(path, user));
  }
  return user;
}

// Each in QEMU's group before it begins.
absl::Status LibvirtDriver::StartShares(const std::string& uid, const std::vector<Share>& shares,
                                        const QemuUser& user) const {
  if (shares.empty()) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(std::string virtiofsd, FindVirtiofsd());
  for (const Share& share : shares) {
    VX_ASSIGN_OR_RETURN(ShareProcess process,
                        StartShare(share, paths_.program("vx-share"), virtiofsd, user));
    driver::ResetOomScore(process.pid);
    const absl::Status taken = qemu_groups_.Take(uid, process.pid);
    const absl::Status gone = taken.ok() ? process.LetGo() : taken;
    // Reaped when it ends; that is now, where it is not let go.
    const int pidfd = process.pidfd.get();
    const auto watched = machine_host_.watcher->Add(std::move(process.pidfd), [pidfd] {
      ReapPidfd(pidfd);
      return false;
    });
    VX_RETURN_IF_ERROR(gone);
    VX_RETURN_IF_ERROR(watched.status());
  }
  return absl::OkStatus();
}

absl::Status LibvirtDriver::Launch(const MachinePtr& machine, const v1::Workload& workload,
                                   const std::vector<driver::MountSource>& sources,
                                   const Equipment& equipment) {
  VX_ASSIGN_OR_RETURN(v1::ImageConfig config, ReadImageConfig(paths_, workload.uid()));
  VX_ASSIGN_OR_RETURN(driver::Process process, driver::ResolveProcess(workload, config));
  VX_ASSIGN_OR_RETURN(std::string blob, EncodeProcess(process, workload, sources));
  shim::LaunchOptions options;
  options.program = paths_.program("vx-shim");
  options.log = paths_.log(workload.uid());
  options.stdin = workload.spec().stdin();
  options.tty = workload.spec().tty();
  shim::SetLogBounds(environment_, options);
  VX_ASSIGN_OR_RETURN(options.cgroup_procs, shim_groups_.Make(workload.uid()));
  VX_RETURN_IF_ERROR(machine->LaunchShim(std::move(options), blob));
  VX_FAULT_POINT("start.vm.shim");
  VX_RETURN_IF_ERROR(
      WriteFileAtomic(machine->dir() + kWorkloadFile, workload.SerializeAsString(), 0600));
  VX_FAULT_POINT("start.vm.workload");
  // Of an earlier run, killed a moment ago, of which libvirt has not heard yet.
  if (auto old = FindDomain(*machine); old.ok()) VX_RETURN_IF_ERROR(old->Destroy());
  VX_RETURN_IF_ERROR(qemu_groups_.Make(workload.uid(), workload.spec().resources()));
  VX_FAULT_POINT("start.vm.group");
  DomainSpec spec = MakeDomainSpec(*machine, workload, paths_, equipment);
  const std::vector<Share> shares = SharesOf(workload.spec(), sources, machine->dir());
  VX_RETURN_IF_ERROR(AddShares(shares, equipment, spec));
  spec.disks = DisksOf(workload.spec(), sources);
  VX_ASSIGN_OR_RETURN(spec.user, HandOver(spec, *machine, equipment.qemu_group));
  VX_FAULT_POINT("start.vm.user");
  VX_RETURN_IF_ERROR(StartShares(workload.uid(), shares, spec.user));
  const absl::Time began = absl::Now();
  VX_RETURN_IF_ERROR(equipment.connection->CreatePaused(DomainXml(spec)).status());
  machine->NoteMaking(absl::Now() - began);
  VX_FAULT_POINT("start.vm.domain");
  VX_RETURN_IF_ERROR(machine->WatchQemu());
  return machine->PlaceQemu();
}

// From the command's start on: with a hundredth of a cpu a guest would boot for
// minutes.
absl::Status LibvirtDriver::LimitCpus(const Machine& machine) const {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, ReadWorkload(machine.dir()));
  const v1::Resources& resources = workload.spec().resources();
  const absl::Status status =
      qemu_groups_.LimitTime(machine.uid(), resources, VirtualCpus(resources));
  // One that has ended meanwhile needs none.
  return machine.qemu_pid() == 0 || machine.State() == shim::RunState::kExited ? absl::OkStatus()
                                                                               : status;
}

// With its QEMU gone libvirt drops a domain by itself, and writes to its log once
// more. It is not asked to: after a vxd that died while it made the domain, it may hold
// that for minutes.
void LibvirtDriver::RemoveDomain(const Machine& machine) const {
  if (!machine.had_qemu()) EndQemu(machine_host_.pid_dir, machine.name());
  if (host_.connected()) WaitDropped(machine_host_.pid_dir, machine.name(), kDomainEnd);
}

// The folder goes last: as long as it is there, a new driver finds the rest.
absl::Status LibvirtDriver::RemoveRun(const std::string& uid) const {
  // A virtiofsd whose QEMU never came.
  VX_RETURN_IF_ERROR(qemu_groups_.Kill(uid));
  VX_RETURN_IF_ERROR(qemu_groups_.Remove(uid));
  VX_RETURN_IF_ERROR(shim_groups_.Remove(uid));
  VX_RETURN_IF_ERROR(TakeBack(paths_.disk(uid)));
  VX_RETURN_IF_ERROR(TakeDisksBack(paths_.run(uid)));
  VX_ASSIGN_OR_RETURN(driver::IdRanges ids, Ids());
  VX_RETURN_IF_ERROR(ids.Release(uid));
  return RemoveTree(paths_.run(uid));
}

}  // namespace vx::libvirt
