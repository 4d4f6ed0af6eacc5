#include "plugins/fake/workload.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/signals.h"
#include "daemon/base/status_macros.h"

namespace vx::fake {
namespace {

using driver::Presence;

// Above the kernel's highest pid: no real process is ever taken for one of ours.
constexpr int64_t kFirstPid = int64_t{1} << 22;
constexpr int64_t kMemoryInUse = 1 << 20;
// Bytes of the run's file: ten numbers, of 20 digits at most.
constexpr size_t kRunLine = 256;
// No two steps at one time: so a log entry's time says whether it is written.
constexpr absl::Duration kStepTime = absl::Nanoseconds(1);

int64_t ToNumber(const std::string& text, int64_t fallback) {
  int64_t number = 0;
  return absl::SimpleAtoi(text, &number) ? number : fallback;
}

int64_t PidOf(const std::string& uid) {
  return kFirstPid + static_cast<int64_t>(std::hash<std::string>()(uid) % 1000000000) * 2;
}

// Writes over what is there: one write is whole for whoever comes after a crash of
// ours, and costs the disk less than a rename.
absl::Status Overwrite(const std::string& path, const std::string& content) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_WRONLY | O_CREAT, 0600));
  if (pwrite(fd.get(), content.data(), content.size(), 0) == static_cast<ssize_t>(content.size())) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("write ", path));
}

bool IgnoredByDefault(int signal) {
  return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

}  // namespace

Workload::Workload(const driver::Environment& environment, const std::string& uid)
    : uid_(uid),
      dir_(absl::StrCat(environment.state_dir, "/", uid)),
      run_file_(absl::StrCat(environment.runtime_dir, "/", uid)),
      is_machine_(environment.Option("fake.kind") == "vm") {}

void Workload::OpenLogs() {
  log_ = std::make_shared<Log>(dir_ + "/log");
  if (is_machine_) console_ = std::make_unique<Console>(dir_ + "/console");
}

absl::Status Workload::Prepare(const v1::Workload& workload, const v1::ImageConfig& config) {
  workload_ = workload;
  config_ = config;
  VX_RETURN_IF_ERROR(MakeDirs(dir_, 0700));
  VX_RETURN_IF_ERROR(Overwrite(dir_ + "/config", config.SerializeAsString()));
  VX_RETURN_IF_ERROR(Overwrite(dir_ + "/workload", workload.SerializeAsString()));
  OpenLogs();
  presence_ = Presence::kPrepared;
  return absl::OkStatus();
}

absl::Status Workload::Load() {
  VX_ASSIGN_OR_RETURN(const std::string config, ReadFile(dir_ + "/config"));
  VX_ASSIGN_OR_RETURN(const std::string workload, ReadFile(dir_ + "/workload"));
  if (!config_.ParseFromString(config) || !workload_.ParseFromString(workload)) {
    return absl::DataLossError(absl::StrCat("the files in ", dir_, " are damaged"));
  }
  OpenLogs();
  presence_ = Presence::kPrepared;
  auto run = ReadFile(run_file_);
  return run.ok() ? LoadRun(*run) : absl::OkStatus();
}

absl::Status Workload::LoadRun(const std::string& text) {
  std::vector<std::string> fields = absl::StrSplit(text, ' ', absl::SkipEmpty());
  if (fields.size() != 10) {
    return absl::DataLossError(absl::StrCat("the file ", run_file_, " is damaged"));
  }
  auto number = [&](int i) { return ToNumber(fields[i], 0); };
  auto time = [&](int i) {
    const int64_t nanos = number(i);
    return nanos < 0 ? absl::InfiniteFuture() : absl::FromUnixNanos(nanos);
  };
  Resolve();
  presence_ = static_cast<Presence>(number(0));
  step_ = number(1);
  ticks_ = number(2);
  clock_ = time(3);
  left_ = number(4) < 0 ? absl::InfiniteDuration() : absl::Nanoseconds(number(4));
  start_time_ = number(5) == 0 ? absl::InfinitePast() : time(5);
  for (size_t i = 0; i < std::min(step_, steps_.size()); ++i) {
    if (steps_[i].verb == "on") DoAction(steps_[i]);
  }
  if (presence_ == Presence::kExited) {
    clock_ = time(9);
    End(number(6), number(7), static_cast<v1::ExitReason>(number(8)));
  }
  return absl::OkStatus();
}

absl::Status Workload::Save() const {
  auto nanos = [](absl::Time t) {
    return t == absl::InfiniteFuture() ? -1 : std::max<int64_t>(0, absl::ToUnixNanos(t));
  };
  const int64_t left = left_ == absl::InfiniteDuration() ? -1 : absl::ToInt64Nanoseconds(left_);
  const v1::Exit exit = exit_.value_or(v1::Exit());
  const int64_t end = exit.time().seconds() * 1000000000 + exit.time().nanos();
  const int64_t start = start_time_ == absl::InfinitePast() ? 0 : nanos(start_time_);
  std::string line = absl::StrCat(static_cast<int>(presence_), " ", step_, " ", ticks_, " ",
                                  nanos(clock_), " ", left, " ", start, " ", exit.code(), " ",
                                  exit.signal(), " ", static_cast<int>(exit.reason()), " ", end);
  line.resize(kRunLine, ' ');
  return Overwrite(run_file_, line);
}

void Workload::Resolve() {
  // Create has refused a workload without a command.
  process_ = driver::ResolveProcess(workload_, config_).value_or(driver::Process());
  steps_ = ParseProgram(process_.argv);
}

absl::Status Workload::Create(const v1::Workload& workload) {
  VX_RETURN_IF_ERROR(driver::ResolveProcess(workload, config_).status());
  const std::string bytes = workload.SerializeAsString();
  if (bytes != workload_.SerializeAsString()) {
    VX_RETURN_IF_ERROR(WriteFileAtomic(dir_ + "/workload", bytes, 0600));
  }
  workload_ = workload;
  Resolve();
  presence_ = Presence::kCreated;
  return Save();
}

absl::Status Workload::Start(absl::Time now) {
  clock_ = now;
  start_time_ = now;
  const int error = steps_.empty() ? ENOENT : ExecError(steps_[0]);
  if (error == 0) {
    presence_ = Presence::kRunning;
    if (console_ != nullptr) console_->Boot(name());
    Advance(now);
    return absl::OkStatus();
  }
  const bool missing = error == ENOENT;
  End(missing ? 127 : 126, 0, v1::EXIT_REASON_EXITED);
  VX_RETURN_IF_ERROR(Save());
  return Error(absl::StatusCode::kFailedPrecondition,
               missing ? "COMMAND_NOT_FOUND" : "COMMAND_NOT_EXECUTABLE",
               absl::StrCat("the command \"", process_.argv[0], "\" of workload ", name(),
                            missing ? " is not in its image" : " can't be executed"),
               "give another command after --");
}

void Workload::Advance(absl::Time now) {
  if (due() > now) return;
  while (due() <= now) DoStep();
  // What can't be saved is lost after a restart only.
  Save().IgnoreError();
}

absl::Time Workload::due() const {
  return presence_ == Presence::kRunning ? clock_ : absl::InfiniteFuture();
}

bool Workload::active() const {
  return presence_ == Presence::kRunning || presence_ == Presence::kPaused;
}

void Workload::DoStep() {
  if (step_ >= steps_.size()) return End(0, 0, v1::EXIT_REASON_EXITED);
  const Step& step = steps_[step_];
  if (step.verb == "tick") return Tick(step);
  ++step_;
  if (step.verb == "sleep") return Sleep(step);
  DoAction(step);
  clock_ += kStepTime;
}

void Workload::Sleep(const Step& step) {
  double seconds = 0;
  const bool finite = absl::SimpleAtod(step.Arg(0, "0"), &seconds);
  clock_ = finite ? clock_ + absl::Seconds(seconds) + kStepTime : absl::InfiniteFuture();
}

void Workload::Tick(const Step& step) {
  const int64_t count = ToNumber(step.Arg(1), 0);
  // An endless one must let time pass.
  const int64_t pause = std::max<int64_t>(ToNumber(step.Arg(0), 1), count == 0 ? 1 : 0);
  Print(1, absl::StrCat("tick ", ++ticks_, "\n"));
  clock_ += absl::Milliseconds(pause) + kStepTime;
  if (count == 0 || ticks_ < count) return;
  ticks_ = 0;
  ++step_;
}

void Workload::DoAction(const Step& step) {
  const std::string words = absl::StrJoin(step.args, " ");
  const std::string& verb = step.verb;
  if (verb == "true") return;
  if (verb == "echo") return Print(1, words + "\n");
  if (verb == "echo-err") return Print(2, words + "\n");
  if (verb == "echo-n") return Print(1, words);
  if (verb == "read") return Print(1, ReadFile(dir_ + "/root").value_or("") + "\n");
  if (verb == "env") return Print(1, Variable(words) + "\n");
  if (verb == "pwd") return Print(1, process_.working_dir + "\n");
  if (verb == "hostname") return Print(1, process_.hostname + "\n");
  if (verb == "memory") {
    return Print(1, absl::StrCat(workload_.spec().resources().memory_bytes(), "\n"));
  }
  if (verb == "cpus") return Print(1, absl::StrCat(workload_.spec().resources().cpus(), "\n"));
  if (verb == "write") return WriteFileAtomic(dir_ + "/root", words, 0600).IgnoreError();
  if (verb == "on") {
    const int signal = ParseSignal(step.Arg(0)).value_or(0);
    Step action{step.Arg(1), {}};
    if (step.args.size() > 2) action.args.assign(step.args.begin() + 2, step.args.end());
    handlers_[signal] = std::move(action);
    return;
  }
  if (verb == "crash") {
    const int signal = ParseSignal(step.Arg(0, "SEGV")).value_or(SIGSEGV);
    return End(128 + signal, signal, v1::EXIT_REASON_CRASHED);
  }
  if (verb == "oom") return End(128 + SIGKILL, SIGKILL, v1::EXIT_REASON_OOM);
  if (verb == "lose") return End(-1, 0, v1::EXIT_REASON_LOST);
  if (verb == "exit" || verb == "sh") {
    return End(ToNumber(step.Arg(0), 0), 0, v1::EXIT_REASON_EXITED);
  }
  if (verb == "false") return End(1, 0, v1::EXIT_REASON_EXITED);
  // As a shell would, in the middle of a script.
  Print(2, verb + ": not found\n");
  End(127, 0, v1::EXIT_REASON_EXITED);
}

std::string Workload::Variable(const std::string& name) const {
  for (const std::string& variable : process_.env) {
    if (variable.starts_with(name + "=")) return variable.substr(name.size() + 1);
  }
  return "";
}

void Workload::Print(int stream, const std::string& data) {
  log_->Append({.time = clock_, .stream = stream, .data = data});
}

void Workload::End(int code, int signal, v1::ExitReason reason) {
  presence_ = Presence::kExited;
  v1::Exit exit;
  exit.set_code(code);
  exit.set_signal(signal);
  exit.set_reason(reason);
  const int64_t nanos = absl::ToUnixNanos(clock_);
  exit.mutable_time()->set_seconds(nanos / 1000000000);
  exit.mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1000000000));
  exit_ = std::move(exit);
}

void Workload::Signal(int signal, absl::Time now) {
  if (presence_ == Presence::kPaused && signal != SIGKILL)
    return pending_signals_.push_back(signal);
  auto handler = handlers_.find(signal);
  // What a signal does happens now, whatever the run waits for.
  const absl::Time due = std::exchange(clock_, now);
  if (signal == SIGKILL || (handler == handlers_.end() && !IgnoredByDefault(signal))) {
    End(128 + signal, signal, v1::EXIT_REASON_CRASHED);
  } else if (handler != handlers_.end()) {
    DoAction(handler->second);
  }
  if (presence_ == Presence::kRunning) clock_ = due;
  Save().IgnoreError();
}

void Workload::Pause(absl::Time now) {
  if (presence_ != Presence::kRunning) return;
  left_ = clock_ - now;
  presence_ = Presence::kPaused;
  Save().IgnoreError();
}

void Workload::Resume(absl::Time now) {
  if (presence_ != Presence::kPaused) return;
  clock_ = now + left_;
  presence_ = Presence::kRunning;
  Save().IgnoreError();
  for (int signal : std::exchange(pending_signals_, {})) {
    if (active()) Signal(signal, now += kStepTime);
  }
}

void Workload::Update(const v1::Resources& resources) {
  *workload_.mutable_spec()->mutable_resources() = resources;
  WriteFileAtomic(dir_ + "/workload", workload_.SerializeAsString(), 0600).IgnoreError();
}

absl::Status Workload::Delete() {
  VX_RETURN_IF_ERROR(RemoveTree(run_file_));
  presence_ = Presence::kPrepared;
  steps_.clear();
  handlers_.clear();
  pending_signals_.clear();
  step_ = 0;
  ticks_ = 0;
  start_time_ = absl::InfinitePast();
  exit_.reset();
  return absl::OkStatus();
}

absl::Status Workload::Release() {
  VX_RETURN_IF_ERROR(Delete());
  return RemoveTree(dir_);
}

driver::Observation Workload::Observe() const {
  driver::Observation seen{.uid = uid_, .presence = presence_, .start_time = start_time_};
  seen.exit = exit_;
  if (presence_ == Presence::kCreated || active()) {
    seen.pid = PidOf(uid_);
    seen.shim_pid = seen.pid + 1;
  }
  return seen;
}

// A step, and a tick, is a millisecond's work.
v1::Usage Workload::Stats() const {
  v1::Usage usage;
  const int64_t worked = static_cast<int64_t>(step_) + ticks_;
  usage.mutable_cpu_time()->set_seconds(worked / 1000);
  usage.mutable_cpu_time()->set_nanos(static_cast<int32_t>(worked % 1000) * 1'000'000);
  usage.set_memory_bytes(kMemoryInUse);
  const v1::Resources& resources = workload_.spec().resources();
  if (resources.has_memory_bytes()) usage.set_memory_limit_bytes(resources.memory_bytes());
  usage.set_pids(1);
  return usage;
}

}  // namespace vx::fake
