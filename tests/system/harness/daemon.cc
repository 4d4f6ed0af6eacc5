#include "tests/system/harness/daemon.h"

#include <poll.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "gtest/gtest.h"

namespace vx::system_test {
namespace {

// libvirt's probe of the emulator takes seconds; all daemons of all tests share
// what it found.
const char kEmbedCache[] = VX_TEST_BUILD_DIR "/tests/embed-cache";

std::string MakeTempDir() {
  char path[] = "/tmp/vx-test-XXXXXX";
  if (mkdtemp(path) == nullptr) std::abort();
  chmod(path, 0755);  // others must reach the socket
  return path;
}

UniqueFd BindNotifySocket(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  unlink(path.c_str());
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

void Append(Words& to, const Words& from) { to.insert(to.end(), from.begin(), from.end()); }

Words Lines(const std::string& text) { return absl::StrSplit(text, '\n', absl::SkipEmpty()); }

}  // namespace

std::string Program(const std::string& name) {
  return absl::StrCat(VX_TEST_BUILD_DIR, "/bin/", name);
}

Daemon::Daemon() : dir_(MakeTempDir()) { EXPECT_TRUE(MakeDirs(kEmbedCache, 0755).ok()); }

Daemon::~Daemon() {
  ShutDown();
  if (absl::Status s = RemoveTree(dir_); !s.ok()) ADD_FAILURE() << s.message();
}

Words Daemon::CommandLine(const Options& options) const {
  Words line = options.wrapper;
  // The log goes to a file, for vxd may outlive a reader of a pipe.
  Append(line, {"sh", "-c", "exec \"$@\" >>\"$0\" 2>&1", dir_ + "/vxd.log"});
  Append(line, {Program("vxd"), "--state-dir", state_dir(), "--runtime-dir", runtime_dir(), "--set",
                absl::StrCat("vm.embed_cache=", kEmbedCache), "--set", "network.default=none"});
  Append(line, options.args);
  return line;
}

std::string Daemon::log() const {
  absl::StatusOr<std::string> text = ReadFile(dir_ + "/vxd.log");
  return text.ok() ? *text : "";
}

void Daemon::ClearLog() { unlink((dir_ + "/vxd.log").c_str()); }

void Daemon::Begin(const Options& options) {
  child_ = std::make_unique<Child>(CommandLine(options));
}

void Daemon::Start(const Options& options) {
  std::string path = dir_ + "/notify";
  UniqueFd notify = BindNotifySocket(path);
  child_ = std::make_unique<Child>(CommandLine(options), Words{"NOTIFY_SOCKET=" + path});
  if (!WaitReady(notify.get())) {
    child_.reset();
    FAIL() << "vxd is not ready; its log:\n" << log();
  }
  Json info = VxctlJson({"info"});
  if (info.is_object()) instance_id_ = info.value("instanceId", "");
}

bool Daemon::WaitReady(int notify_socket) {
  absl::StatusOr<UniqueFd> pidfd = OpenPidfd(child_->pid());
  if (!pidfd.ok()) return false;
  while (true) {
    pollfd fds[] = {{notify_socket, POLLIN, 0}, {pidfd->get(), POLLIN, 0}};
    if (poll(fds, 2, 30000) <= 0 || fds[0].revents == 0) return false;
    char text[4096];
    ssize_t n = recv(notify_socket, text, sizeof text, 0);
    if (n > 0 && absl::StrContains(absl::string_view(text, n), "READY=1")) return true;
  }
}

Result Daemon::RunToEnd(const Options& options) {
  Result result = RunProgram(CommandLine(options), {}, absl::Seconds(30));
  result.err += log();
  return result;
}

int Daemon::Stop() {
  if (!child_) return -1;
  child_->Signal(SIGTERM);
  Result result = child_->Wait(absl::Seconds(30));
  child_.reset();
  return result.code;
}

void Daemon::Kill() {
  if (!child_) return;
  child_->Signal(SIGKILL);
  child_->Wait(absl::Seconds(30));
  child_.reset();
}

bool Daemon::WaitEnd() {
  if (!child_) return false;
  const Result result = child_->Wait(absl::Seconds(60));
  child_.reset();
  return result.code != -1;
}

Result Daemon::Vxctl(const Words& args, absl::Duration timeout) const {
  Words line = {Program("vxctl"), "--host", "unix://" + socket()};
  Append(line, args);
  return RunProgram(line, {}, timeout);
}

Result Daemon::VxctlAs(int uid, int gid, const Words& args) const {
  // The build may be in a folder that others can't enter: mount it where they can.
  std::string tree = dir_ + "/build";
  if (!PathExists(tree)) {
    EXPECT_TRUE(MakeDirs(tree, 0755).ok());
    EXPECT_EQ(mount(VX_TEST_BUILD_DIR, tree.c_str(), nullptr, MS_BIND, nullptr), 0);
  }
  Words line = {"setpriv",           absl::StrCat("--reuid=", uid), absl::StrCat("--regid=", gid),
                "--clear-groups",    tree + "/bin/vxctl",           "--host",
                "unix://" + socket()};
  Append(line, args);
  Result result = RunProgram(line);
  umount2(tree.c_str(), MNT_DETACH);
  rmdir(tree.c_str());
  return result;
}

std::unique_ptr<Child> Daemon::VxctlInBackground(const Words& args) const {
  Words line = {Program("vxctl"), "--host", "unix://" + socket()};
  Append(line, args);
  return std::make_unique<Child>(line);
}

Json Daemon::VxctlJson(Words args) const {
  Append(args, {"-o", "json"});
  Result result = Vxctl(args);
  EXPECT_EQ(result.code, 0) << result;
  return Json::parse(result.out, nullptr, /*allow_exceptions=*/false);
}

Json Daemon::Inspect(const std::string& name) const {
  Result result = Vxctl({"inspect", name, "-o", "json"});
  if (result.code != 0) return nullptr;
  Json json = Json::parse(result.out, nullptr, false);
  return json.is_array() && !json.empty() ? json[0] : json;
}

std::string Daemon::State(const std::string& name) const {
  Json workload = Inspect(name);
  return workload.is_object() ? workload["status"].value("state", "") : "";
}

Json Daemon::Driver(const std::string& name) const {
  Json info = VxctlJson({"info"});
  if (!info.is_object()) return nullptr;
  for (const Json& driver : info["drivers"]) {
    if (driver.value("name", "") == name) return driver;
  }
  return nullptr;
}

bool Daemon::WaitForLog(const std::string& name, const std::string& text) const {
  return VxctlInBackground({"logs", "-f", name})->WaitForOutput(text);
}

bool Daemon::WaitForEvent(const std::string& workload, const std::string& text) const {
  return VxctlInBackground({"events", "-f", "--since", "1h", "--workload", workload, "-o", "jsonl"})
      ->WaitForOutput(text);
}

std::string Daemon::RemoveNetworks() const {
  const Words names = Lines(Vxctl({"network", "ls", "-q"}).out);
  if (names.empty()) return "";
  Words line = {"network", "rm"};
  Append(line, names);
  const Result result = Vxctl(line);
  return result.code == 0 ? "" : result.err;
}

std::string Daemon::RemoveWorkloads() const {
  std::string problem;
  // One with --rm may go by itself in between.
  for (int attempt = 0; attempt < 2; ++attempt) {
    Words names = Lines(Vxctl({"ls", "-a", "-q"}).out);
    if (names.empty()) return "";
    Words line = {"rm", "-f"};
    Append(line, names);
    Result result = Vxctl(line);
    if (result.code == 0) return "";
    problem = result.err;
  }
  return problem;
}

std::vector<std::string> Daemon::Leftovers(absl::Duration patience) {
  leftovers::Scope scope;
  leftovers::Instance& instance = scope.instance.emplace();
  instance.state_dir = state_dir();
  instance.runtime_dir = runtime_dir();
  instance.id = instance_id_;
  instance.alive = running();
  if (!running()) scope.dirs = {dir_};
  const Json workloads = running() ? VxctlJson({"ls", "-a"}) : Json::array();
  for (const Json& workload : workloads) {
    const std::string uid = workload["uid"];
    const bool stopped = workload["status"]["state"] == "stopped";
    (stopped ? instance.workloads : instance.running).insert(uid);
  }
  const auto report = LookAfter(scope, told_, absl::ToChronoMilliseconds(patience));
  told_.insert(report.findings.begin(), report.findings.end());
  return report.Lines();
}

std::vector<std::string> Daemon::ShutDown() {
  if (instance_id_.empty() && !running()) return {};
  if (!running()) Start();
  if (!running()) return {"a vxd that can't be started again"};
  std::string problem = RemoveWorkloads() + RemoveNetworks();
  int code = Stop();
  std::vector<std::string> left = Leftovers();
  if (!problem.empty()) left.push_back("workloads that can't be removed: " + problem);
  if (code != 0) left.push_back(absl::StrCat("vxd's exit status ", code, " after SIGTERM"));
  instance_id_.clear();
  return left;
}

}  // namespace vx::system_test
