#include "daemon/network/name_server.h"

#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "daemon/base/access_list.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "daemon/network/dhcp_release.h"
#include "daemon/network/dnsmasq.h"

namespace vx::network {
namespace {

constexpr char kDomain[] = "vx";
// The package's own; nobody where that is missing.
constexpr const char* kUsers[] = {"dnsmasq", "nobody"};
// A guest asks again after half of it.
constexpr char kLeaseTime[] = "1h";
constexpr int kCachedAnswers = 1000;
constexpr int kMostLeases = 65536;
// Nothing answers a release; its effect is seen in the file, a moment later.
constexpr absl::Duration kReleaseTimeout = absl::Milliseconds(500);
constexpr absl::Duration kReleasePause = absl::Milliseconds(1);
constexpr mode_t kFolderMode = 0755;
constexpr mode_t kFileMode = 0644;

struct User {
  std::string name;
  uid_t uid;
};

absl::StatusOr<User> FindUser() {
  for (const char* name : kUsers) {
    passwd entry{};
    passwd* found = nullptr;
    char buffer[4096];
    if (getpwnam_r(name, &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr) {
      return User{name, entry.pw_uid};
    }
  }
  return Error(absl::StatusCode::kUnavailable, "NAME_SERVER_FAILED",
               "this host has neither a user dnsmasq nor nobody to run a name server as");
}

const Address* FirstV4(const std::vector<Address>& addresses) {
  auto found = std::find_if(addresses.begin(), addresses.end(), [](auto& a) { return !a.v6; });
  return found == addresses.end() ? nullptr : &*found;
}

std::vector<Address> Own(const NameServerConfig& config) {
  std::vector<Address> addresses;
  for (const Prefix& gateway : config.gateways) addresses.push_back(gateway.address);
  return addresses;
}

// Its place, its user, and nothing of the host's own configuration.
void AddProcess(const DnsmasqPaths& paths, const User& user, std::vector<std::string>& argv) {
  argv.push_back(DnsmasqMark(paths));
  argv.insert(argv.end(), {"--conf-file=", absl::StrCat("--user=", user.name), "--group=nogroup"});
}

// The bridge alone, its addresses as they come and go. The loopback interface is there by
// itself otherwise.
void AddListening(const NameServerConfig& config, std::vector<std::string>& argv) {
  argv.insert(argv.end(), {absl::StrCat("--interface=", config.bridge), "--except-interface=lo",
                           "--bind-dynamic"});
}

void AddNames(const DnsmasqPaths& paths, std::vector<std::string>& argv) {
  argv.insert(argv.end(),
              {"--no-hosts", absl::StrCat("--hostsdir=", paths.hosts),
               absl::StrCat("--domain=", kDomain), absl::StrCat("--local=/", kDomain, "/"),
               // Neither names without a dot nor private addresses are anybody else's.
               "--domain-needed", "--bogus-priv", absl::StrCat("--cache-size=", kCachedAnswers)});
}

void AddForwarding(const NameServerConfig& config, std::vector<std::string>& argv) {
  if (!config.internal && config.upstream.empty()) return;
  argv.push_back("--no-resolv");
  // All that is not known does not exist: sooner said than an error, which makes clients
  // ask again.
  if (config.internal) return argv.push_back("--address=/#/");
  for (const std::string& server : config.upstream) {
    argv.push_back(absl::StrCat("--server=", server));
  }
}

void AddDhcp(const NameServerConfig& config, const DnsmasqPaths& paths,
             std::vector<std::string>& argv) {
  const std::vector<Address> own = Own(config);
  const Address* gateway = FirstV4(own);
  if (gateway == nullptr) return;
  argv.insert(argv.end(),
              {absl::StrCat("--dhcp-range=", ToString(*gateway), ",static,", kLeaseTime),
               absl::StrCat("--dhcp-hostsdir=", paths.dhcp_hosts),
               absl::StrCat("--dhcp-leasefile=", paths.leases),
               absl::StrCat("--dhcp-lease-max=", kMostLeases), "--dhcp-authoritative",
               "--dhcp-ignore-names", "--dhcp-no-override", "--no-ping", "--quiet-dhcp"});
  // It would give itself.
  if (config.internal) argv.push_back("--dhcp-option=option:router");
}

absl::StatusOr<std::vector<std::string>> CommandLine(const NameServerConfig& config,
                                                     const DnsmasqPaths& paths, const User& user) {
  VX_ASSIGN_OR_RETURN(std::string program, FindDnsmasq());
  std::vector<std::string> argv = {program};
  AddProcess(paths, user, argv);
  AddListening(config, argv);
  AddNames(paths, argv);
  AddForwarding(config, argv);
  AddDhcp(config, paths, argv);
  return argv;
}

bool IsOf(absl::string_view text, absl::string_view more) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](unsigned char c) {
    return absl::ascii_isalnum(c) || more.find(static_cast<char>(c)) != absl::string_view::npos;
  });
}

absl::Status BadHost(absl::string_view what, absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_HOST",
               absl::StrCat("\"", text, "\" is no ", what));
}

// A line's end or a space in one would say something else of somebody else.
absl::Status Check(const NameServerHost& host) {
  if (!IsOf(host.uid, "-_")) return BadHost("uid", host.uid);
  for (const std::string& name : host.names) {
    if (!IsOf(name, "-_.")) return BadHost("name in DNS", name);
  }
  const bool mac = host.mac.size() == 17 && IsOf(host.mac, ":");
  return mac || host.mac.empty() ? absl::OkStatus() : BadHost("mac address", host.mac);
}

std::string NamesText(const NameServerHost& host) {
  std::string text;
  if (host.names.empty()) return text;
  for (const Address& address : host.addresses) {
    absl::StrAppend(&text, ToString(address), " ", absl::StrJoin(host.names, " "), "\n");
  }
  return text;
}

std::string DhcpLine(const std::string& mac, const std::string& address) {
  return absl::StrCat(absl::AsciiStrToLower(mac), ",", address, "\n");
}

std::string DhcpText(const NameServerHost& host) {
  const Address* address = FirstV4(host.addresses);
  if (host.mac.empty() || address == nullptr) return "";
  return DhcpLine(host.mac, ToString(*address));
}

// A lease whose holder had the line `before`, by which it keeps a name that it has no
// more; or one of the address in `after`, by which that is given to nobody else.
bool IsStale(const Lease& lease, const std::string& before, const std::string& after) {
  const std::string line = DhcpLine(lease.mac, ToString(lease.address));
  if (line == before) return true;
  const bool same_address = after.ends_with(DhcpLine("", ToString(lease.address)));
  return same_address && line != after;
}

absl::Status MakeFolder(const std::string& path) {
  VX_RETURN_IF_ERROR(MakeDirs(path, kFolderMode));
  if (chmod(path.c_str(), kFolderMode) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("chmod ", path));
}

absl::Status Unlink(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("remove ", path));
}

}  // namespace

absl::Status NameServer::MakeFolders() const {
  const DnsmasqPaths paths(config_.dir);
  for (const std::string& path : {config_.dir, paths.hosts, paths.dhcp_hosts}) {
    VX_RETURN_IF_ERROR(MakeFolder(path));
  }
  return absl::OkStatus();
}

absl::Status NameServer::Ensure() {
  absl::MutexLock lock(&mutex_);
  const DnsmasqPaths paths(config_.dir);
  VX_ASSIGN_OR_RETURN(const User user, FindUser());
  VX_ASSIGN_OR_RETURN(std::vector<std::string> argv, CommandLine(config_, paths, user));
  auto running = FindServer(paths);
  if (running.has_value() && running->argv == argv) return absl::OkStatus();
  VX_RETURN_IF_ERROR(MakeFolders());
  VX_RETURN_IF_ERROR(
      LetPass(config_.dir, {Passer::Kind::kUser, user.uid, "a network's name server"}));
  VX_RETURN_IF_ERROR(EndDnsmasq(paths));
  VX_RETURN_IF_ERROR(Annotate(StartDnsmasq(argv), absl::StrCat("network ", config_.network)));
  if (config_.cgroup_procs.empty()) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(const std::string pid, ReadFile(paths.pid));
  return WriteToFile(config_.cgroup_procs, absl::StripAsciiWhitespace(pid));
}

absl::Status NameServer::Put(const std::string& path, const std::string& text) const {
  if (text.empty()) return Unlink(path);
  if (ReadFile(path).value_or("") == text) return absl::OkStatus();
  // It watches its folders, and would read a file that is being written there.
  const std::string written = absl::StrCat(config_.dir, "/new");
  VX_RETURN_IF_ERROR(WriteFileAtomic(written, text, kFileMode));
  if (chmod(written.c_str(), kFileMode) == 0 && rename(written.c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("rename to ", path));
}

absl::Status NameServer::Replace(const std::string& uid, const HostFiles& files) {
  const DnsmasqPaths paths(config_.dir);
  const std::string dhcp_path = absl::StrCat(paths.dhcp_hosts, "/", uid);
  const std::string dhcp_before = ReadFile(dhcp_path).value_or("");
  const std::string names_path = absl::StrCat(paths.hosts, "/", uid);
  if (dhcp_before != files.dhcp || ReadFile(names_path).value_or("") != files.names) {
    ReleaseLeases(dhcp_before, files.dhcp);
  }
  VX_RETURN_IF_ERROR(Put(names_path, files.names));
  VX_RETURN_IF_ERROR(Put(dhcp_path, files.dhcp));
  if (dhcp_before.empty() || dhcp_before == files.dhcp) return absl::OkStatus();
  // Names it forgets by itself (2.90), but of DHCP it only learns without this.
  auto server = FindServer(paths);
  return server.has_value() ? SignalPidfd(server->pidfd.get(), SIGHUP) : absl::OkStatus();
}

void NameServer::ReleaseLeases(const std::string& before, const std::string& after) const {
  const DnsmasqPaths paths(config_.dir);
  const std::vector<Address> own = Own(config_);
  const Address* server = FirstV4(own);
  if (server == nullptr || !FindServer(paths).has_value()) return;
  const absl::Time deadline = absl::Now() + kReleaseTimeout;
  bool any = true;
  for (bool sent = false; any && absl::Now() < deadline; sent = true) {
    any = false;
    for (const Lease& lease : ParseLeases(ReadFile(paths.leases).value_or(""))) {
      if (!IsStale(lease, before, after)) continue;
      any = true;
      if (!sent) SendRelease(lease, *server);
    }
    if (any) absl::SleepFor(kReleasePause);
  }
}

absl::Status NameServer::SetHost(const NameServerHost& host) {
  absl::MutexLock lock(&mutex_);
  VX_RETURN_IF_ERROR(Check(host));
  VX_RETURN_IF_ERROR(MakeFolders());
  return Replace(host.uid, {NamesText(host), DhcpText(host)});
}

absl::Status NameServer::RemoveHost(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  if (!IsOf(uid, "-_")) return BadHost("uid", uid);
  return Replace(uid, {});
}

absl::StatusOr<std::vector<std::string>> NameServer::Hosts() const {
  const DnsmasqPaths paths(config_.dir);
  std::vector<std::string> uids;
  for (const std::string& dir : {paths.hosts, paths.dhcp_hosts}) {
    auto names = ListDir(dir);
    if (absl::IsNotFound(names.status())) continue;
    VX_RETURN_IF_ERROR(names.status());
    uids.insert(uids.end(), names->begin(), names->end());
  }
  std::sort(uids.begin(), uids.end());
  uids.erase(std::unique(uids.begin(), uids.end()), uids.end());
  return uids;
}

UniqueFd NameServer::OpenProcess() const {
  auto server = FindServer(DnsmasqPaths(config_.dir));
  return server.has_value() ? std::move(server->pidfd) : UniqueFd();
}

absl::Status NameServer::Stop() {
  absl::MutexLock lock(&mutex_);
  VX_RETURN_IF_ERROR(EndDnsmasq(DnsmasqPaths(config_.dir)));
  return RemoveTree(config_.dir);
}

}  // namespace vx::network
