// vxd is killed at random moments while users change workloads of both kinds:
// whatever a user was told is so, and stays so.
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "tests/system/chaos/client.h"
#include "tests/system/chaos/gate.h"
#include "tests/system/chaos/host_truth.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::IsEmpty;

constexpr int kClients = 8;
// The last client's workloads are VMs.
constexpr int kVmClient = kClients - 1;
// All is looked at after so many kills, with the clients standing still.
constexpr int kKillsBetweenChecks = 6;
// A workload that is removed at its exit waits so long, at most, for a client that
// saw its end before vxd was killed.
constexpr absl::Duration kLongestGoing = absl::Seconds(20);

class RandomKillsTest : public OwnDaemonTest {
 protected:
  void MakeClients(uint64_t seed) {
    const std::string archive = vx_.dir() + "/busybox.tar";
    ASSERT_THAT(vx_.Vxctl({"image", "export", "busybox", "-o", archive}), Succeeds());
    for (int i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<ChaosClient>(vx_, seed, absl::StrCat("c", i),
                                                       i == kVmClient ? "vm" : "container",
                                                       i == 0 ? archive : "", kills_));
    }
  }

  void BeginLoad() {
    for (auto& client : clients_) {
      threads_.emplace_back([this, &client] {
        while (gate_.Pass()) client->Step();
      });
    }
  }

  void EndLoad() {
    gate_.Close();
    for (std::thread& thread : threads_) thread.join();
  }

  // While it starts, while it reconciles and takes up what was cut off, and now and
  // then when all is done and long operations have got far.
  static absl::Duration NextMoment(Dice& dice) {
    switch (dice.Below(10)) {
      case 0:
      case 1:
      case 2:
        return dice.Between(absl::ZeroDuration(), absl::Milliseconds(40));
      case 3:
      case 4:
        return dice.Between(absl::Milliseconds(500), absl::Seconds(4));
      default:
        return dice.Between(absl::Milliseconds(40), absl::Milliseconds(400));
    }
  }

  void KillAfter(absl::Duration life) {
    absl::SleepFor(life);  // the moment is the point
    vx_.Kill();
    ++kills_;
    vx_.Begin();
  }

  // With the clients standing still.
  void CheckAll() {
    gate_.Shut();
    for (auto& client : clients_) client->Settle();
    ExpectNothingOpen();
    const Json workloads = Ask(vx_, {"ls", "-a"});
    CheckLedgers(workloads);
    CheckHost(workloads);
    for (const std::string& left : vx_.Leftovers()) ADD_FAILURE() << "left behind: " << left;
    gate_.Open();
  }

  // A client that left may have asked for something that takes its time.
  void ExpectNothingOpen() {
    for (const Json& operation : Ask(vx_, {"operation", "ls"})) {
      if (operation["state"] != "pending" && operation["state"] != "running") continue;
      vx_.Vxctl({"operation", "wait", operation["id"]}, absl::Seconds(30));
    }
    for (const Json& operation : Ask(vx_, {"operation", "ls"})) {
      EXPECT_NE(operation["state"], "pending") << operation;
      EXPECT_NE(operation["state"], "running") << operation;
    }
  }

  void CheckLedgers(const Json& workloads) {
    std::map<std::string, Json> by_name;
    for (const Json& workload : workloads) by_name[workload["name"]] = workload;
    for (auto& client : clients_) {
      for (const Ledger& ledger : client->ledgers()) {
        if (ledger.kind() == "image") {
          Ledger(ledger).Compare(Ask(vx_, {"image", "inspect", ledger.name()}));
          continue;
        }
        Ledger(ledger).Compare(by_name[ledger.name()]);
        by_name.erase(ledger.name());
      }
      for (const std::string& name : client->one_shots()) CheckOneShot(by_name, name);
    }
    for (const auto& [name, workload] : by_name) {
      ADD_FAILURE() << "nobody asked for " << workload;
    }
  }

  // It has ended; vxd may keep it a while for who asked for it.
  static void CheckOneShot(std::map<std::string, Json>& by_name, const std::string& name) {
    auto it = by_name.find(name);
    if (it == by_name.end()) return;
    EXPECT_EQ(it->second["status"]["state"], "stopped") << it->second;
    by_name.erase(it);
  }

  void CheckHost(const Json& workloads) {
    for (const Json& workload : workloads) {
      EXPECT_THAT(Untrue(workload), IsEmpty()) << workload;
      const Json alone = Ask(vx_, {"inspect", workload["name"]});
      EXPECT_EQ(alone, workload);
    }
  }

  void ExpectOneShotsGone() {
    const absl::Time end = absl::Now() + kLongestGoing;
    std::vector<std::string> left;
    do {
      left.clear();
      for (const Json& workload : Ask(vx_, {"ls", "-a"})) {
        for (auto& client : clients_) {
          if (client->one_shots().contains(workload["name"])) left.push_back(workload.dump());
        }
      }
      absl::SleepFor(left.empty() ? absl::ZeroDuration() : absl::Milliseconds(100));
    } while (!left.empty() && absl::Now() < end);
    EXPECT_THAT(left, IsEmpty()) << "not removed at their exit";
  }

  void PrintCounts() {
    int commands = 0, unknown = 0, one_shots = 0;
    for (auto& client : clients_) {
      commands += client->commands();
      unknown += client->unknown();
      one_shots += static_cast<int>(client->one_shots().size());
    }
    std::cout << kills_ << " kills, " << commands << " commands, of which " << unknown
              << " without an answer and " << one_shots << " runs in the foreground" << std::endl;
  }

  std::atomic<int> kills_ = 0;
  std::vector<std::unique_ptr<ChaosClient>> clients_;
  std::vector<std::thread> threads_;
  Gate gate_{kClients};
};

TEST_F(RandomKillsTest, LoseNothingThatAUserWasTold) {
  const uint64_t seed = ChooseSeed();
  const int kills = CountFromEnvironment("VX_KILLS", 12);
  Dice dice(seed, "kills");
  vx_.Start();
  MakeClients(seed);
  BeginLoad();
  for (int i = 1; i <= kills && !HasFailure(); ++i) {
    KillAfter(NextMoment(dice));
    if (i % kKillsBetweenChecks == 0) CheckAll();
  }
  CheckAll();
  EndLoad();
  ExpectOneShotsGone();
  PrintCounts();
}

}  // namespace
}  // namespace vx::system_test
