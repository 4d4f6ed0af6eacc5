// vxd: flags, wiring, signals.
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/command_line.h"
#include "daemon/config.h"
#include "daemon/core/core.h"
#include "daemon/core/state_dir.h"
#include "daemon/drivers.h"
#include "daemon/image/builtin.h"
#include "daemon/image/image_store.h"
#include "daemon/logging.h"
#include "daemon/memory.h"
#include "daemon/registry/options.h"
#include "daemon/service/listener.h"
#include "daemon/service/server.h"
#include "daemon/store/store.h"
#include "daemon/volume/btrfs_backend.h"
#include "daemon/volume/dir_backend.h"
#include "daemon/watchdog.h"

namespace vx {
namespace {

constexpr int kWorkers = 64;
constexpr absl::Duration kShutdownGrace = absl::Milliseconds(500);
constexpr absl::Duration kLongestStop = absl::Seconds(15);

// Threads inherit the mask, so the signals come to WaitForStop alone.
sigset_t BlockSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return stop;
}

void PrepareProcess() {
  LimitHeaps();
  // What the launcher left open is not for the children.
  close_range(SD_LISTEN_FDS_START, ~0U, CLOSE_RANGE_CLOEXEC);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  // QEMU and shims that lose their parent become ours to reap.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  umask(0022);
}

absl::Status CheckOptions(const Config& config) {
  if (!config.Get("daemon.listen").empty()) {
    return Error(absl::StatusCode::kUnimplemented, "NOT_YET",
                 "daemon.listen: serving over TCP is not supported yet",
                 "leave it out and use the unix socket");
  }
  return absl::OkStatus();
}

// The socket that systemd passed, and keeps, or one of our own.
absl::StatusOr<UniqueFd> TakeSocket(const Config& config, bool& passed) {
  const int count = sd_listen_fds(/*unset_environment=*/1);
  passed = count > 0;
  if (!passed) return service::BindSocket(config.Get("daemon.socket"), config.Get("daemon.group"));
  UniqueFd socket(SD_LISTEN_FDS_START);
  if (count > 1 || sd_is_socket(socket.get(), AF_UNIX, SOCK_STREAM, /*listening=*/1) <= 0) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_SOCKET",
                 absl::StrCat("vxd was passed ", count, " sockets, or one of another kind"),
                 "let the socket unit have one ListenStream= with a path, and Accept=no");
  }
  fcntl(socket.get(), F_SETFL, fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  return socket;
}

void WaitForStop(const sigset_t& stop) {
  int signal = 0;
  while (sigwait(&stop, &signal) != 0) {
  }
  spdlog::info("signal={} stops vxd; workloads go on", signal);
}

core::NetworkOptions ToNetworkOptions(const Config& config, const std::string& instance_id) {
  core::NetworkOptions options;
  options.instance_id = instance_id;
  options.runtime_dir = config.Get("daemon.runtime_dir");
  options.cgroup_parent = config.Get("daemon.cgroup_parent");
  options.bridge = config.Get("network.bridge");
  options.pool = config.Get("network.subnet");
  options.ipv6_pool = config.Get("network.ipv6");
  options.default_network = config.Get("network.default");
  options.bin_dir = ExecutableDir();
  options.upstream =
      absl::StrSplit(config.Get("network.dns"), absl::ByAnyChar(", "), absl::SkipEmpty());
  return options;
}

registry::Options ToRegistryOptions(const Config& config) {
  registry::Options options;
  for (const std::string& host : config.GetList("images.insecure_registries")) {
    options.insecure.insert(host);
  }
  for (const std::string& entry : config.GetList("images.mirrors")) {
    std::pair<std::string, std::string> mirror = absl::StrSplit(entry, absl::MaxSplits('=', 1));
    options.mirrors.insert(mirror);
  }
  options.ca_file = config.Get("images.ca_file");
  options.max_layer_bytes = config.GetInt("images.max_layer_bytes");
  return options;
}

// In this process's place.
[[noreturn]] void ExecAgain(char** argv) {
  execv("/proc/self/exe", argv);
  spdlog::error("vxd can't start itself again: {}", strerror(errno));
  _exit(1);
}

// What runs is waited for, but not for ever: the next start deals with the rest.
void EndSoon(std::function<void()> end) {
  std::thread([end = std::move(end)] {
    absl::SleepFor(kLongestStop);
    spdlog::warn("operations still run; the next start finishes or undoes them");
    end();
  }).detach();
}

// A mark in the runtime directory, which a boot of the host wipes.
std::string StartedMark(const Config& config) {
  return absl::StrCat(config.Get("daemon.runtime_dir"), "/started");
}

// Once all that is to start with the host was asked to.
void NoteStarted(core::Core& core, const Config& config) {
  core.AwaitDrivers();
  for (const v1::DriverInfo& info : core.drivers().Infos()) {
    if (info.state() == v1::DRIVER_STATE_PROBING) return;
  }
  absl::Status noted = WriteFileAtomic(StartedMark(config), "", 0600);
  if (!noted.ok()) spdlog::error("{}", noted.ToString());
}

// The first is the default.
absl::Status AddVolumes(const Config& config, core::Volumes& volumes) {
  std::string dir = config.Get("volumes.dir");
  if (dir.empty()) dir = absl::StrCat(config.Get("daemon.state_dir"), "/volumes");
  VX_ASSIGN_OR_RETURN(auto folders, volume::DirBackend::Open(dir));
  VX_ASSIGN_OR_RETURN(auto subvolumes, volume::BtrfsBackend::Open(dir));
  volumes.Add(std::move(folders));
  volumes.Add(std::move(subvolumes));
  return absl::OkStatus();
}

// True: it is to be started again.
absl::StatusOr<bool> Serve(const Config& config, const sigset_t& stop, char** argv) {
  const std::string state_dir = config.Get("daemon.state_dir");
  const std::string runtime_dir = config.Get("daemon.runtime_dir");
  VX_RETURN_IF_ERROR(CheckOptions(config));
  VX_ASSIGN_OR_RETURN(UniqueFd lock, core::LockStateDir(state_dir));
  VX_RETURN_IF_ERROR(MakeDirs(runtime_dir, 0755));
  RemoveTemporaries(runtime_dir);
  VX_ASSIGN_OR_RETURN(std::unique_ptr<store::Store> store, core::OpenInventory(state_dir));
  VX_ASSIGN_OR_RETURN(const std::string instance_id, core::InstanceId(state_dir, *store));
  image::Limits limits{config.GetInt("images.max_layer_bytes"),
                       config.GetInt("images.max_unpacked_bytes")};
  VX_ASSIGN_OR_RETURN(std::unique_ptr<image::ImageStore> images,
                      image::ImageStore::Open(absl::StrCat(state_dir, "/images"), limits));
  // vxd is of use without them.
  if (absl::Status status = image::ImportBuiltins(*images, BuiltinImagesDir()); !status.ok()) {
    spdlog::error("built-in images: {}", status.ToString());
  }

  core::Core core(*store, *images, kWorkers, ToNetworkOptions(config, instance_id));
  VX_RETURN_IF_ERROR(AddVolumes(config, core.volumes()));
  core.images().UseRegistries(ToRegistryOptions(config));
  VX_RETURN_IF_ERROR(LoadDrivers(config, instance_id, core.drivers()));
  bool passed = false;
  VX_ASSIGN_OR_RETURN(UniqueFd socket, TakeSocket(config, passed));
  VX_RETURN_IF_ERROR(core.Start(/*booted=*/!PathExists(StartedMark(config))));
  std::atomic<bool> again{false};
  auto restart = [&again] {
    again = true;
    kill(getpid(), SIGTERM);
  };
  VX_ASSIGN_OR_RETURN(
      std::unique_ptr<service::Server> server,
      service::Server::Start(core,
                             {.socket = std::move(socket),
                              .operator_host_access = config.GetBool("auth.operator_host_access"),
                              .facts = {VX_VERSION, instance_id, state_dir, runtime_dir},
                              .restart = restart}));
  spdlog::info("vxd {} serves {} instance={} state={}", VX_VERSION, config.Get("daemon.socket"),
               instance_id, state_dir);
  sd_notify(0, "READY=1");
  auto watchdog = std::make_unique<Watchdog>(
      [&server](std::function<void()> through) { server->GoThrough(std::move(through)); });
  std::thread tidy([&core, &config] {
    NoteStarted(core, config);
    ReleaseStartupMemory();
  });
  WaitForStop(stop);
  watchdog.reset();
  // Who keeps the socket also starts vxd again.
  const bool in_place = again && !passed;
  sd_notify(0, in_place ? "RELOADING=1" : "STOPPING=1");
  core.Close();
  tidy.join();
  server->Shutdown(kShutdownGrace);
  EndSoon([argv, in_place] { in_place ? ExecAgain(argv) : _exit(0); });
  if (!passed) unlink(config.Get("daemon.socket").c_str());
  return in_place;
}

absl::Status Restore(const Config& config, const std::string& file) {
  const std::string state_dir = config.Get("daemon.state_dir");
  VX_ASSIGN_OR_RETURN(UniqueFd lock, core::LockStateDir(state_dir));
  VX_RETURN_IF_ERROR(core::RestoreInventory(state_dir, file));
  printf("%s is the inventory of %s now; what was there is in %s/backups\n", file.c_str(),
         state_dir.c_str(), state_dir.c_str());
  return absl::OkStatus();
}

int Fail(const absl::Status& status) {
  std::string reason = ErrorReason(status);
  if (reason.empty()) reason = absl::StatusCodeToString(status.code());
  fprintf(stderr, "vxd: %s (%s)\n", std::string(status.message()).c_str(), reason.c_str());
  if (std::string hint = ErrorHint(status); !hint.empty()) {
    fprintf(stderr, "hint: %s\n", hint.c_str());
  }
  return 1;
}

int Main(int argc, char** argv) {
  Config config;
  absl::StatusOr<CommandLine> line = ParseCommandLine(argc, argv, config);
  if (!line.ok()) {
    Fail(line.status());
    return ErrorReason(line.status()) == "USAGE" ? 2 : 1;
  }
  if (line->exit) return 0;
  if (!line->restore.empty()) {
    absl::Status restored = Restore(config, line->restore);
    return restored.ok() ? 0 : Fail(restored);
  }
  const sigset_t stop = BlockSignals();
  PrepareProcess();
  StartLogging(config);
  absl::StatusOr<bool> again = Serve(config, stop, argv);
  if (!again.ok()) return Fail(again.status());
  if (*again) ExecAgain(argv);
  return 0;
}

}  // namespace
}  // namespace vx

int main(int argc, char** argv) { return vx::Main(argc, argv); }
