#include "daemon/service/system_service.h"

#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/service/pushed_stream.h"
#include "daemon/service/restore_stream.h"

namespace vx::service {
namespace {

constexpr uint64_t kLowSpaceBytes = uint64_t{1} << 30;

v1::HostInfo Host() {
  v1::HostInfo host;
  utsname names{};
  uname(&names);
  host.set_hostname(names.nodename);
  host.set_kernel(names.release);
  host.set_architecture(names.machine);
  host.set_cpus(static_cast<int>(std::thread::hardware_concurrency()));
  struct sysinfo memory{};
  sysinfo(&memory);
  host.set_memory_bytes(static_cast<int64_t>(memory.totalram) * memory.mem_unit);
  host.set_cgroup(CgroupLayout("/sys/fs/cgroup"));
  return host;
}

v1::Check CheckStateDir(const std::string& dir) {
  v1::Check check;
  check.set_name("state-dir");
  struct statvfs fs{};
  if (statvfs(dir.c_str(), &fs) < 0) {
    check.set_result(v1::CHECK_RESULT_FAILED);
    check.set_message(absl::StrCat(dir, " can't be read"));
    check.set_hint("check the disk and the mount");
    return check;
  }
  const uint64_t free = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  const bool low = free < kLowSpaceBytes;
  check.set_result(low ? v1::CHECK_RESULT_WARNING : v1::CHECK_RESULT_OK);
  check.set_message(absl::StrCat(dir, " has ", free >> 20, " MiB free"));
  if (low) check.set_hint("remove images that nothing uses: vxctl image rm");
  return check;
}

// A driver that is not there can't be asked.
v1::Check MissingDriver(const v1::DriverInfo& info) {
  v1::Check check;
  check.set_name("driver");
  check.set_driver(info.name());
  check.set_result(v1::CHECK_RESULT_FAILED);
  check.set_message(info.reason());
  check.set_hint(info.hint());
  return check;
}

}  // namespace

std::string CgroupLayout(const std::string& root) {
  if (PathExists(absl::StrCat(root, "/cgroup.controllers"))) return "v2";
  const bool v1 = PathExists(absl::StrCat(root, "/memory/tasks"));
  if (!v1) return "none";
  return PathExists(absl::StrCat(root, "/unified/cgroup.procs")) ? "hybrid" : "v1";
}

grpc::ServerUnaryReactor* SystemService::GetInfo(Call* call, const v1::GetInfoRequest* request,
                                                 v1::GetInfoResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    response->set_version(facts_.version);
    response->set_instance_id(facts_.instance_id);
    response->set_state_dir(facts_.state_dir);
    response->set_runtime_dir(facts_.runtime_dir);
    *response->mutable_host() = Host();
    for (v1::DriverInfo& info : context_.core.drivers().Infos()) {
      *response->add_drivers() = std::move(info);
    }
    for (v1::Permission permission : caller.permissions) response->add_permissions(permission);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* SystemService::Doctor(Call* call, const v1::DoctorRequest* request,
                                                v1::DoctorResponse* response) {
  auto run = [=, this](const Caller&) {
    *response->add_checks() = CheckStateDir(facts_.state_dir);
    for (v1::Check& check : context_.core.networks().Doctor()) {
      *response->add_checks() = std::move(check);
    }
    for (const v1::DriverInfo& info : context_.core.drivers().Infos()) {
      driver::Driver* driver = context_.core.drivers().Find(info.kind());
      if (driver == nullptr) {
        *response->add_checks() = MissingDriver(info);
        continue;
      }
      for (v1::Check& check : driver->Doctor()) {
        check.set_driver(info.name());
        *response->add_checks() = std::move(check);
      }
    }
    return absl::OkStatus();
  };
  return Unary(context_, call, request, run, &context_.slow_pool);
}

grpc::ServerWriteReactor<v1::BackupInventoryResponse>* SystemService::BackupInventory(
    Call* call, const v1::BackupInventoryRequest* request) {
  absl::StatusOr<Caller> caller = context_.authorizer.Authorize(call->peer(), *request);
  if (!caller.ok()) {
    return new Refusal<grpc::ServerWriteReactor<v1::BackupInventoryResponse>>(caller.status());
  }
  auto* stream = new PushedStream<v1::BackupInventoryResponse>();
  stream->Begin(context_.slow_pool, [this](const auto& sink) {
    return context_.core.inventory().Backup(context_.spool_dir, sink);
  });
  return stream;
}

grpc::ServerReadReactor<v1::RestoreInventoryRequest>* SystemService::RestoreInventory(
    Call* call, v1::RestoreInventoryResponse* response) {
  return new RestoreStream(context_, call, response);
}

}  // namespace vx::service
