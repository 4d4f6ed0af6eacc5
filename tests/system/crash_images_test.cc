// vxd's state as it is at random moments under load, opened again as after a crash:
// it is whole, and all that a user was told is in it.
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/operation.h"
#include "client/lib/tree.h"
#include "daemon/base/file.h"
#include "daemon/store/store.h"
#include "tests/system/chaos/client.h"
#include "tests/system/chaos/dice.h"
#include "tests/system/chaos/fake_load.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

constexpr int kUsers = 8;
// One image in so many is given to a vxd.
constexpr int kImagesForVxd = 10;
const char* const kFake[] = {"--set", "drivers.enabled=fake"};

// Whose end it is. The host's takes the memory that processes shared, and /run.
enum class Crash { kVxd, kHost };

// All that SQLite says to a PRAGMA.
std::string Pragma(const std::string& path, const char* pragma) {
  sqlite3* db = nullptr;
  std::string said;
  auto collect = [](void* out, int columns, char** values, char**) {
    for (int i = 0; i < columns; ++i) {
      absl::StrAppend(static_cast<std::string*>(out), values[i] ? values[i] : "NULL", "\n");
    }
    return 0;
  };
  const int code = sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr);
  if (code == SQLITE_OK) sqlite3_exec(db, pragma, collect, &said, nullptr);
  if (sqlite3_errcode(db) != SQLITE_OK) absl::StrAppend(&said, sqlite3_errmsg(db));
  sqlite3_close(db);
  return said;
}

bool AllThreadsStopped(pid_t pid) {
  for (const auto& task :
       std::filesystem::directory_iterator(absl::StrCat("/proc/", pid, "/task"))) {
    const std::string stat = ReadFile(task.path().string() + "/stat").value_or("");
    if (!absl::StrContains(stat, ") T ")) return false;
  }
  return true;
}

class CrashImagesTest : public OwnDaemonTest {
 protected:
  static void Copy(const std::string& from, const std::string& to) {
    EXPECT_EQ(RunProgram({"sh", "-c", absl::StrCat("cp -a ", from, " ", to)}).code, 0);
  }
  std::string image() const { return vx_.dir() + "/image"; }

  // Holds vxd for as long as it is copied: the inventory, or all its folders.
  Told TakeImage(const FakeLoad& load, Crash crash, bool all) {
    siginfo_t info{};
    EXPECT_EQ(kill(vx_.pid(), SIGSTOP), 0);
    EXPECT_EQ(waitid(P_PID, static_cast<id_t>(vx_.pid()), &info, WSTOPPED), 0);
    EXPECT_TRUE(AllThreadsStopped(vx_.pid()));
    // Whatever anybody was told, vxd had said before.
    Told told = load.Snapshot();
    EXPECT_TRUE(MakeDirs(image() + "/s", 0755).ok());
    Copy(vx_.state_dir() + (all ? "/." : "/vx.db*"), image() + "/s");
    if (crash == Crash::kHost) unlink((image() + "/s/vx.db-shm").c_str());
    if (crash == Crash::kVxd && all) Copy(vx_.runtime_dir(), image() + "/r");
    EXPECT_EQ(kill(vx_.pid(), SIGCONT), 0);
    return told;
  }

  // A copy of its own for each who opens it: opening changes it.
  std::string CopyOfInventory() const {
    const std::string copy = vx_.dir() + "/copy";
    EXPECT_TRUE(RemoveTree(copy).ok());
    EXPECT_TRUE(MakeDirs(copy, 0755).ok());
    Copy(image() + "/s/vx.db*", copy);
    return copy + "/vx.db";
  }

  void ExpectWhole() const {
    const std::string path = CopyOfInventory();
    EXPECT_EQ(Pragma(path, "PRAGMA integrity_check"), "ok\n");
    EXPECT_EQ(Pragma(path, "PRAGMA foreign_key_check"), "");
  }

  void ExpectInInventory(const Told& told) const {
    auto store = store::Store::Open(CopyOfInventory());
    ASSERT_TRUE(store.ok()) << store.status();
    const store::View view = (*store)->Read();
    for (const v1::Operation& operation : told.operations) {
      auto found = view.FindOperation(operation.id());
      ASSERT_TRUE(found.ok()) << found.status() << operation.DebugString();
      if (!client::HasEnded(operation)) continue;
      EXPECT_EQ(found->state(), operation.state()) << found->DebugString();
    }
    for (const auto& [name, expected] : told.workloads) {
      auto found = view.FindWorkload(name);
      const bool there = expected.state != v1::STATE_UNSPECIFIED;
      ASSERT_EQ(found.ok(), there) << name << ": " << found.status();
      if (!there) continue;
      EXPECT_EQ(found->status().state(), expected.state) << found->DebugString();
      EXPECT_EQ(found->spec().resources().memory_bytes(), expected.memory_bytes) << name;
    }
  }

  // What was recorded has come to an end, and what had ended is as it was.
  static void ExpectOperations(const Daemon& vxd, const Told& told) {
    std::map<std::string, std::string> states;
    // A stop is gone on with in its workload's turn.
    for (const Json& operation : Ask(vxd, {"operation", "ls"})) {
      if (operation["endTime"].is_null()) vxd.Vxctl({"operation", "wait", operation["id"]});
    }
    for (const Json& operation : Ask(vxd, {"operation", "ls"})) {
      states[operation["id"]] = operation["state"];
      EXPECT_NE(operation["state"], "pending") << operation;
      EXPECT_NE(operation["state"], "running") << operation;
    }
    for (const v1::Operation& operation : told.operations) {
      EXPECT_TRUE(states.contains(operation.id())) << operation.DebugString();
      if (!client::HasEnded(operation)) continue;
      EXPECT_EQ(states[operation.id()], client::EnumText(operation.state()));
    }
  }

  // Nothing runs after the end of a host.
  static void ExpectWorkloads(const Daemon& vxd, const Told& told, Crash crash) {
    std::map<std::string, Json> found;
    for (const Json& workload : Ask(vxd, {"ls", "-a"})) found[workload["name"]] = workload;
    for (const auto& [name, expected] : told.workloads) {
      const bool there = expected.state != v1::STATE_UNSPECIFIED;
      ASSERT_EQ(found.contains(name), there) << name;
      if (!there) continue;
      const Json& workload = found[name];
      const v1::State state = crash == Crash::kHost ? v1::STATE_STOPPED : expected.state;
      EXPECT_EQ(workload["status"]["state"], client::EnumText(state)) << workload;
      EXPECT_EQ(workload["spec"]["resources"]["memoryBytes"], expected.memory_bytes) << workload;
    }
    for (const auto& [name, workload] : found) {
      const bool runs = workload["status"]["state"] == "running";
      EXPECT_EQ(workload["status"]["pid"] != 0, runs) << workload;
    }
  }

  void ExpectVxdGoesOn(const Told& told, Crash crash) const {
    Daemon second;
    Copy(image() + "/s", second.state_dir());
    if (crash == Crash::kVxd) Copy(image() + "/r", second.runtime_dir());
    second.Start({.args = {std::begin(kFake), std::end(kFake)}});
    ASSERT_TRUE(second.running());
    while (second.Driver("fake").value("state", "") == "probing") {
    }
    ExpectOperations(second, told);
    ExpectWorkloads(second, told, crash);
    if (HasFailure()) std::cerr << "the second vxd's log:\n" << second.log();
    EXPECT_EQ(second.RemoveWorkloads(), "");
    EXPECT_EQ(second.Stop(), 0);
  }
};

TEST_F(CrashImagesTest, HoldAllThatAUserWasTold) {
  const uint64_t seed = ChooseSeed();
  const int images = CountFromEnvironment("VX_IMAGES", 40);
  Dice dice(seed, "images");
  vx_.Start({.args = {std::begin(kFake), std::end(kFake)}});
  FakeLoad load(vx_.socket(), seed, kUsers);
  for (int i = 0; i < images && !HasFailure(); ++i) {
    absl::SleepFor(dice.Between(absl::ZeroDuration(), absl::Milliseconds(150)));  // the moment
    const Crash crash = dice.OneIn(2) ? Crash::kVxd : Crash::kHost;
    const bool for_vxd = i % kImagesForVxd == kImagesForVxd - 1;
    const Told told = TakeImage(load, crash, for_vxd);
    ExpectWhole();
    ExpectInInventory(told);
    if (for_vxd) ExpectVxdGoesOn(told, crash);
    if (HasFailure()) std::cerr << "image " << i << "\n";
    EXPECT_TRUE(RemoveTree(image()).ok());
  }
  std::cout << images << " images over " << load.changes() << " changes" << std::endl;
}

}  // namespace
}  // namespace vx::system_test
