#include "plugins/libvirt/driver.h"

#include <signal.h>

#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/bundle.h"
#include "plugins/libvirt/embed.h"
#include "plugins/libvirt/recipe.h"

namespace vx::libvirt {
namespace {

constexpr int kEndThreads = 4;
// A guest under emulation on a busy host takes long.
constexpr absl::Duration kStartTimeout = absl::Seconds(90);
// How long the agent gets to end its command before the power is cut.
constexpr absl::Duration kAgentKill = absl::Seconds(3);
// How long a QEMU without a shim, which is killed, may take to be gone.
constexpr absl::Duration kQemuEnd = absl::Seconds(30);
constexpr absl::Duration kClockTimeout = absl::Seconds(2);

absl::Status NotRunning(const std::string& uid) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("VM ", uid, " does not run"));
}

v1::AgentState AgentStateOf(const Machine& machine) {
  const std::shared_ptr<AgentChannel> agent = machine.agent();
  if (agent == nullptr) return v1::AGENT_STATE_NONE;
  return agent->ready() ? v1::AGENT_STATE_READY : v1::AGENT_STATE_CONNECTING;
}

driver::Endpoint EndpointOf(const v1::Workload& workload) {
  driver::Endpoint endpoint;
  if (workload.status().networks_size() > 0) {
    endpoint.tap = workload.status().networks(0).host_link();
  }
  return endpoint;
}

driver::Observation Prepared(const std::string& uid) {
  driver::Observation observation;
  observation.uid = uid;
  observation.presence = driver::Presence::kPrepared;
  return observation;
}

}  // namespace

LibvirtDriver::LibvirtDriver(const driver::Environment& environment)
    : environment_(environment),
      paths_(environment),
      shim_groups_(environment, "vm-shim"),
      qemu_groups_(environment),
      host_(environment, paths_) {
  QuietLibvirt();
  pool_ = std::make_unique<WorkPool>("vx-vm-end", kEndThreads);
  watcher_ = std::make_unique<Watcher>("vx-vm-watch");
  agent_watcher_ = std::make_unique<Watcher>("vx-vm-watch");
  machine_host_ = {.watcher = watcher_.get(),
                   .agent_watcher = agent_watcher_.get(),
                   .pool = pool_.get(),
                   .qemu_groups = &qemu_groups_,
                   .pid_dir = PidFolder(host_.uri(), paths_.embed_root()),
                   .ended = [this](const std::string& uid) { Tell(uid); },
                   .agent_changed = [this](const std::string& uid) { Tell(uid); }};
  host_.listener().Set([this](const std::string& domain) {
    const absl::string_view uid = absl::StripPrefix(domain, DomainName(""));
    if (uid.size() < domain.size()) pool_->Run([this, uid = std::string(uid)] { Tell(uid); });
  });
}

LibvirtDriver::~LibvirtDriver() {
  host_.listener().Set(nullptr);
  watcher_.reset();
  agent_watcher_.reset();
  reaper_.reset();
  pool_.reset();
}

// --- The host. ---

v1::DriverInfo LibvirtDriver::Probe() {
  std::call_once(adopted_, [this] { Adopt(); });
  host_.Check();
  return Describe(host_);
}

std::vector<v1::Check> LibvirtDriver::Doctor() { return host_.Check(); }

void LibvirtDriver::Adopt() {
  if (IsEmbedded(host_.uri())) {
    const std::string library = EmbedLibraryDir(paths_.embed_root());
    for (const std::string& dir : {machine_host_.pid_dir, library}) {
      MakeDirs(dir, 0700).IgnoreError();
    }
    reaper_ = std::make_unique<QemuReaper>(watcher_.get(), machine_host_.pid_dir, library);
  }
  auto uids = ListDir(paths_.runs());
  for (const std::string& uid : uids.ok() ? *uids : std::vector<std::string>()) {
    MakeMachine(uid)->Adopt();
  }
}

absl::Status LibvirtDriver::WaitSettled(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  std::vector<MachinePtr> machines;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [uid, machine] : machines_) machines.push_back(machine);
  }
  for (const MachinePtr& machine : machines) {
    if (machine->qemu_pid() == 0) {
      if (machine->WaitEnded(deadline - absl::Now())) continue;
      return absl::DeadlineExceededError(absl::StrCat("VM ", machine->uid(), " is still ending"));
    }
    auto domain = FindDomain(*machine);
    if (domain.ok()) domain->WaitReconnected().IgnoreError();
  }
  return absl::OkStatus();
}

std::vector<FieldViolation> LibvirtDriver::Validate(const v1::WorkloadSpec& spec) const {
  return CheckSpec(spec);
}

// --- One workload. ---

absl::Status LibvirtDriver::Prepare(const v1::Workload& workload, const driver::Base& base) {
  VX_ASSIGN_OR_RETURN(Equipment equipment, host_.equipment());
  VX_RETURN_IF_ERROR(LetPass(vx::ParentOf(base.disk), equipment.qemu_group));
  return MakeBundle(paths_, workload, base);
}

absl::StatusOr<driver::Endpoint> LibvirtDriver::Create(
    const v1::Workload& workload, const std::vector<driver::MountSource>& sources) {
  VX_RETURN_IF_ERROR(driver::CheckSources(workload, sources));
  VX_RETURN_IF_ERROR(ReadImageConfig(paths_, workload.uid()).status());
  VX_ASSIGN_OR_RETURN(Equipment equipment, host_.equipment());
  if (Find(workload.uid())) {
    return Error(absl::StatusCode::kFailedPrecondition, "ALREADY_CREATED",
                 absl::StrCat("VM ", workload.uid(), " has a run already"));
  }
  MachinePtr machine = MakeMachine(workload.uid());
  const absl::Status status = Launch(machine, workload, sources, equipment);
  if (status.ok()) return EndpointOf(workload);
  Delete(workload.uid()).IgnoreError();
  return status;
}

absl::Status LibvirtDriver::Start(const std::string& uid, Cancellation& cancellation) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  VX_ASSIGN_OR_RETURN(driver::Process process, ReadProcess(uid));
  VX_ASSIGN_OR_RETURN(Domain domain, FindDomain(*machine));
  VX_RETURN_IF_ERROR(machine->MarkStarted());
  VX_FAULT_POINT("start.vm.marked");
  VX_RETURN_IF_ERROR(domain.Resume());
  VX_FAULT_POINT("start.vm.resumed");
  const absl::Status status = machine->WaitStarted(process.argv[0], kStartTimeout, cancellation);
  // A command that can't be run ends the guest.
  if (absl::IsFailedPrecondition(status) && !machine->WaitEnded(kAgentKill)) {
    VX_RETURN_IF_ERROR(machine->CutPower());
  }
  if (!status.ok()) return shim::NameCause(status, process.user, process.working_dir);
  return LimitCpus(*machine);
}

absl::Status LibvirtDriver::Stop(const std::string& uid, absl::Duration grace,
                                 Cancellation& cancellation) {
  MachinePtr machine = Find(uid);
  if (!machine || machine->ended()) return absl::OkStatus();
  VX_RETURN_IF_ERROR(Thaw(*machine));
  VX_ASSIGN_OR_RETURN(driver::Process process, ReadProcess(uid));
  const bool asked = machine->Signal(process.stop_signal).ok();
  VX_FAULT_POINT("stop.vm.signalled");
  if (asked && machine->WaitEnded(grace, &cancellation)) return absl::OkStatus();
  VX_RETURN_IF_ERROR(cancellation.Check());
  return End(machine);
}

// By the agent where it can be, so that what the guest wrote is on its disk.
absl::Status LibvirtDriver::End(const MachinePtr& machine) {
  if (machine->Signal(SIGKILL).ok() && machine->WaitEnded(kAgentKill)) return absl::OkStatus();
  return machine->CutPower();
}

absl::Status LibvirtDriver::Kill(const std::string& uid, int signal) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  if (signal != SIGKILL) return machine->Signal(signal);
  Thaw(*machine).IgnoreError();
  return End(machine);
}

absl::Status LibvirtDriver::Pause(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  if (machine->State() != shim::RunState::kRunning) return NotRunning(uid);
  VX_ASSIGN_OR_RETURN(Domain domain, FindDomain(*machine));
  return domain.Suspend();
}

absl::Status LibvirtDriver::Resume(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  if (machine->State() != shim::RunState::kRunning) return NotRunning(uid);
  VX_RETURN_IF_ERROR(Thaw(*machine));
  SetGuestClock(*machine);
  return absl::OkStatus();
}

// It stood still meanwhile. Where no agent answers, the guest has to see to it.
void LibvirtDriver::SetGuestClock(const Machine& machine) const {
  const std::shared_ptr<AgentChannel> agent = machine.agent();
  if (agent == nullptr || !agent->ready()) return;
  agent::v1::Request request;
  request.mutable_set_clock()->set_unix_nanos(absl::GetCurrentTimeNanos());
  agent->Ask(request, "clock", absl::Now() + kClockTimeout).status().IgnoreError();
}

absl::Status LibvirtDriver::Thaw(const Machine& machine) {
  if (!IsPaused(machine)) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(Domain domain, FindDomain(machine));
  return domain.Resume();
}

absl::Status LibvirtDriver::Delete(const std::string& uid) {
  MachinePtr machine = Find(uid);
  if (!machine) return RemoveRun(uid);
  if (!machine->ended()) VX_RETURN_IF_ERROR(machine->CutPower());
  RemoveDomain(*machine);
  VX_FAULT_POINT("stop.vm.ended");
  VX_RETURN_IF_ERROR(RemoveRun(uid));
  VX_RETURN_IF_ERROR(RemoveDomainFiles(paths_.embed_root(), machine->name()));
  absl::MutexLock lock(&mutex_);
  machines_.erase(uid);
  return absl::OkStatus();
}

absl::Status LibvirtDriver::Release(const std::string& uid) {
  VX_RETURN_IF_ERROR(Delete(uid));
  return RemoveTree(paths_.bundle(uid));
}

// --- What is. ---

absl::StatusOr<driver::Observation> LibvirtDriver::Observe(const std::string& uid) {
  if (MachinePtr machine = Find(uid)) return ObserveMachine(*machine);
  if (PathExists(paths_.bundle(uid))) return Prepared(uid);
  driver::Observation nothing;
  nothing.uid = uid;
  return nothing;
}

absl::StatusOr<std::vector<driver::Observation>> LibvirtDriver::List() {
  std::set<std::string> uids;
  if (auto bundles = ListDir(paths_.bundles()); bundles.ok()) {
    uids.insert(bundles->begin(), bundles->end());
  }
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [uid, machine] : machines_) uids.insert(uid);
  }
  std::vector<driver::Observation> all;
  for (const std::string& uid : uids) {
    VX_ASSIGN_OR_RETURN(driver::Observation observation, Observe(uid));
    all.push_back(std::move(observation));
  }
  return all;
}

driver::Observation LibvirtDriver::ObserveMachine(const Machine& machine) {
  driver::Observation seen;
  seen.uid = machine.uid();
  const shim::RunState state = machine.State();
  // A shim that died left no record; QEMU's end completes it.
  if (state == shim::RunState::kExited && !machine.exit()) machine.WaitEnded(kQemuEnd);
  if (state == shim::RunState::kExited) seen.exit = machine.exit();
  seen.pid = machine.qemu_pid();
  seen.shim_pid = machine.shim_pid();
  if (seen.exit) {
    seen.presence = driver::Presence::kExited;
    seen.pid = seen.shim_pid = 0;
  } else if (state == shim::RunState::kRunning) {
    seen.presence = IsPaused(machine) ? driver::Presence::kPaused : driver::Presence::kRunning;
  } else {
    seen.presence = driver::Presence::kCreated;
    return seen;
  }
  if (seen.presence == driver::Presence::kPaused && LookAfterStarved(machine)) {
    seen.message = "the host's disk is full; it goes on once there is room";
  }
  seen.start_time = machine.start_time();
  if (!seen.exit) seen.agent = AgentStateOf(machine);
  return seen;
}

std::vector<driver::Stage> LibvirtDriver::Stages(const std::string& uid) {
  MachinePtr machine = Find(uid);
  return machine ? machine->Stages() : std::vector<driver::Stage>();
}

void LibvirtDriver::SetObserver(driver::Observer observer) {
  absl::MutexLock lock(&observer_mutex_);
  observer_ = std::move(observer);
}

void LibvirtDriver::Tell(const std::string& uid) {
  MachinePtr machine = Find(uid);
  if (!machine) return;
  const driver::Observation seen = ObserveMachine(*machine);
  // An end is told once all of it is over, and that is told here too.
  if (seen.presence == driver::Presence::kExited && !machine->ended()) return;
  absl::MutexLock lock(&observer_mutex_);
  if (observer_) observer_(seen);
}

// --- Machines. ---

std::string LibvirtDriver::DomainName(const std::string& uid) const {
  return absl::StrCat("vx-", environment_.instance_id, "-", uid);
}

LibvirtDriver::MachinePtr LibvirtDriver::MakeMachine(const std::string& uid) {
  auto machine = std::make_shared<Machine>(&machine_host_, uid, DomainName(uid), paths_.run(uid),
                                           paths_.console(uid));
  absl::MutexLock lock(&mutex_);
  machines_[uid] = machine;
  return machine;
}

LibvirtDriver::MachinePtr LibvirtDriver::Find(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  auto it = machines_.find(uid);
  return it == machines_.end() ? nullptr : it->second;
}

absl::StatusOr<LibvirtDriver::MachinePtr> LibvirtDriver::FindRunning(const std::string& uid) {
  MachinePtr machine = Find(uid);
  if (!machine || machine->ended()) return NotRunning(uid);
  return machine;
}

absl::StatusOr<Domain> LibvirtDriver::FindDomain(const Machine& machine) const {
  VX_ASSIGN_OR_RETURN(Equipment equipment, host_.equipment());
  return equipment.connection->Find(machine.name());
}

absl::StatusOr<driver::Process> LibvirtDriver::ReadProcess(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, ReadWorkload(paths_.run(uid)));
  VX_ASSIGN_OR_RETURN(v1::ImageConfig config, ReadImageConfig(paths_, uid));
  return driver::ResolveProcess(workload, config);
}

bool LibvirtDriver::IsPaused(const Machine& machine) const {
  if (machine.State() != shim::RunState::kRunning) return false;
  auto domain = FindDomain(machine);
  const absl::StatusOr<bool> paused =
      domain.ok() ? domain->IsPaused() : absl::StatusOr<bool>(domain.status());
  // While libvirt can't be asked, what was known last.
  if (absl::IsUnavailable(paused.status())) return machine.was_paused();
  machine.NotePaused(paused.value_or(false));
  return paused.value_or(false);
}

}  // namespace vx::libvirt
