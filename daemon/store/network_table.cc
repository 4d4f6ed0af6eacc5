#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/store.h"

namespace vx::store {
namespace {

absl::StatusOr<v1::Network> Parse(const std::string& bytes) {
  v1::Network network;
  if (network.ParseFromString(bytes)) return network;
  return Error(absl::StatusCode::kDataLoss, "DATABASE_CORRUPT", "a network's row is damaged");
}

// A row of the members' columns.
Member ToMember(const Statement& s) {
  return {s.Bytes(0), s.Bytes(1), s.Bytes(2), s.Bytes(3), s.Bytes(4)};
}

absl::StatusOr<std::vector<Member>> All(Statement& s) {
  std::vector<Member> members;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return members;
    members.push_back(ToMember(s));
  }
}

}  // namespace

absl::StatusOr<v1::Network> View::FindNetwork(const std::string& name) const {
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("SELECT body FROM networks WHERE name = ?1 OR uid = ?1"));
  VX_ASSIGN_OR_RETURN(bool row, s.Bind(1, name).Step());
  if (row) return Parse(s.Bytes(0));
  return Error(absl::StatusCode::kNotFound, "NETWORK_NOT_FOUND",
               absl::StrCat("there is no network \"", name, "\""),
               absl::StrCat("vxctl network ls shows those there are, and vxctl network create ",
                            name, " makes it"));
}

absl::StatusOr<std::vector<v1::Network>> View::ListNetworks() const {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("SELECT body FROM networks ORDER BY name"));
  std::vector<v1::Network> networks;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return networks;
    VX_ASSIGN_OR_RETURN(v1::Network network, Parse(s.Bytes(0)));
    networks.push_back(std::move(network));
  }
}

absl::StatusOr<std::vector<Member>> View::MembersOf(const std::string& network_uid) const {
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("SELECT network_uid, workload_uid, mac, v4, v6 FROM members "
                                   "WHERE network_uid = ?1"));
  s.Bind(1, network_uid);
  return All(s);
}

absl::StatusOr<std::vector<Member>> View::MembershipsOf(const std::string& workload_uid) const {
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("SELECT network_uid, workload_uid, mac, v4, v6 FROM members "
                                   "WHERE workload_uid = ?1"));
  s.Bind(1, workload_uid);
  return All(s);
}

absl::Status Transaction::PutNetwork(const v1::Network& network) {
  VX_ASSIGN_OR_RETURN(
      Statement s, db().Prepare("INSERT INTO networks (uid, name, body) VALUES (?1, ?2, ?3) "
                                "ON CONFLICT (uid) DO UPDATE SET body = excluded.body"));
  return s.Bind(1, network.uid()).Bind(2, network.name()).BindBlob(3, network.SerializeAsString()).Run();
}

absl::Status Transaction::DeleteNetwork(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("DELETE FROM networks WHERE uid = ?1"));
  return s.Bind(1, uid).Run();
}

absl::Status Transaction::PutMember(const Member& member) {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("INSERT INTO members (network_uid, workload_uid, "
                                                "mac, v4, v6) VALUES (?1, ?2, ?3, ?4, ?5)"));
  return s.Bind(1, member.network_uid)
      .Bind(2, member.workload_uid)
      .Bind(3, member.mac)
      .Bind(4, member.v4)
      .Bind(5, member.v6)
      .Run();
}

absl::Status Transaction::DeleteMember(const std::string& network_uid,
                                       const std::string& workload_uid) {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("DELETE FROM members WHERE network_uid = ?1 AND "
                                                "workload_uid = ?2"));
  return s.Bind(1, network_uid).Bind(2, workload_uid).Run();
}

}  // namespace vx::store
