#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/store.h"

namespace vx::store {
namespace {

constexpr size_t kShortestPrefix = 4;
// Old operations are removed once in so many new ones.
constexpr int64_t kPruneEvery = 64;

absl::Status NotFound(const std::string& id) {
  return Error(absl::StatusCode::kNotFound, "OPERATION_NOT_FOUND",
               absl::StrCat("there is no operation \"", id, "\""),
               "vxctl operation ls shows those that are remembered");
}

absl::StatusOr<v1::Operation> Parse(const std::string& bytes) {
  v1::Operation operation;
  if (operation.ParseFromString(bytes)) return operation;
  return Error(absl::StatusCode::kDataLoss, "DATABASE_CORRUPT", "an operation's row is damaged");
}

}  // namespace

absl::StatusOr<v1::Operation> View::FindOperation(const std::string& id) const {
  const bool usable =
      id.size() >= kShortestPrefix && id.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!usable) return NotFound(id);
  VX_ASSIGN_OR_RETURN(
      Statement s,
      db().Prepare("SELECT body FROM operations WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2"));
  VX_ASSIGN_OR_RETURN(bool first, s.Bind(1, id).Step());
  if (!first) return NotFound(id);
  std::string body = s.Bytes(0);
  VX_ASSIGN_OR_RETURN(bool second, s.Step());
  if (!second) return Parse(body);
  return Error(absl::StatusCode::kInvalidArgument, "AMBIGUOUS_PREFIX",
               absl::StrCat("several operations have an id that begins with ", id),
               "give more digits");
}

absl::StatusOr<Page<v1::Operation>> View::ListOperations(int64_t before, int limit,
                                                         const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(
      Statement s, db().Prepare("SELECT seq, body FROM operations WHERE (?1 = 0 OR seq < ?1) "
                                "AND (?2 = '' OR workload_uid = ?2) ORDER BY seq DESC LIMIT ?3"));
  s.Bind(1, before).Bind(2, uid).Bind(3, int64_t{limit} + 1);
  Page<v1::Operation> page;
  int64_t last = 0;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return page;
    if (static_cast<int>(page.rows.size()) == limit) {
      page.next = last;
      return page;
    }
    last = s.Int(0);
    VX_ASSIGN_OR_RETURN(v1::Operation operation, Parse(s.Bytes(1)));
    page.rows.push_back(std::move(operation));
  }
}

absl::StatusOr<std::vector<v1::Operation>> View::OpenOperations() const {
  VX_ASSIGN_OR_RETURN(
      Statement s,
      db().Prepare("SELECT body FROM operations WHERE state IN (?1, ?2) ORDER BY seq"));
  s.Bind(1, int64_t{v1::OPERATION_STATE_PENDING}).Bind(2, int64_t{v1::OPERATION_STATE_RUNNING});
  std::vector<v1::Operation> operations;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return operations;
    VX_ASSIGN_OR_RETURN(v1::Operation operation, Parse(s.Bytes(0)));
    operations.push_back(std::move(operation));
  }
}

absl::StatusOr<std::optional<RequestRecord>> View::FindRequest(
    const std::string& request_id) const {
  VX_ASSIGN_OR_RETURN(
      Statement s,
      db().Prepare("SELECT fingerprint, operation_id FROM requests WHERE request_id = ?1"));
  VX_ASSIGN_OR_RETURN(bool found, s.Bind(1, request_id).Step());
  if (!found) return std::nullopt;
  return RequestRecord{s.Bytes(0), s.Bytes(1)};
}

absl::Status Transaction::PutOperation(const v1::Operation& operation) {
  auto bind = [&](Statement& s) {
    s.Bind(1, operation.id())
        .Bind(2, operation.workload_uid())
        .Bind(3, int64_t{operation.state()})
        .BindBlob(4, operation.SerializeAsString())
        .Bind(5, operation.end_time().seconds());
  };
  // Not in one statement: an upsert uses up a number each time.
  VX_ASSIGN_OR_RETURN(Statement update,
                      db().Prepare("UPDATE operations SET workload_uid = ?2, state = ?3, "
                                   "body = ?4, ended = ?5 WHERE id = ?1 RETURNING seq"));
  bind(update);
  VX_ASSIGN_OR_RETURN(bool known, update.Step());
  if (known) return update.Run();
  VX_ASSIGN_OR_RETURN(Statement insert,
                      db().Prepare("INSERT INTO operations (id, workload_uid, state, body, ended) "
                                   "VALUES (?1, ?2, ?3, ?4, ?5)"));
  bind(insert);
  VX_RETURN_IF_ERROR(insert.Run());
  return db().LastInsertRowid() % kPruneEvery == 0 ? PruneOperations() : absl::OkStatus();
}

absl::Status Transaction::PruneOperations() {
  VX_ASSIGN_OR_RETURN(
      Statement prune,
      db().Prepare(
          "DELETE FROM operations WHERE state NOT IN (?1, ?2) AND "
          "(seq <= (SELECT max(seq) FROM operations) - ?3 OR (ended > 0 AND ended < ?4))"));
  return prune.Bind(1, int64_t{v1::OPERATION_STATE_PENDING})
      .Bind(2, int64_t{v1::OPERATION_STATE_RUNNING})
      .Bind(3, kOperationsKept)
      .Bind(4, absl::ToUnixSeconds(absl::Now() - kOperationsKeptFor))
      .Run();
}

absl::Status Transaction::PutRequest(const std::string& request_id, const RequestRecord& record) {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("INSERT INTO requests VALUES (?1, ?2, ?3)"));
  return s.Bind(1, request_id).Bind(2, record.fingerprint).Bind(3, record.operation_id).Run();
}

}  // namespace vx::store
