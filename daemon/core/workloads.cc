#include "daemon/core/workloads.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/ids.h"
#include "daemon/base/signals.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"
#include "daemon/core/validation.h"

namespace vx::core {
namespace {

constexpr int kUidDigits = 32;
constexpr int kDefaultGraceSeconds = 10;

// "busybox:latest" -> "busybox-3f2a".
std::string ChooseName(const store::View& view, const std::string& image) {
  std::string stem;
  const std::string last = image.substr(image.rfind('/') + 1);
  for (char c : last.substr(0, last.find_first_of(":@"))) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    stem.push_back(plain ? c : '-');
  }
  const size_t first = stem.find_first_not_of('-');
  stem = first == std::string::npos ? "workload" : stem.substr(first, 40);
  while (true) {
    std::string name = absl::StrCat(stem, "-", RandomHex(6));
    auto taken = view.NameTaken(name);
    if (!taken.ok() || !*taken) return name;
  }
}

v1::Workload NewWorkload(const v1::Workload& wanted) {
  v1::Workload workload;
  workload.set_name(wanted.name());
  workload.set_uid(RandomHex(kUidDigits));
  workload.set_kind(wanted.kind());
  *workload.mutable_labels() = wanted.labels();
  *workload.mutable_spec() = wanted.spec();
  if (workload.spec().restart() == v1::RESTART_POLICY_UNSPECIFIED) {
    workload.mutable_spec()->set_restart(v1::RESTART_POLICY_NO);
  }
  if (!workload.spec().has_stop_grace()) {
    workload.mutable_spec()->mutable_stop_grace()->set_seconds(kDefaultGraceSeconds);
  }
  *workload.mutable_create_time() = ToProto(absl::Now());
  *workload.mutable_update_time() = workload.create_time();
  workload.set_generation(1);
  workload.set_etag(RandomHex(16));
  v1::WorkloadStatus* status = workload.mutable_status();
  status->set_state(v1::STATE_CREATING);
  status->set_desired(v1::DESIRED_STATE_STOPPED);
  status->set_health(v1::HEALTH_STATE_NONE);
  status->set_agent(v1::AGENT_STATE_NONE);
  return workload;
}

absl::Status CheckRunning(const v1::Workload& workload) {
  return IsActive(workload) ? absl::OkStatus() : NotRunning(workload);
}

}  // namespace

absl::Status NameTakenError(const std::string& name) {
  return Error(absl::StatusCode::kAlreadyExists, "NAME_TAKEN",
               absl::StrCat("there is already a workload named \"", name, "\""),
               absl::StrCat("choose another name, or remove it: vxctl rm ", name));
}

bool IsActive(const v1::Workload& workload) { return IsActive(workload.status().state()); }

bool IsActive(v1::State state) {
  switch (state) {
    case v1::STATE_STARTING:
    case v1::STATE_RUNNING:
    case v1::STATE_PAUSED:
    case v1::STATE_STOPPING:
      return true;
    default:
      return false;
  }
}

absl::Status PutWithEvent(store::Transaction& tx, v1::EventType type,
                          const v1::Workload& workload) {
  if (type == v1::EVENT_TYPE_WORKLOAD_DELETED) {
    VX_RETURN_IF_ERROR(tx.DeleteWorkload(workload.uid()));
  } else {
    VX_RETURN_IF_ERROR(tx.PutWorkload(workload));
  }
  v1::Event event;
  event.set_type(type);
  *event.mutable_time() = ToProto(absl::Now());
  *event.mutable_workload() = workload;
  return tx.AppendEvent(std::move(event));
}

absl::StatusOr<Created> Workloads::Create(const v1::Workload& given, const CreateOptions& options,
                                          const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) {
    auto workload = Load(replayed->workload_uid());
    return Created{*replayed, workload.ok() ? *workload : v1::Workload()};
  }
  v1::Workload wanted = given;
  if (wanted.spec().networks_size() == 0) {
    wanted.mutable_spec()->add_networks(networks_.default_network());
  }
  std::vector<FieldViolation> violations = ValidateWorkload(wanted);
  if (driver::Driver* driver = drivers_.Find(wanted.kind())) {
    for (auto& v : driver->Validate(wanted.spec())) {
      const bool known = std::any_of(violations.begin(), violations.end(),
                                     [&](const FieldViolation& w) { return w.field == v.field; });
      if (!known) violations.push_back(std::move(v));
    }
  }
  if (!violations.empty()) return InvalidFields(violations);
  VX_RETURN_IF_ERROR(drivers_.Check(wanted.kind(), Use::kRun));
  v1::Workload workload = NewWorkload(wanted);
  VX_ASSIGN_OR_RETURN(std::string image, image::NormalizeName(wanted.spec().image()));
  workload.mutable_spec()->set_image(image);
  VX_ASSIGN_OR_RETURN(v1::Image found, images_.Get(image));
  VX_RETURN_IF_ERROR(volumes_.CheckMounts(workload));
  // The command is checked now, while there is nothing to undo.
  VX_RETURN_IF_ERROR(driver::ResolveProcess(workload, found.config()).status());
  if (workload.name().empty()) workload.set_name(ChooseName(store_.Read(), image));

  Submission submission;
  submission.type = v1::OPERATION_TYPE_CREATE;
  submission.key = workload.uid();
  submission.workload_uid = workload.uid();
  submission.target = workload.name();
  submission.request = request;
  submission.record = [&](store::Transaction& tx) -> absl::Status {
    VX_ASSIGN_OR_RETURN(bool taken, tx.NameTaken(workload.name()));
    if (taken) return NameTakenError(workload.name());
    VX_RETURN_IF_ERROR(networks_.Join(tx, workload));
    VX_RETURN_IF_ERROR(volumes_.Claim(tx, workload.spec()));
    return PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CREATED, workload);
  };
  submission.body = [this, uid = workload.uid(), options](OperationRun& run) {
    return DoCreate(run, uid, options);
  };
  const bool awaited = options.follow && workload.spec().remove_on_exit();
  if (awaited) AwaitFollower(workload.uid());
  absl::StatusOr<v1::Operation> operation = operations_.Submit(std::move(submission));
  if (!operation.ok()) {
    if (awaited) NoteFollower(workload.uid());
    return operation.status();
  }
  return Created{*std::move(operation), std::move(workload)};
}

absl::StatusOr<v1::Operation> Workloads::Submit(const std::string& name, const RequestKey& request,
                                                Verb verb) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  VX_ASSIGN_OR_RETURN(v1::Workload workload, store_.Read().FindWorkload(name));
  if (verb.check) VX_RETURN_IF_ERROR(verb.check(workload));
  VX_RETURN_IF_ERROR(drivers_.Check(workload.kind(), verb.use));
  Submission submission;
  submission.type = verb.type;
  submission.key = workload.uid();
  submission.workload_uid = workload.uid();
  submission.target = workload.name();
  submission.grace = verb.grace;
  submission.request = request;
  submission.body = [body = std::move(verb.body), uid = workload.uid()](OperationRun& run) {
    return body(run, uid);
  };
  VX_ASSIGN_OR_RETURN(v1::Operation operation, operations_.Submit(std::move(submission)));
  if (verb.ends_start) operations_.SupersedeStart(workload.uid(), operation);
  return operation;
}

absl::StatusOr<v1::Operation> Workloads::Update(const v1::Workload& wanted,
                                                const std::vector<std::string>& paths,
                                                const RequestKey& request) {
  auto check = [&](const v1::Workload& workload) -> absl::Status {
    std::map<std::string, std::string> labels(wanted.labels().begin(), wanted.labels().end());
    std::vector<FieldViolation> violations = ValidateLabels(labels);
    for (auto& v : ValidateResources(wanted.spec().resources())) violations.push_back(std::move(v));
    if (driver::Driver* driver = drivers_.Find(workload.kind()); driver && violations.empty()) {
      v1::WorkloadSpec spec = workload.spec();
      spec.mutable_resources()->MergeFrom(wanted.spec().resources());
      violations = driver->Validate(spec);
    }
    return violations.empty() ? absl::OkStatus() : InvalidFields(violations);
  };
  auto body = [this, wanted, paths](OperationRun& run, const std::string& uid) {
    return DoUpdate(run, uid, wanted, paths);
  };
  return Submit(wanted.name(), request,
                {.type = v1::OPERATION_TYPE_UPDATE, .check = check, .body = body});
}

absl::StatusOr<v1::Operation> Workloads::Delete(const std::string& name, bool force,
                                                const RequestKey& request) {
  auto check = [force](const v1::Workload& workload) -> absl::Status {
    if (force || !IsActive(workload)) return absl::OkStatus();
    return Error(absl::StatusCode::kFailedPrecondition, "STILL_RUNNING",
                 absl::StrCat("\"", workload.name(), "\" is running"),
                 absl::StrCat("stop it first, or: vxctl rm -f ", workload.name()));
  };
  auto body = [this, force](OperationRun& run, const std::string& uid) {
    return DoDelete(run, uid, force);
  };
  return Submit(
      name, request,
      {.type = v1::OPERATION_TYPE_DELETE, .check = check, .body = body, .ends_start = force});
}

absl::StatusOr<v1::Operation> Workloads::Start(const std::string& name, const RequestKey& request) {
  auto body = [this](OperationRun& run, const std::string& uid) { return DoStart(run, uid); };
  return Submit(name, request, {.type = v1::OPERATION_TYPE_START, .use = Use::kRun, .body = body});
}

absl::StatusOr<v1::Operation> Workloads::Stop(const std::string& name,
                                              std::optional<absl::Duration> grace,
                                              const RequestKey& request) {
  auto body = [this, grace](OperationRun& run, const std::string& uid) {
    return DoStop(run, uid, grace);
  };
  return Submit(
      name, request,
      {.type = v1::OPERATION_TYPE_STOP, .body = body, .ends_start = true, .grace = grace});
}

absl::StatusOr<v1::Operation> Workloads::Restart(const std::string& name,
                                                 std::optional<absl::Duration> grace,
                                                 const RequestKey& request) {
  auto body = [this, grace](OperationRun& run, const std::string& uid) {
    return DoRestart(run, uid, grace);
  };
  return Submit(
      name, request,
      {.type = v1::OPERATION_TYPE_RESTART, .use = Use::kRun, .body = body, .grace = grace});
}

absl::StatusOr<v1::Operation> Workloads::Kill(const std::string& name, const std::string& signal,
                                              const RequestKey& request) {
  const std::optional<int> number = ParseSignal(signal.empty() ? "KILL" : signal);
  if (!number) {
    return InvalidFields(
        {{"signal", absl::StrCat("there is no signal \"", signal, "\": use e.g. TERM or 15")}});
  }
  auto body = [this, number](OperationRun& run, const std::string& uid) {
    return DoKill(run, uid, *number);
  };
  return Submit(name, request,
                {.type = v1::OPERATION_TYPE_KILL,
                 .check = CheckRunning,
                 .body = body,
                 .ends_start = *number == SIGKILL});
}

absl::StatusOr<v1::Operation> Workloads::Pause(const std::string& name, const RequestKey& request) {
  auto body = [this](OperationRun& run, const std::string& uid) {
    return DoFreeze(run, uid, true);
  };
  return Submit(name, request,
                {.type = v1::OPERATION_TYPE_PAUSE, .check = CheckRunning, .body = body});
}

absl::StatusOr<v1::Operation> Workloads::Resume(const std::string& name,
                                                const RequestKey& request) {
  auto body = [this](OperationRun& run, const std::string& uid) {
    return DoFreeze(run, uid, false);
  };
  return Submit(name, request,
                {.type = v1::OPERATION_TYPE_RESUME, .check = CheckRunning, .body = body});
}

absl::StatusOr<v1::Operation> Workloads::Rename(const std::string& name,
                                                const std::string& new_name,
                                                const RequestKey& request) {
  auto check = [&](const v1::Workload& workload) -> absl::Status {
    if (!IsName(new_name)) {
      return InvalidFields({{"new_name", absl::StrCat("\"", new_name, "\" is no name: use 1 to 63 "
                                                      "of a-z, 0-9 and -, with a letter or digit "
                                                      "at both ends")}});
    }
    VX_ASSIGN_OR_RETURN(bool taken, store_.Read().NameTaken(new_name));
    return taken && workload.name() != new_name ? NameTakenError(new_name) : absl::OkStatus();
  };
  auto body = [this, new_name](OperationRun& run, const std::string& uid) {
    return DoRename(run, uid, new_name);
  };
  return Submit(name, request, {.type = v1::OPERATION_TYPE_RENAME, .check = check, .body = body});
}

absl::StatusOr<v1::Operation> Workloads::Connect(const std::string& name,
                                                 const std::string& network,
                                                 const std::string& address,
                                                 const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::string found, networks_.NameOf(network));
  auto body = [this, found, address](OperationRun& run, const std::string& uid) {
    return DoConnect(run, uid, found, address);
  };
  return Submit(name, request, {.type = v1::OPERATION_TYPE_NETWORK_CONNECT, .body = body});
}

absl::StatusOr<v1::Operation> Workloads::Disconnect(const std::string& name,
                                                    const std::string& network,
                                                    const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::string found, networks_.NameOf(network));
  auto body = [this, found](OperationRun& run, const std::string& uid) {
    return DoDisconnect(run, uid, found);
  };
  return Submit(name, request, {.type = v1::OPERATION_TYPE_NETWORK_DISCONNECT, .body = body});
}

absl::StatusOr<std::unique_ptr<driver::LogReader>> Workloads::OpenLog(
    const std::string& uid, const driver::LogPosition& position) {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, Load(uid));
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, drivers_.Await(workload.kind(), Use::kLookAfter));
  return driver->OpenLog(uid, position);
}

absl::StatusOr<v1::Workload> Workloads::Load(const std::string& uid) {
  return store_.Read().GetWorkload(uid);
}

absl::Status Workloads::Save(v1::Workload& workload, store::Durability durability) {
  auto save = [&]() -> absl::Status {
    VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(durability));
    VX_RETURN_IF_ERROR(PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CHANGED, workload));
    return tx.Commit();
  };
  absl::Status saved = save();
  // Who fills the disk may have taken the room that was made for it.
  return absl::IsResourceExhausted(saved) ? save() : saved;
}

}  // namespace vx::core
