// Workloads: what users ask for, brought about through the drivers.
//
// Every change is an operation; all work on one workload happens in its turn, one
// at a time (Operations). A method here checks, records and returns; the steps
// are in lifecycle.cc, what drivers report comes in through observe.cc, and
// reconcile.cc puts things right after a start of the daemon.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/base/delayed_work.h"
#include "daemon/core/driver_set.h"
#include "daemon/core/event_hub.h"
#include "daemon/core/networks.h"
#include "daemon/core/operations.h"
#include "daemon/core/volumes.h"
#include "daemon/image/image_store.h"
#include "daemon/store/store.h"

namespace vx::core {

absl::Status NameTakenError(const std::string& name);

// Its addresses, as `status.networks` has them.
void ListAddresses(v1::WorkloadStatus* status);

// What Create promises: the operation, and the workload as recorded (empty when
// an earlier, replayed request's workload is gone again).
struct Created {
  v1::Operation operation;
  v1::Workload workload;
};

// Thread-safe. Everything given to the constructor outlives it.
class Workloads {
 public:
  Workloads(store::Store& store, Operations& operations, DriverSet& drivers,
            image::ImageStore& images, Networks& networks, Volumes& volumes)
      : store_(store),
        operations_(operations),
        drivers_(drivers),
        images_(images),
        networks_(networks),
        volumes_(volumes) {}

  // `options` as in CreateWorkloadRequest.
  struct CreateOptions {
    bool start = false;
    bool follow = false;
    driver::TerminalSize terminal_size = {};
  };
  absl::StatusOr<Created> Create(const v1::Workload& given, const CreateOptions& options,
                                 const RequestKey& request);
  absl::StatusOr<v1::Operation> Update(const v1::Workload& wanted,
                                       const std::vector<std::string>& paths,
                                       const RequestKey& request);
  absl::StatusOr<v1::Operation> Delete(const std::string& name, bool force,
                                       const RequestKey& request);
  absl::StatusOr<v1::Operation> Start(const std::string& name, const RequestKey& request);
  // No grace: the spec's.
  absl::StatusOr<v1::Operation> Stop(const std::string& name, std::optional<absl::Duration> grace,
                                     const RequestKey& request);
  absl::StatusOr<v1::Operation> Restart(const std::string& name,
                                        std::optional<absl::Duration> grace,
                                        const RequestKey& request);
  absl::StatusOr<v1::Operation> Kill(const std::string& name, const std::string& signal,
                                     const RequestKey& request);
  absl::StatusOr<v1::Operation> Pause(const std::string& name, const RequestKey& request);
  absl::StatusOr<v1::Operation> Resume(const std::string& name, const RequestKey& request);
  absl::StatusOr<v1::Operation> Rename(const std::string& name, const std::string& new_name,
                                       const RequestKey& request);
  // The address may be empty.
  absl::StatusOr<v1::Operation> Connect(const std::string& name, const std::string& network,
                                        const std::string& address, const RequestKey& request);
  absl::StatusOr<v1::Operation> Disconnect(const std::string& name, const std::string& network,
                                           const RequestKey& request);
  // A connection to a TCP port inside, also to one of its loopback where the kind can.
  // FAILED_PRECONDITION: NOT_RUNNING, NO_ADDRESS, PORT_CLOSED.
  absl::StatusOr<UniqueFd> ConnectTo(const std::string& name, int port);

  // Waits for the driver when it is still probing.
  absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenLog(const std::string& uid,
                                                             const driver::LogPosition& position);

  // A command inside, beside the workload's own (driver/sessions.h). UNIMPLEMENTED
  // (NO_EXEC) where the kind can't; null when it was detached.
  absl::StatusOr<std::unique_ptr<driver::ExecSession>> Exec(const std::string& name,
                                                            const driver::ExecSpec& spec);
  // UNIMPLEMENTED (NO_INPUT) where the kind can't.
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenInput(const std::string& uid);

  // The console of its machine (driver/console.h). FAILED_PRECONDITION (NO_CONSOLE) where
  // the kind has none. OpenConsoleLog waits as OpenLog does.
  absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenConsoleLog(
      const std::string& uid, const driver::LogPosition& position);
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenConsoleInput(const std::string& uid);
  absl::Status CheckConsole(const v1::Workload& workload) { return ConsoleOf(workload).status(); }

  // Somebody who follows the workload's log got all that a run wrote which has ended,
  // or has gone: what waits for that may be removed.
  void NoteFollower(const std::string& uid);

  // What a driver noticed by itself: looked at in the workload's turn.
  void OnObservation(const driver::Observation& observation);

  // Notes the operations that a stop of the daemon interrupted, and ends those that
  // no driver is needed for. Once, before any other change.
  absl::Status NoteInterrupted();
  // Makes the store and the host agree for one kind, finishing or undoing what was
  // interrupted. Once, before the driver is declared ready.
  absl::Status Reconcile(driver::Driver& driver);
  // Ends the interrupted operations of a kind whose driver can't be used.
  void AbortInterrupted(v1::Kind kind, const std::string& why);
  // Asks for the start of all that is to start with the host.
  void Autostart(v1::Kind kind);
  // From now on compares inventory and host now and then, for what nobody told of.
  void SweepLater();

 private:
  // --- lifecycle.cc: bodies of operations, on the pool. ---
  absl::Status DoCreate(OperationRun& run, const std::string& uid, const CreateOptions& options);
  absl::Status DoDelete(OperationRun& run, const std::string& uid, bool force);
  absl::Status DoStart(OperationRun& run, const std::string& uid);
  absl::Status DoStop(OperationRun& run, const std::string& uid,
                      std::optional<absl::Duration> grace);
  absl::Status DoRestart(OperationRun& run, const std::string& uid,
                         std::optional<absl::Duration> grace);
  absl::Status DoKill(OperationRun& run, const std::string& uid, int signal);
  absl::Status DoFreeze(OperationRun& run, const std::string& uid, bool freeze);

  // --- update.cc: more of them. ---
  absl::Status DoUpdate(OperationRun& run, const std::string& uid, const v1::Workload& wanted,
                        const std::vector<std::string>& paths);
  absl::Status DoRename(OperationRun& run, const std::string& uid, const std::string& new_name);
  absl::Status DoConnect(OperationRun& run, const std::string& uid, const std::string& network,
                         const std::string& address);
  absl::Status DoDisconnect(OperationRun& run, const std::string& uid,
                            const std::string& network);
  // Makes the host's rules what `workload` says in place of `before`; on an error all is as
  // it was.
  absl::Status Republish(v1::Workload before, v1::Workload workload, bool ports);
  // For the ports that the kernel doesn't forward.
  absl::Status StartProxy(const v1::Workload& workload);
  // Puts what runs on one more network, which is recorded as one of its own.
  absl::Status PlugIn(driver::Driver& driver, v1::Workload& workload, const std::string& network);
  // Takes the network out of spec and status, unless what is left says that it can't go.
  absl::Status ForgetNetwork(const std::string& network, v1::Workload& workload);
  // Puts the workload on record together with what it becomes or ends to be a member of.
  absl::Status Record(const v1::Workload& workload,
                      const std::function<absl::Status(store::Transaction&)>& membership);
  absl::Status FindWayOut(driver::Driver& driver, v1::Workload& workload);

  // Waits for the workload's driver and loads the workload.
  absl::StatusOr<driver::Driver*> Enter(OperationRun& run, const std::string& uid, Use use,
                                        v1::Workload& workload);
  absl::Status Build(OperationRun& run, driver::Driver& driver, const v1::Workload& workload);
  absl::Status Launch(OperationRun& run, driver::Driver& driver, v1::Workload& workload,
                      driver::TerminalSize terminal_size = {});
  absl::Status LaunchFailed(OperationRun& run, driver::Driver& driver, v1::Workload& workload,
                            const absl::Status& why);
  // Makes the run, and plugs it in.
  absl::Status MakeRun(driver::Driver& driver, const v1::Workload& workload);
  // Puts what it has on its networks into the status.
  absl::Status SetNetworks(v1::Workload& workload);
  // Removes the run, plugged in as `workload` says.
  absl::Status DeleteRun(driver::Driver& driver, const v1::Workload& workload);
  // Removes what a cancelled Create had made.
  void UndoCreate(OperationRun& run, driver::Driver& driver, const std::string& uid);
  absl::Status EndRun(OperationRun& run, driver::Driver& driver, v1::Workload& workload,
                      absl::Duration grace);
  // Takes everything of the workload away; its row too.
  absl::Status Remove(driver::Driver& driver, v1::Workload workload);

  // --- observe.cc ---
  // Does unrecorded work in the workload's turn, once its driver is there, on the
  // workload as it then is; nothing if it is gone. Errors are logged; on a full disk it
  // is tried again.
  void EnqueueWork(const std::string& uid,
                   std::function<absl::Status(driver::Driver&, const v1::Workload&)> work);
  // Brings the workload's record in line with what the driver sees.
  absl::Status Absorb(driver::Driver& driver, v1::Workload workload);
  // Puts how the run ended into the status, and that on record, before it removes the
  // run.
  absl::Status CloseRun(driver::Driver& driver, v1::Workload& workload,
                        const driver::Observation& observation, bool by_user);
  bool EndedByUser(const std::string& uid, const v1::Exit& exit);

  // --- removal.cc ---
  // For a workload that is to be removed at its exit, and is recorded as ended:
  // removes it, now or once its follower has come.
  absl::Status RemoveEnded(driver::Driver& driver, const v1::Workload& workload);
  // Its removal waits for a follower from now on.
  void AwaitFollower(const std::string& uid);
  // The same, for who followed it before a restart of the daemon; not for ever.
  void AwaitReturn(const std::string& uid);
  // A follower that has not come in time is not awaited any more.
  void GiveUpLater(const std::string& uid);
  // Whether a follower is awaited; if so, it is noted that the workload is over.
  bool KeepForFollower(const std::string& uid);
  // In its turn, unless a user has started it again or removed it.
  void EnqueueRemoval(const std::string& uid);

  // --- reconcile.cc ---
  absl::Status ReconcileWorkload(driver::Driver& driver, const v1::Workload& workload,
                                 const std::vector<v1::Operation>& interrupted);
  absl::Status FinishOrUndo(driver::Driver& driver, v1::Workload& workload,
                            const v1::Operation& operation);
  absl::Status FinishStart(driver::Driver& driver, v1::Workload& workload);
  absl::Status FinishRestart(driver::Driver& driver, v1::Workload& workload);
  // Finishes a stop, or a restart in its stop, in the workload's turn.
  void GoOn(const v1::Operation& operation);
  // Done if the host shows it so.
  absl::Status FinishFreeze(driver::Driver& driver, v1::Workload& workload,
                            driver::Presence wanted);
  absl::Status FinishKill(driver::Driver& driver, v1::Workload& workload);
  absl::Status UndoUpdate(driver::Driver& driver, const v1::Workload& workload);
  absl::Status EndOf(const v1::Operation& operation) const;
  void SweepOrphans(driver::Driver& driver);
  absl::Status RemoveOrphan(driver::Driver& driver, const std::string& uid);

  // --- sessions.cc ---
  absl::StatusOr<driver::Sessions*> SessionsOf(const v1::Workload& workload, const char* reason);
  absl::StatusOr<driver::Console*> ConsoleOf(const v1::Workload& workload);

  // --- sweep.cc ---
  void Sweep();
  void SweepDriver(driver::Driver& driver);
  // Of a workload that is not active: nothing of a run should be there.
  absl::Status ClearRun(driver::Driver& driver, const v1::Workload& workload);

  // --- workloads.cc ---
  // A change of one workload.
  struct Verb {
    v1::OperationType type;
    Use use = Use::kLookAfter;
    // May refuse, on the workload as it is when the change is asked for.
    std::function<absl::Status(const v1::Workload&)> check;
    std::function<absl::Status(OperationRun&, const std::string& uid)> body;
    // Does not wait for a start under way, but cancels it.
    bool ends_start = false;
    // On record for who has to finish it.
    std::optional<absl::Duration> grace;
  };
  absl::StatusOr<v1::Operation> Submit(const std::string& name, const RequestKey& request,
                                       Verb verb);
  absl::StatusOr<v1::Workload> Load(const std::string& uid);
  absl::Status Save(v1::Workload& workload, store::Durability durability);
  absl::Status EndOperation(v1::Operation operation, const absl::Status& status);

  store::Store& store_;
  Operations& operations_;
  DriverSet& drivers_;
  image::ImageStore& images_;
  Networks& networks_;
  Volumes& volumes_;
  // Set before the threads that read it begin.
  std::vector<v1::Operation> interrupted_;

  DelayedWork later_;
  absl::Mutex mutex_;
  // The signals that users sent to what still runs, a bit each: an end by one of
  // them is the user's.
  absl::flat_hash_map<std::string, uint64_t> sent_signals_ ABSL_GUARDED_BY(mutex_);
  // Whose follower is still to come, to learn of an end before the workload is
  // removed; true once the workload is over.
  absl::flat_hash_map<std::string, bool> awaited_ ABSL_GUARDED_BY(mutex_);
};

// Adds `workload` and the event that tells of it to a transaction.
absl::Status PutWithEvent(store::Transaction& tx, v1::EventType type, const v1::Workload& workload);

// The bit of a signal's number, 1 to 64.
constexpr uint64_t SignalBit(int signal) { return uint64_t{1} << (signal - 1); }

// Whether a run exists.
bool IsActive(const v1::Workload& workload);
bool IsActive(v1::State state);
// FAILED_PRECONDITION (NOT_RUNNING), in a user's words.
absl::Status NotRunning(const v1::Workload& workload);

}  // namespace vx::core
