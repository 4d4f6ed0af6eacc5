#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/store.h"

namespace vx::store {
namespace {

constexpr size_t kShortestPrefix = 4;

absl::Status NotFound(const std::string& name) {
  return Error(absl::StatusCode::kNotFound, "WORKLOAD_NOT_FOUND",
               absl::StrCat("there is no workload \"", name, "\""),
               "vxctl ls -a shows what there is");
}

absl::StatusOr<v1::Workload> Parse(const std::string& bytes) {
  v1::Workload workload;
  if (workload.ParseFromString(bytes)) return workload;
  return Error(absl::StatusCode::kDataLoss, "DATABASE_CORRUPT", "a workload's row is damaged");
}

bool IsPrefix(const std::string& text) {
  return text.size() >= kShortestPrefix && text.size() <= 32 &&
         text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

absl::StatusOr<v1::Workload> View::FindWorkload(const std::string& name) const {
  VX_ASSIGN_OR_RETURN(Statement exact,
                      db().Prepare("SELECT body FROM workloads WHERE name = ?1 OR uid = ?1"));
  VX_ASSIGN_OR_RETURN(bool found, exact.Bind(1, name).Step());
  if (found) return Parse(exact.Bytes(0));
  if (!IsPrefix(name)) return NotFound(name);
  VX_ASSIGN_OR_RETURN(
      Statement prefix,
      db().Prepare("SELECT body FROM workloads WHERE uid >= ?1 AND uid < ?1 || 'g' LIMIT 2"));
  VX_ASSIGN_OR_RETURN(bool first, prefix.Bind(1, name).Step());
  if (!first) return NotFound(name);
  std::string body = prefix.Bytes(0);
  VX_ASSIGN_OR_RETURN(bool second, prefix.Step());
  if (!second) return Parse(body);
  return Error(absl::StatusCode::kInvalidArgument, "AMBIGUOUS_PREFIX",
               absl::StrCat("several workloads have a uid that begins with ", name),
               "give more digits");
}

absl::StatusOr<v1::Workload> View::GetWorkload(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("SELECT body FROM workloads WHERE uid = ?1"));
  VX_ASSIGN_OR_RETURN(bool found, s.Bind(1, uid).Step());
  if (!found) return NotFound(uid);
  return Parse(s.Bytes(0));
}

absl::StatusOr<bool> View::NameTaken(const std::string& name) const {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("SELECT 1 FROM workloads WHERE name = ?1"));
  return s.Bind(1, name).Step();
}

absl::StatusOr<Page<v1::Workload>> View::ListWorkloads(
    int64_t after, int limit, const std::function<bool(const v1::Workload&)>& keep) const {
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("SELECT seq, body FROM workloads WHERE seq > ?1 ORDER BY seq"));
  s.Bind(1, after);
  Page<v1::Workload> page;
  int64_t last = 0;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return page;
    VX_ASSIGN_OR_RETURN(v1::Workload workload, Parse(s.Bytes(1)));
    if (!keep(workload)) continue;
    if (static_cast<int>(page.rows.size()) == limit) {
      page.next = last;
      return page;
    }
    last = s.Int(0);
    page.rows.push_back(std::move(workload));
  }
}

absl::StatusOr<std::vector<std::pair<std::string, v1::State>>> View::WorkloadStates(
    v1::Kind kind) const {
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("SELECT uid, state FROM workloads WHERE kind = ?1"));
  s.Bind(1, int64_t{kind});
  std::vector<std::pair<std::string, v1::State>> states;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return states;
    states.emplace_back(s.Bytes(0), static_cast<v1::State>(s.Int(1)));
  }
}

absl::StatusOr<std::vector<std::string>> View::WorkloadsOfImage(const std::string& image) const {
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("SELECT name FROM workloads WHERE image = ?1 ORDER BY seq"));
  s.Bind(1, image);
  std::vector<std::string> names;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return names;
    names.push_back(s.Bytes(0));
  }
}

absl::Status Transaction::PutWorkload(const v1::Workload& workload) {
  VX_ASSIGN_OR_RETURN(
      Statement s,
      db().Prepare("INSERT INTO workloads (uid, name, kind, state, desired, image, body) "
                   "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                   "ON CONFLICT (uid) DO UPDATE SET name = excluded.name, state = excluded.state, "
                   "desired = excluded.desired, body = excluded.body"));
  return s.Bind(1, workload.uid())
      .Bind(2, workload.name())
      .Bind(3, int64_t{workload.kind()})
      .Bind(4, int64_t{workload.status().state()})
      .Bind(5, int64_t{workload.status().desired()})
      .Bind(6, workload.spec().image())
      .BindBlob(7, workload.SerializeAsString())
      .Run();
}

absl::Status Transaction::DeleteWorkload(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(Statement members,
                      db().Prepare("DELETE FROM members WHERE workload_uid = ?1"));
  VX_RETURN_IF_ERROR(members.Bind(1, uid).Run());
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("DELETE FROM workloads WHERE uid = ?1"));
  return s.Bind(1, uid).Run();
}

}  // namespace vx::store
