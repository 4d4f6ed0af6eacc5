#include "plugins/libvirt/bundle.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "daemon/driver/name_texts.h"
#include "plugins/libvirt/resources.h"
#include "plugins/libvirt/shares.h"

namespace vx::libvirt {
namespace {

absl::StatusOr<int64_t> FileSize(const std::string& path) {
  struct stat st;
  if (stat(path.c_str(), &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", path));
  return st.st_size;
}

absl::Status MakeDisk(const std::string& path, const v1::Workload& workload,
                      const std::string& base) {
  VX_ASSIGN_OR_RETURN(int64_t size, FileSize(base));
  std::vector<std::string> command = {"qemu-img", "create", "-q", "-f",  "qcow2",
                                      "-b",       base,     "-F", "raw", path};
  const v1::Resources& resources = workload.spec().resources();
  if (resources.has_disk_bytes()) {
    if (resources.disk_bytes() < size) {
      return Error(
          absl::StatusCode::kInvalidArgument, "DISK_TOO_SMALL",
          absl::StrCat("a disk of ", resources.disk_bytes(), " bytes is smaller than image ",
                       workload.spec().image(), ", which takes ", size),
          "ask for more by --disk, or leave it out");
    }
    command.push_back(absl::StrCat(resources.disk_bytes()));
  }
  return Annotate(RunCommandOk(std::move(command)).status(),
                  absl::StrCat("make a disk over ", base));
}

// Outer ones first. As a container's: half of the memory, where nothing is said.
std::vector<agent::BootTmpfs> ToTmpfs(const v1::WorkloadSpec& spec) {
  const int64_t memory = GuestMemory(spec.resources());
  std::vector<agent::BootTmpfs> all;
  for (const v1::Tmpfs& tmpfs : spec.tmpfs()) {
    agent::BootTmpfs& boot = all.emplace_back();
    boot.target = tmpfs.target();
    boot.size_bytes = static_cast<uint64_t>(tmpfs.has_size_bytes() ? tmpfs.size_bytes()
                                                                    : memory / 2);
    if (tmpfs.has_mode()) boot.mode = tmpfs.mode();
    boot.exec = tmpfs.exec();
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.target.size() < b.target.size();
  });
  return all;
}

void SetNetworks(const v1::WorkloadStatus& status, agent::BootConfig& config) {
  if (status.networks_size() == 0) return;
  for (const v1::NetworkAttachment& attachment : status.networks()) {
    config.nics.push_back(ToNic(attachment));
  }
  config.resolver = driver::ResolverText(status);
  config.hosts = driver::HostsText(status, config.hostname);
}

}  // namespace

agent::BootNic ToNic(const v1::NetworkAttachment& attachment) {
  agent::BootNic nic;
  nic.mac = attachment.mac();
  nic.link = attachment.guest_link();
  nic.mtu = static_cast<uint32_t>(attachment.mtu());
  nic.addresses = {attachment.addresses().begin(), attachment.addresses().end()};
  nic.gateways = {attachment.gateways().begin(), attachment.gateways().end()};
  return nic;
}

absl::Status MakeBundle(const Paths& paths, const v1::Workload& workload,
                        const driver::Base& base) {
  const std::string& uid = workload.uid();
  VX_RETURN_IF_ERROR(MakeDirs(paths.bundle(uid), 0700));
  auto remove = absl::MakeCleanup([&] { RemoveTree(paths.bundle(uid)).IgnoreError(); });
  VX_FAULT_POINT("create.vm.folder");
  VX_RETURN_IF_ERROR(MakeDisk(paths.disk(uid), workload, base.disk));
  VX_FAULT_POINT("create.vm.disk");
  VX_RETURN_IF_ERROR(WriteFileAtomic(paths.log(uid), "", 0600));
  VX_RETURN_IF_ERROR(WriteFileAtomic(paths.console(uid), "", 0600));
  VX_FAULT_POINT("create.vm.log");
  VX_RETURN_IF_ERROR(
      WriteFileAtomic(paths.image_config(uid), base.config.SerializeAsString(), 0600));
  std::move(remove).Cancel();
  return absl::OkStatus();
}

absl::StatusOr<v1::ImageConfig> ReadImageConfig(const Paths& paths, const std::string& uid) {
  auto content = ReadFile(paths.image_config(uid));
  v1::ImageConfig config;
  if (content.ok() && config.ParseFromString(*content)) return config;
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_PREPARED",
               absl::StrCat("VM ", uid, " has no disk yet"));
}

absl::StatusOr<std::string> EncodeProcess(const driver::Process& process,
                                          const v1::Workload& workload,
                                          const std::vector<driver::MountSource>& sources) {
  const v1::WorkloadSpec& spec = workload.spec();
  agent::BootConfig config;
  config.argv = process.argv;
  config.env = process.env;
  config.working_dir = process.working_dir;
  config.user = process.user;
  config.hostname = process.hostname;
  config.tty = spec.tty();
  config.stdin = spec.stdin();
  config.read_only = spec.read_only();
  config.tmpfs = ToTmpfs(spec);
  SetNetworks(workload.status(), config);
  config.shares = ToBoot(spec, sources);
  if (const char* error = agent::CheckBootConfig(config)) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_PROCESS",
                 absl::StrCat("the guest can't be given ", error));
  }
  return agent::EncodeBootConfig(config);
}

}  // namespace vx::libvirt
