// vxd: flags, wiring, signals.
#include <linux/close_range.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/command_line.h"
#include "daemon/config.h"
#include "daemon/core/core.h"
#include "daemon/core/instance.h"
#include "daemon/drivers.h"
#include "daemon/image/builtin.h"
#include "daemon/image/image_store.h"
#include "daemon/logging.h"
#include "daemon/memory.h"
#include "daemon/service/listener.h"
#include "daemon/service/server.h"
#include "daemon/store/store.h"

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

// The socket that systemd passed, or one of our own.
absl::StatusOr<UniqueFd> TakeSocket(const Config& config) {
  if (sd_listen_fds(/*unset_environment=*/1) > 0) return UniqueFd(SD_LISTEN_FDS_START);
  return service::BindSocket(config.Get("daemon.socket"), config.Get("daemon.group"));
}

void WaitForStop(const sigset_t& stop) {
  int signal = 0;
  while (sigwait(&stop, &signal) != 0) {
  }
  spdlog::info("signal={} stops vxd; workloads go on", signal);
}

// What runs is waited for, but not for ever: the next start deals with the rest.
void ExitSoon() {
  std::thread([] {
    absl::SleepFor(kLongestStop);
    spdlog::warn("operations still run; the next start finishes or undoes them");
    _exit(0);
  }).detach();
}

absl::Status Serve(const Config& config, const sigset_t& stop) {
  const std::string state_dir = config.Get("daemon.state_dir");
  const std::string runtime_dir = config.Get("daemon.runtime_dir");
  VX_RETURN_IF_ERROR(CheckOptions(config));
  VX_ASSIGN_OR_RETURN(core::Instance instance, core::OpenInstance(state_dir));
  VX_RETURN_IF_ERROR(MakeDirs(runtime_dir, 0755));
  VX_ASSIGN_OR_RETURN(std::unique_ptr<store::Store> store,
                      store::Store::Open(absl::StrCat(state_dir, "/vx.db")));
  image::Limits limits{config.GetInt("images.max_layer_bytes"),
                       config.GetInt("images.max_unpacked_bytes")};
  VX_ASSIGN_OR_RETURN(std::unique_ptr<image::ImageStore> images,
                      image::ImageStore::Open(absl::StrCat(state_dir, "/images"), limits));
  // vxd is of use without them.
  if (absl::Status status = image::ImportBuiltins(*images, BuiltinImagesDir()); !status.ok()) {
    spdlog::error("built-in images: {}", status.ToString());
  }

  core::Core core(*store, *images, kWorkers);
  VX_RETURN_IF_ERROR(LoadDrivers(config, instance.id, core.drivers()));
  VX_ASSIGN_OR_RETURN(UniqueFd socket, TakeSocket(config));
  VX_RETURN_IF_ERROR(core.Start());
  VX_ASSIGN_OR_RETURN(std::unique_ptr<service::Server> server,
                      service::Server::Start(core, {.socket = std::move(socket),
                                                    .operator_host_access = config.GetBool(
                                                        "auth.operator_host_access"),
                                                    .facts = {VX_VERSION, instance.id, state_dir,
                                                              runtime_dir}}));
  spdlog::info("vxd {} serves {} instance={} state={}", VX_VERSION, config.Get("daemon.socket"),
               instance.id, state_dir);
  sd_notify(0, "READY=1");
  std::thread tidy([&core] {
    core.AwaitDrivers();
    ReleaseStartupMemory();
  });
  WaitForStop(stop);
  sd_notify(0, "STOPPING=1");
  core.Close();
  tidy.join();
  server->Shutdown(kShutdownGrace);
  ExitSoon();
  unlink(config.Get("daemon.socket").c_str());
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
  absl::StatusOr<Verdict> verdict = ParseCommandLine(argc, argv, config);
  if (!verdict.ok()) {
    Fail(verdict.status());
    return ErrorReason(verdict.status()) == "USAGE" ? 2 : 1;
  }
  if (*verdict == Verdict::kExit) return 0;
  const sigset_t stop = BlockSignals();
  PrepareProcess();
  StartLogging(config);
  absl::Status status = Serve(config, stop);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace
}  // namespace vx

int main(int argc, char** argv) { return vx::Main(argc, argv); }
