#include "plugins/container/runtime/create.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/pipe.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/cgroup.h"
#include "plugins/container/runtime/command.h"
#include "plugins/container/runtime/config.h"
#include "plugins/container/runtime/config_parts.h"
#include "plugins/container/runtime/identity.h"
#include "plugins/container/runtime/init.h"
#include "plugins/container/runtime/json_fields.h"
#include "plugins/container/runtime/paths.h"
#include "plugins/container/runtime/seal.h"
#include "plugins/container/runtime/seccomp.h"
#include "plugins/container/runtime/stage.h"
#include "plugins/container/runtime/stages.h"
#include "plugins/container/runtime/state.h"
#include "plugins/container/runtime/terminal.h"
#include "plugins/container/runtime/user_namespace.h"

namespace vx::container {
namespace {

constexpr char kStageDir[] = "stage";
// Init makes these itself, once it is where they are to begin.
constexpr int kLateNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP;

constexpr char kAppArmorEnabled[] = "/sys/module/apparmor/parameters/enabled";

// The runtime's own namespace of each type that sysctls may be of.
struct OwnNamespace {
  int flag;
  const char* path;
};

constexpr OwnNamespace kOwnNamespaces[] = {{CLONE_NEWNET, "/proc/self/ns/net"},
                                           {CLONE_NEWIPC, "/proc/self/ns/ipc"},
                                           {CLONE_NEWUTS, "/proc/self/ns/uts"}};

bool IsOwn(int fd, int flag) {
  struct stat joined{}, own{};
  for (const OwnNamespace& ns : kOwnNamespaces) {
    if (ns.flag != flag || fstat(fd, &joined) < 0 || stat(ns.path, &own) < 0) continue;
    return joined.st_ino == own.st_ino && joined.st_dev == own.st_dev;
  }
  return false;
}

// One container in the making; what was made is undone unless Keep is called.
class Creation {
 public:
  Creation(const CreateOptions& options, std::string dir)
      : options_(options), dir_(std::move(dir)) {}
  ~Creation();

  absl::Status Run();

 private:
  absl::Status MakeFolder();
  absl::Status MakeCgroup();
  absl::Status OpenConsole();
  absl::Status JoinNamespaces() const;
  absl::Status StartInit();
  void ApplyOomScore() const;
  void Warn(const std::string& text) const;
  absl::Status CheckHost() const;
  void LimitCapabilities();
  absl::StatusOr<UniqueFd> MapIds() const;
  absl::Status WaitForInit();
  absl::Status WriteFiles() const;

  const CreateOptions& options_;
  const std::string dir_;
  Config config_;
  SeccompProgram filter_;
  std::unique_ptr<cgroup::Cgroup> cgroup_;
  cgroup::CgroupDoors doors_;
  UniqueFd start_;
  UniqueFd console_;
  int console_fd_ = -1;
  Pipe go_;
  Pipe report_;
  pid_t init_ = 0;
  bool made_folder_ = false;
  bool done_ = false;
};

Creation::~Creation() {
  if (done_) return;
  // Init's parent, the caller, reaps it.
  if (init_ > 0) kill(init_, SIGKILL);
  if (cgroup_ != nullptr) {
    cgroup_->Kill(absl::Seconds(5)).IgnoreError();
    cgroup_->Remove().IgnoreError();
  }
  for (const char* name : {kStartFifo, kPidFile, kStateFile}) {
    unlink(absl::StrCat(dir_, "/", name).c_str());
  }
  const std::string stage = absl::StrCat(dir_, "/", kStageDir);
  // It is mounted in this namespace, and entered.
  if (chdir("/") == 0) umount2(stage.c_str(), MNT_DETACH);
  rmdir(stage.c_str());
  if (made_folder_) rmdir(dir_.c_str());
}

absl::Status Creation::Run() {
  VX_ASSIGN_OR_RETURN(config_, ReadConfig(options_.bundle));
  if ((config_.new_namespaces & CLONE_NEWUSER) == 0) {
    VX_RETURN_IF_ERROR(SealSelf({options_.exec_fd, options_.error_fd, options_.console_fd}));
  }
  VX_RETURN_IF_ERROR(CheckHost());
  LimitCapabilities();
  VX_ASSIGN_OR_RETURN(filter_, FilterOf(config_, absl::StrCat(options_.root, "/.seccomp")));
  VX_RETURN_IF_ERROR(OpenConsole());
  EndStage("config");
  VX_RETURN_IF_ERROR(MakeFolder());
  VX_RETURN_IF_ERROR(MakeCgroup());
  EndStage("cgroup");
  VX_RETURN_IF_ERROR(JoinNamespaces());
  VX_RETURN_IF_ERROR(MakeStage(config_, absl::StrCat(dir_, "/", kStageDir)));
  EndStage("stage");
  VX_RETURN_IF_ERROR(StartInit());
  EndStage("clone");
  ApplyOomScore();
  VX_ASSIGN_OR_RETURN(UniqueFd userns, MapIds());
  VX_RETURN_IF_ERROR(FillStage(config_, userns.get()));
  EndStage("layers");
  if (write(go_.write.get(), "G", 1) != 1) return ErrnoError(errno, "let init go on");
  VX_RETURN_IF_ERROR(WaitForInit());
  VX_RETURN_IF_ERROR(WriteFiles());
  EndStage("files");
  done_ = true;
  return absl::OkStatus();
}

absl::Status Creation::OpenConsole() {
  console_fd_ = options_.console_fd;
  if (!config_.process.terminal) {
    if (options_.console_socket.empty()) return absl::OkStatus();
    return BadConfig("process.terminal", "is false, so no console socket is of use");
  }
  if (!options_.console_socket.empty()) {
    VX_ASSIGN_OR_RETURN(console_, ConnectConsole(options_.console_socket));
    console_fd_ = console_.get();
  }
  if (console_fd_ >= 0) return absl::OkStatus();
  return BadConfig("process.terminal", "needs --console-socket");
}

// The folder may be there already: for a container of vx it is the shim's.
absl::Status Creation::MakeFolder() {
  const std::string fifo = absl::StrCat(dir_, "/", kStartFifo);
  const std::string stage = absl::StrCat(dir_, "/", kStageDir);
  VX_RETURN_IF_ERROR(MakeDirs(options_.root, 0700));
  made_folder_ = mkdir(dir_.c_str(), 0700) == 0;
  if (mkfifo(fifo.c_str(), 0600) < 0) {
    if (errno != EEXIST) return ErrnoError(errno, absl::StrCat("make ", fifo));
    done_ = true;
    return Error(absl::StatusCode::kAlreadyExists, "CONTAINER_EXISTS",
                 absl::StrCat("there is a container \"", options_.id, "\" already"));
  }
  if (mkdir(stage.c_str(), 0700) < 0) return ErrnoError(errno, absl::StrCat("make ", stage));
  VX_ASSIGN_OR_RETURN(start_, OpenFile(fifo, O_RDWR));
  return absl::OkStatus();
}

absl::Status Creation::MakeCgroup() {
  VX_ASSIGN_OR_RETURN(cgroup::CgroupLayout layout, cgroup::FindCgroups());
  if (layout.mode == cgroup::CgroupMode::kNone) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_CGROUPS",
                 "no cgroup hierarchy is mounted", "mount cgroup2 on /sys/fs/cgroup");
  }
  if (config_.cgroups_path.empty()) config_.cgroups_path = absl::StrCat("/vx/", options_.id);
  cgroup_ = cgroup::Cgroup::Open(layout, config_.cgroups_path);
  VX_RETURN_IF_ERROR(cgroup_->Make(config_.limits));
  VX_ASSIGN_OR_RETURN(doors_, cgroup_->OpenDoors());
  return absl::OkStatus();
}

// By the runtime itself, which has the rights and ends soon; init inherits them.
absl::Status Creation::JoinNamespaces() const {
  int own = config_.new_namespaces;
  for (const JoinedNamespace& ns : config_.joined_namespaces) {
    VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(ns.path, O_RDONLY));
    // One that is the host's does not count.
    if (!IsOwn(fd.get(), ns.flag)) own |= ns.flag;
    if (setns(fd.get(), ns.flag) < 0) return ErrnoError(errno, absl::StrCat("join ", ns.path));
  }
  for (const auto& [key, value] : config_.sysctl) VX_RETURN_IF_ERROR(CheckSysctl(key, own));
  return absl::OkStatus();
}

absl::Status Creation::StartInit() {
  VX_ASSIGN_OR_RETURN(go_, MakePipe());
  VX_ASSIGN_OR_RETURN(report_, MakePipe());
  clone_args args{};
  args.flags = static_cast<uint64_t>(config_.new_namespaces & ~kLateNamespaces) | CLONE_PARENT;
  if (doors_.into.valid()) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(doors_.into.get());
  }
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return ErrnoError(errno, "make namespaces");
  if (pid == 0) {
    go_.write.reset();
    report_.read.reset();
    RunInit({config_, filter_, doors_, go_.read.get(), report_.write.get(), start_.get(),
             console_fd_, options_.exec_fd, options_.error_fd, options_.die_with_parent,
             options_.keep_exec_fd});
  }
  init_ = static_cast<pid_t>(pid);
  go_.read.reset();
  report_.write.reset();
  return absl::OkStatus();
}

// From outside: in a user namespace the file is not init's own.
void Creation::ApplyOomScore() const {
  if (!config_.process.oom_score_adj) return;
  const std::string file = absl::StrCat("/proc/", init_, "/oom_score_adj");
  const int score = *config_.process.oom_score_adj;
  if (WriteToFile(file, absl::StrCat(score)).ok()) return;
  auto now = ReadFile(file);
  Warn(absl::StrCat("oom_score_adj ", score, " is not allowed by the host; it stays ",
                    now.ok() ? absl::StripAsciiWhitespace(*now) : "as it is"));
}

void Creation::Warn(const std::string& text) const {
  const std::string line = absl::StrCat("warning: ", text, "\n");
  if (write(options_.error_fd, line.data(), line.size()) < 0) return;
}

// Without a user namespace nobody gets what the runtime itself does not have.
void Creation::LimitCapabilities() {
  const absl::StatusOr<uint64_t> own = OwnCapabilities();
  if ((config_.new_namespaces & CLONE_NEWUSER) != 0 || !own.ok()) return;
  Capabilities& wanted = config_.process.capabilities;
  std::vector<std::string> lost;
  const std::vector<std::string> names = CapabilityNames();
  for (size_t i = 0; i < names.size(); ++i) {
    if (((wanted.permitted & ~*own) >> i & 1) != 0) lost.push_back(names[i]);
  }
  wanted.LimitTo(*own);
  if (lost.empty()) return;
  Warn(absl::StrCat("not granted, as the host does not have them: ", absl::StrJoin(lost, ", ")));
}

// What the bundle asks of the host.
absl::Status Creation::CheckHost() const {
  const std::string& profile = config_.process.apparmor;
  auto enabled = ReadFile(kAppArmorEnabled);
  const bool has_apparmor = enabled.ok() && absl::StartsWith(*enabled, "Y");
  if (!profile.empty() && profile != "unconfined" && !has_apparmor) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_APPARMOR",
                 absl::StrCat("AppArmor profile \"", profile,
                              "\" can't be used: this host has no AppArmor"));
  }
  for (const MountConfig& mount : config_.mounts) {
    if (!IsCgroup(mount) || (mount.flags & MS_RDONLY) != 0) continue;
    auto layout = cgroup::FindCgroups();
    if (!layout.ok() || layout->mode == cgroup::CgroupMode::kV2) continue;
    Warn(absl::StrCat(mount.destination, " is read-only: the host's cgroups are v1"));
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> Creation::MapIds() const {
  if ((config_.new_namespaces & CLONE_NEWUSER) == 0) return UniqueFd();
  VX_RETURN_IF_ERROR(WriteMappings(init_, config_.uid_mappings, config_.gid_mappings));
  // Init, root in there, makes them its command's.
  GiveStreams(config_.root_uid(), config_.root_gid());
  return OpenUserNamespace(init_);
}

absl::Status Creation::WaitForInit() {
  std::string report;
  char buffer[1024];
  while (report != "R") {
    const ssize_t n = read(report_.read.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    report.append(buffer, static_cast<size_t>(n));
  }
  if (report == "R") return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, "INIT_FAILED",
               report.empty() ? "the container's init was killed" : report);
}

absl::Status Creation::WriteFiles() const {
  ContainerState state{options_.id, options_.bundle,          config_.cgroups_path,
                       init_,       ProcessStartTicks(init_), config_.annotations};
  VX_RETURN_IF_ERROR(WriteState(dir_, state));
  if (options_.pid_file.empty()) return absl::OkStatus();
  return WriteFileAtomic(options_.pid_file, absl::StrCat(init_), 0644);
}

}  // namespace

absl::Status Create(const CreateOptions& options) {
  VX_ASSIGN_OR_RETURN(std::string dir, StateDir(options.root, options.id));
  if (options.stages_file.empty()) return Creation(options, std::move(dir)).Run();
  KeepStages();
  VX_RETURN_IF_ERROR(Creation(options, std::move(dir)).Run());
  return WriteStages(options.stages_file);
}

}  // namespace vx::container
