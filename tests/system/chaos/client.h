// One of several users at once, who asks for all kinds of changes, of workloads
// that are nobody else's, while vxd is killed, and keeps a ledger.
#pragma once

#include <atomic>
#include <set>
#include <string>
#include <vector>

#include "tests/system/chaos/dice.h"
#include "tests/system/chaos/ledger.h"
#include "tests/system/harness/daemon.h"

namespace vx::system_test {

// The present answer of vxd to `vxctl ARGS -o json`, asked again until there is one;
// null when it says that what is named is not there.
Json Ask(const Daemon& vx, Words args);

// For one thread, but for `ledgers`, `one_shots` and `commands` while it stands still.
class ChaosClient {
 public:
  // Without `archive`, of an image, it leaves images alone. `kills` counts the kills
  // of vxd: after each it looks whether all it was told is still so.
  ChaosClient(const Daemon& vx, uint64_t seed, const std::string& name, const std::string& kind,
              const std::string& archive, const std::atomic<int>& kills);

  // One command, and what it takes to know where things are before it.
  void Step();

  // Finds out where everything is of which it does not know.
  void Settle();

  const std::vector<Ledger>& ledgers() const { return ledgers_; }
  // Workloads that remove themselves at their end.
  const std::set<std::string>& one_shots() const { return one_shots_; }
  int commands() const { return commands_; }
  int unknown() const { return unknown_; }

 private:
  void Check();
  void Clear(Ledger& ledger);
  void RunToEnd();
  void Do(Ledger& ledger, const Move& move);
  // Until an end by a signal is seen.
  void AwaitEnd(const Ledger& ledger);
  void ExpectNewRun(const Ledger& ledger, absl::Time since);

  Move Choose(const Ledger& ledger);
  Move ForAbsent(const Ledger& ledger);
  Move ForStopped(const Ledger& ledger);
  Move ForRunning(const Ledger& ledger);
  Move ForPaused(const Ledger& ledger);
  Move ForImage(const Ledger& ledger);
  Move Update(const Ledger& ledger);

  const Daemon& vx_;
  Dice dice_;
  const std::string name_;
  const std::string kind_;
  const std::string archive_;
  const std::atomic<int>& kills_;
  int checked_at_ = 0;
  int commands_ = 0;
  int unknown_ = 0;
  std::vector<Ledger> ledgers_;
  std::set<std::string> one_shots_;
};

}  // namespace vx::system_test
