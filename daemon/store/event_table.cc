#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/store.h"

namespace vx::store {
namespace {

// Old events are removed once in so many new ones.
constexpr int64_t kPruneEvery = 256;

const std::string& SubjectUid(const v1::Event& event) {
  return event.has_operation() ? event.operation().workload_uid() : event.workload().uid();
}

}  // namespace

absl::StatusOr<std::vector<v1::Event>> View::EventsAfter(int64_t revision, int limit) const {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("SELECT revision, body FROM events "
                                                "WHERE revision > ?1 ORDER BY revision LIMIT ?2"));
  s.Bind(1, revision).Bind(2, int64_t{limit});
  std::vector<v1::Event> events;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return events;
    v1::Event event;
    if (!event.ParseFromString(s.Bytes(1))) {
      return Error(absl::StatusCode::kDataLoss, "DATABASE_CORRUPT", "an event's row is damaged");
    }
    event.set_revision(s.Int(0));
    events.push_back(std::move(event));
  }
}

absl::StatusOr<std::pair<int64_t, int64_t>> View::EventRange() const {
  // The counter of AUTOINCREMENT outlives the rows.
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("SELECT (SELECT min(revision) FROM events),"
                                   " (SELECT seq FROM sqlite_sequence WHERE name = 'events')"));
  VX_ASSIGN_OR_RETURN(bool row, s.Step());
  if (!row) return std::pair<int64_t, int64_t>(0, 0);
  return std::pair<int64_t, int64_t>(s.Int(0), s.Int(1));
}

absl::Status Transaction::AppendEvent(v1::Event event) {
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("INSERT INTO events (workload_uid, body) VALUES (?1, ?2)"));
  VX_RETURN_IF_ERROR(s.Bind(1, SubjectUid(event)).BindBlob(2, event.SerializeAsString()).Run());
  event.set_revision(db().LastInsertRowid());
  const int64_t revision = event.revision();
  events_.push_back(std::move(event));
  if (revision % kPruneEvery != 0) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(Statement prune, db().Prepare("DELETE FROM events WHERE revision <= ?1"));
  return prune.Bind(1, revision - kEventsKept).Run();
}

}  // namespace vx::store
