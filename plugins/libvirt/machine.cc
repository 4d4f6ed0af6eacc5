#include "plugins/libvirt/machine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/console.h"
#include "plugins/libvirt/resources.h"

namespace vx::libvirt {
namespace {

// How long the shim may take to write down what the guest said last.
constexpr absl::Duration kShimEnd = absl::Seconds(15);
// Of the console, in a message.
constexpr size_t kConsoleLines = 5;

// Its time of change is the run's start.
constexpr char kStartedFile[] = "/started";

absl::Time ReadStartTime(const std::string& run) {
  struct stat st;
  if (stat((run + kStartedFile).c_str(), &st) < 0) return absl::InfinitePast();
  return absl::TimeFromTimespec(st.st_mtim);
}

UniqueFd Duplicate(int fd) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); }

absl::Status NotRunning(const std::string& uid) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("VM ", uid, " does not run"));
}

absl::Status QemuDied() {
  return Error(absl::StatusCode::kInternal, "QEMU_DIED", "QEMU died as soon as the VM was made",
               "see the host's log, and `vxctl doctor`");
}

}  // namespace

Machine::Machine(const MachineHost* host, std::string uid, std::string name, std::string dir,
                 std::string console)
    : host_(host),
      uid_(std::move(uid)),
      name_(std::move(name)),
      dir_(std::move(dir)),
      console_(std::move(console)) {}

absl::Status Machine::LaunchShim(shim::LaunchOptions options, const std::string& config) {
  VX_RETURN_IF_ERROR(MakeDirs(dir_, 0700));
  VX_RETURN_IF_ERROR(WriteFileAtomic(absl::StrCat(dir_, "/", shim::kConfigFile), config, 0600));
  options.dir = dir_;
  options.console_log = console_;
  VX_ASSIGN_OR_RETURN(auto client, shim::Client::Launch(options));
  absl::MutexLock lock(&mutex_);
  shim_ = std::move(client);
  return absl::OkStatus();
}

absl::Status Machine::WatchQemu() {
  auto found = FindQemu(host_->pid_dir, name_);
  if (absl::IsNotFound(found.status())) return QemuDied();
  VX_RETURN_IF_ERROR(found.status());
  auto qemu = std::make_shared<QemuProcess>(*std::move(found));
  {
    absl::MutexLock lock(&mutex_);
    qemu_ = qemu;
  }
  host_->watcher->Add(Duplicate(qemu->pidfd.get()), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnQemuGone();
    return false;
  }).IgnoreError();
  WatchShim();
  OpenAgent();
  return absl::OkStatus();
}

void Machine::OpenAgent() {
  auto changed = [weak = weak_from_this()] {
    auto self = weak.lock();
    if (self == nullptr) return;
    self->host_->pool->Run([self] { self->host_->agent_changed(self->uid_); });
  };
  auto agent = std::make_shared<AgentChannel>(host_->agent_watcher,
                                              absl::StrCat(dir_, "/", kAgentSocket), changed);
  agent->Connect();
  absl::MutexLock lock(&mutex_);
  agent_ = std::move(agent);
}

absl::Status Machine::PlaceQemu() const {
  const pid_t pid = qemu_pid();
  if (pid == 0 || host_->qemu_groups == nullptr) return absl::OkStatus();
  driver::ResetOomScore(pid);
  const absl::Status moved = host_->qemu_groups->Take(uid_, pid);
  return qemu_pid() == 0 ? absl::OkStatus() : moved;
}

void Machine::Adopt() {
  {
    absl::MutexLock lock(&mutex_);
    start_time_ = ReadStartTime(dir_);
  }
  if (auto client = shim::Client::Find(dir_); client.ok()) {
    absl::MutexLock lock(&mutex_);
    shim_ = *std::move(client);
  }
  if (!WatchQemu().ok()) {
    // QEMU died with nobody watching; the shim may not know yet.
    End();
  } else if (PowerIsCut()) {
    KillQemu();
  } else {
    // Its vxd may have died before it came to that.
    PlaceQemu().IgnoreError();
  }
}

void Machine::WatchShim() {
  std::shared_ptr<shim::Client> client = shim();
  if (!client) return KillQemu();
  host_->watcher->Add(Duplicate(client->pidfd()), [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->OnShimGone();
    return false;
  }).IgnoreError();
}

// The shim ends once the command's end is on record, when the agent has made the
// guest's disk safe, or when somebody killed it. Either way QEMU has no reason to
// live, and switching it off from here is faster than waiting for the guest.
void Machine::OnShimGone() {
  shim()->WaitEnd(absl::ZeroDuration());
  KillQemu();
}

void Machine::OnQemuGone() {
  host_->pool->Run([self = shared_from_this()] { self->End(); });
}

void Machine::End() {
  if (std::shared_ptr<shim::Client> client = shim()) {
    client->MachineGone().IgnoreError();
    if (!client->WaitEnd(kShimEnd)) {
      SignalPidfd(client->pidfd(), SIGKILL).IgnoreError();
      client->WaitEnd(kShimEnd);
    }
  }
  if (std::shared_ptr<AgentChannel> channel = agent()) channel->Close();
  const std::optional<v1::Exit> exit = ReadExit();
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return;
    ended_ = true;
    exit_ = exit.value_or(Unrecorded());
  }
  host_->ended(uid_);
}

void Machine::KillQemu() const {
  absl::MutexLock lock(&mutex_);
  if (qemu_ && !ended_) SignalPidfd(qemu_->pidfd.get(), SIGKILL).IgnoreError();
}

bool Machine::QemuLives() const {
  absl::MutexLock lock(&mutex_);
  return qemu_ && !ended_ && !WaitPidfd(qemu_->pidfd.get(), absl::ZeroDuration());
}

std::shared_ptr<shim::Client> Machine::shim() const {
  absl::MutexLock lock(&mutex_);
  return shim_;
}

std::shared_ptr<AgentChannel> Machine::agent() const {
  absl::MutexLock lock(&mutex_);
  return agent_;
}

pid_t Machine::qemu_pid() const {
  absl::MutexLock lock(&mutex_);
  return qemu_ && !ended_ ? qemu_->pid : 0;
}

pid_t Machine::shim_pid() const {
  absl::MutexLock lock(&mutex_);
  return shim_ && !ended_ ? shim_->pid() : 0;
}

bool Machine::ended() const {
  absl::MutexLock lock(&mutex_);
  return ended_;
}

bool Machine::had_qemu() const {
  absl::MutexLock lock(&mutex_);
  return qemu_ != nullptr;
}

shim::RunState Machine::State() const {
  std::shared_ptr<shim::Client> client = shim();
  if (ended() || !client) return shim::RunState::kExited;
  auto reply = client->Status();
  if (reply.ok()) return reply->state;
  if (ErrorReason(reply.status()) == "NOT_RUNNING") return shim::RunState::kExited;
  // It lives and does not answer: it is busy.
  return start_time() == absl::InfinitePast() ? shim::RunState::kCreated : shim::RunState::kRunning;
}

absl::Status Machine::WaitStarted(const std::string& argv0, absl::Duration timeout,
                                  Cancellation& cancellation) {
  std::shared_ptr<shim::Client> client = shim();
  if (!client) return NotRunning(uid_);
  absl::Status status = client->Start(argv0, timeout, &cancellation);
  NoteStart(*client);
  const std::string reason = ErrorReason(status);
  // A short command may have ended before the shim was asked.
  auto record = shim::ReadExitRecord(dir_);
  if (reason == "NOT_RUNNING" && record.ok() && *record && !(*record)->lost) {
    return absl::OkStatus();
  }
  const bool clear = reason == "COMMAND_NOT_FOUND" || reason == "NO_USER" ||
                     reason == "BAD_WORKING_DIR" || absl::IsCancelled(status);
  if (status.ok() || clear) return status;
  const std::string console = LastConsoleLine(console_);
  if (reason == "COMMAND_NOT_EXECUTABLE" || reason == "CREATE_FAILED") {
    if (!absl::StartsWith(console, "vx-agent: ")) return status;
    return Error(status.code(), reason, absl::StrCat(status.message(), " (", console, ")"),
                 ErrorHint(status));
  }
  return NotStarted(status);
}

void Machine::NoteMaking(absl::Duration took) {
  absl::MutexLock lock(&mutex_);
  making_ = took;
}

void Machine::NoteStart(const shim::Client& client) {
  const absl::Time now = absl::Now();
  auto reply = client.Status();
  absl::MutexLock lock(&mutex_);
  starting_ = now - start_time_;
  if (reply.ok()) started_ = reply->started;
}

// The guest's clock begins with its kernel; what came before is QEMU's, its firmware
// too.
std::vector<driver::Stage> Machine::Stages() const {
  absl::MutexLock lock(&mutex_);
  if (started_.command == 0) return {};
  const auto nanos = [](uint64_t from, uint64_t to) {
    return absl::Nanoseconds(static_cast<int64_t>(to - from));
  };
  return {{"libvirt", making_},
          {"qemu", std::max(absl::ZeroDuration(), starting_ - nanos(0, started_.command))},
          {"kernel", nanos(0, started_.agent)},
          {"agent", nanos(started_.agent, started_.ready)},
          {"command", nanos(started_.ready, started_.command)}};
}

// Where a start got stuck, by what each part has shown of itself.
std::string Machine::StuckAt(const std::string& console) const {
  std::shared_ptr<shim::Client> client = shim();
  auto reply = client ? client->Status() : absl::UnavailableError("");
  if (reply.ok() && reply->greeted != 0) {
    return "agent: it came up and has not said that the command was started";
  }
  return console.empty() ? "qemu: the guest's kernel has not said a word"
                         : "kernel: it runs and the guest's agent has not come up";
}

absl::Status Machine::NotStarted(const absl::Status& why) const {
  const bool late = absl::IsDeadlineExceeded(why);
  const std::string console = LastConsoleLines(console_, kConsoleLines);
  std::string message = late ? "the guest did not start its command in time"
                             : "the guest ended before its command was started";
  if (late) absl::StrAppend(&message, "; it is stuck at ", StuckAt(console));
  absl::StrAppend(&message, "; ",
                  console.empty() ? "its console said nothing"
                                  : absl::StrCat("its console said last: ", console));
  return Error(late ? absl::StatusCode::kDeadlineExceeded : absl::StatusCode::kInternal,
               "NOT_STARTED", message,
               absl::StrCat("see `vxctl logs --console ", uid_.substr(0, 12),
                            "`, and `vxctl doctor`"));
}

absl::Status Machine::Signal(int signal) {
  std::shared_ptr<shim::Client> client = shim();
  if (!client || ended()) return NotRunning(uid_);
  return client->Signal(signal);
}

absl::StatusOr<std::unique_ptr<driver::Input>> Machine::OpenInput() const {
  std::shared_ptr<shim::Client> client = shim();
  if (!client || ended()) return NotRunning(uid_);
  return client->OpenInput();
}

absl::StatusOr<std::unique_ptr<driver::Input>> Machine::OpenConsole() const {
  std::shared_ptr<shim::Client> client = shim();
  if (!client || ended()) return NotRunning(uid_);
  return client->OpenConsole();
}

bool Machine::WaitEnded(absl::Duration timeout, Cancellation* cancellation) const {
  Cancellation never;
  bool cancelled = false;  // under mutex_
  const Cancellation::Hook hook = (cancellation ? *cancellation : never).OnCancel([&] {
    absl::MutexLock lock(&mutex_);
    cancelled = true;
  });
  absl::MutexLock lock(&mutex_);
  auto over = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return ended_ || cancelled; };
  mutex_.AwaitWithTimeout(absl::Condition(&over), timeout);
  return ended_;
}

std::optional<v1::Exit> Machine::exit() const {
  {
    absl::MutexLock lock(&mutex_);
    if (ended_) return exit_;
  }
  return ReadExit();
}

absl::Status Machine::MarkStarted() {
  VX_RETURN_IF_ERROR(WriteFileAtomic(dir_ + kStartedFile, "", 0600));
  absl::MutexLock lock(&mutex_);
  start_time_ = ReadStartTime(dir_);
  return absl::OkStatus();
}

absl::Time Machine::start_time() const {
  absl::MutexLock lock(&mutex_);
  return start_time_;
}

}  // namespace vx::libvirt
