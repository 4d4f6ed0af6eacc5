// The inventory: workloads, operations, idempotency keys and events in one SQLite
// file (WAL). It is the only truth; nothing is cached above it.
//
// All access goes through a View or a Transaction. A View sees what was committed when
// it first read, and waits for no commit; a Transaction is alone with the store. Both
// hold a lock for as long as they live: keep them short, and never two of a sort at
// once in a thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/store/ballast.h"
#include "daemon/store/sqlite.h"
#include "vx/v1/event_service.pb.h"
#include "vx/v1/network.pb.h"
#include "vx/v1/operation.pb.h"
#include "vx/v1/volume.pb.h"
#include "vx/v1/workload.pb.h"

namespace vx::store {

// Whether a commit is on the disk when it returns (a promise was given), or may
// be lost with the host's power, but not with the daemon (an observation, which
// can be made again).
enum class Durability { kPromise, kObservation };

// What an idempotency key stands for.
struct RequestRecord {
  std::string fingerprint;
  std::string operation_id;
};

// A workload on a network.
struct Member {
  std::string network_uid;
  std::string workload_uid;
  std::string mac;
  // Without prefix length; empty: none of the family.
  std::string v4;
  std::string v6;
};

// A page of rows; `next` is the key to go on from, 0 at the end.
template <typename Message>
struct Page {
  std::vector<Message> rows;
  int64_t next = 0;
};

// How far a volume is: what is on disk of one that is being made or removed is not
// known.
enum class VolumeStage { kMaking = 0, kReady = 1, kRemoving = 2 };

struct VolumeRecord {
  // Without its status.
  v1::Volume volume;
  VolumeStage stage = VolumeStage::kMaking;
};

class Store;

// Reads.
class View {
 public:
  explicit View(Store& store);
  View(View&&) = default;
  virtual ~View();

  // By name, uid, or a prefix of the uid of at least 4 digits that fits no other.
  // NOT_FOUND (WORKLOAD_NOT_FOUND), INVALID_ARGUMENT (AMBIGUOUS_PREFIX).
  absl::StatusOr<v1::Workload> FindWorkload(const std::string& name) const;
  absl::StatusOr<v1::Workload> GetWorkload(const std::string& uid) const;
  absl::StatusOr<bool> NameTaken(const std::string& name) const;
  // Oldest first, those after `after` (0: from the first) that `keep` accepts.
  absl::StatusOr<Page<v1::Workload>> ListWorkloads(
      int64_t after, int limit, const std::function<bool(const v1::Workload&)>& keep) const;
  // Uid and state of each, in no order: cheap, whatever else is in them.
  absl::StatusOr<std::vector<std::pair<std::string, v1::State>>> WorkloadStates(
      v1::Kind kind) const;
  absl::StatusOr<std::vector<std::string>> WorkloadsOfImage(const std::string& image) const;

  // By name or uid. NOT_FOUND (VOLUME_NOT_FOUND).
  absl::StatusOr<VolumeRecord> FindVolume(const std::string& name) const;
  // By name.
  absl::StatusOr<std::vector<VolumeRecord>> ListVolumes() const;
  // Each source of a workload's mounts, with the names of those that have it.
  absl::StatusOr<std::map<std::string, std::vector<std::string>>> MountSources() const;

  // By id or a unique prefix of at least 4 digits. NOT_FOUND
  // (OPERATION_NOT_FOUND), INVALID_ARGUMENT (AMBIGUOUS_PREFIX).
  absl::StatusOr<v1::Operation> FindOperation(const std::string& id) const;
  // Newest first, those before `before` (0: from the newest); `uid` empty: all.
  absl::StatusOr<Page<v1::Operation>> ListOperations(int64_t before, int limit,
                                                     const std::string& uid) const;
  // Those that have not ended, oldest first.
  absl::StatusOr<std::vector<v1::Operation>> OpenOperations() const;
  absl::StatusOr<std::optional<RequestRecord>> FindRequest(const std::string& request_id) const;

  // Oldest first, at most `limit`, those after `revision`.
  absl::StatusOr<std::vector<v1::Event>> EventsAfter(int64_t revision, int limit) const;
  // Revisions that are still kept: first (0 when none) and last ever given.
  absl::StatusOr<std::pair<int64_t, int64_t>> EventRange() const;

  // By name or uid. NOT_FOUND (NETWORK_NOT_FOUND).
  absl::StatusOr<v1::Network> FindNetwork(const std::string& name) const;
  // By name.
  absl::StatusOr<std::vector<v1::Network>> ListNetworks() const;
  absl::StatusOr<std::vector<Member>> MembersOf(const std::string& network_uid) const;
  // In no order.
  absl::StatusOr<std::vector<Member>> MembershipsOf(const std::string& workload_uid) const;

  // Empty when it was never set.
  absl::StatusOr<std::string> GetMeta(const std::string& key) const;

 protected:
  View(Store& store, Database& database, std::mutex& mutex)
      : store_(&store), database_(&database), lock_(mutex) {}
  Database& db() const { return *database_; }

  Store* store_;
  Database* database_;
  std::unique_lock<std::mutex> lock_;

 private:
  bool snapshot_ = false;
};

// Reads and writes; rolled back unless committed.
class Transaction : public View {
 public:
  Transaction(Transaction&& other) noexcept;
  ~Transaction() override;

  // Inserts or replaces by uid. ALREADY_EXISTS when another has the name.
  absl::Status PutWorkload(const v1::Workload& workload);
  // Its memberships too.
  absl::Status DeleteWorkload(const std::string& uid);
  // Inserts or replaces by uid.
  absl::Status PutNetwork(const v1::Network& network);
  // Its members too.
  absl::Status DeleteNetwork(const std::string& uid);
  absl::Status PutMember(const Member& member);
  absl::Status DeleteMember(const std::string& network_uid, const std::string& workload_uid);
  // Inserts, or replaces stage and body by uid. ALREADY_EXISTS when another has the name.
  absl::Status PutVolume(const VolumeRecord& record);
  absl::Status DeleteVolume(const std::string& uid);
  // Removes old ones now and then.
  absl::Status PutOperation(const v1::Operation& operation);
  // Removes ended ones that are too many or too old, and their idempotency keys.
  absl::Status PruneOperations();
  absl::Status PutRequest(const std::string& request_id, const RequestRecord& record);
  // Gives the event its revision.
  absl::Status AppendEvent(v1::Event event);
  absl::Status SetMeta(const std::string& key, const std::string& value);

  absl::Status Commit();

 private:
  friend class Store;
  explicit Transaction(Store& store);

  bool open_ = false;
  std::vector<v1::Event> events_;
};

class Store {
 public:
  // Opens or makes `path`, reads all of it, and migrates it. DATA_LOSS
  // (DATABASE_CORRUPT) for one that is damaged, which is left as it is; errors as of
  // Migrate.
  static absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path);

  // Copies the inventory to `file` (backup.h), as it is at one moment. Others may read
  // and write meanwhile.
  absl::Status Backup(const std::string& file);
  // Has a copy of `file` take this inventory's place at the next start (backup.h).
  absl::Status StageRestore(const std::string& file);

  View Read() { return View(*this); }
  // On a full disk it gives a piece of the store's ballast back, so that what must be
  // recorded still can: ends, observations, and what makes room.
  absl::StatusOr<Transaction> Begin(Durability durability);

  // RESOURCE_EXHAUSTED (DISK_FULL) when the disk has so little room that what is begun
  // now might not be recorded to its end. Takes the ballast again when there is room.
  absl::Status CheckRoom();

  // Told of every committed event, in order of revision, under the store's lock:
  // it must be quick and must not use the store. Set once, before the first
  // transaction.
  void OnEvents(std::function<void(const std::vector<v1::Event>&)> listener) {
    listener_ = std::move(listener);
  }

 private:
  friend class View;
  friend class Transaction;
  Store(Database database, Database reader, Ballast ballast, std::string path)
      : database_(std::move(database)),
        ballast_(std::move(ballast)),
        reader_(std::move(reader)),
        path_(std::move(path)) {}
  absl::Status Tidy();
  // Of the disk, for us.
  absl::StatusOr<int64_t> FreeBytes() const;
  void KeepRoom();

  std::mutex mutex_;
  Database database_;  // guarded by mutex_
  Ballast ballast_;    // guarded by mutex_
  std::mutex reader_mutex_;
  Database reader_;  // guarded by reader_mutex_
  const std::string path_;
  Durability durability_ = Durability::kPromise;
  std::function<void(const std::vector<v1::Event>&)> listener_;
};

// How many events and ended operations are kept, and these for how long.
inline constexpr int64_t kEventsKept = 20000;
inline constexpr int64_t kOperationsKept = 1000;
inline constexpr absl::Duration kOperationsKeptFor = absl::Hours(24 * 30);

}  // namespace vx::store
