#include "tests/system/chaos/client.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace vx::system_test {
namespace {

constexpr absl::Duration kLongestAbsence = absl::Seconds(60);
constexpr absl::Duration kPause = absl::Milliseconds(20);

bool IsGone(const std::string& reason) { return absl::EndsWith(reason, "_NOT_FOUND"); }

bool IsOpen(const Json& operation) {
  return operation["state"] == "pending" || operation["state"] == "running";
}

bool IsUnderWay(const Json& workload) {
  const std::string state = workload["status"].value("state", "");
  return state == "creating" || state == "starting" || state == "stopping" || state == "deleting";
}

}  // namespace

Json Ask(const Daemon& vx, Words args) {
  args.insert(args.end(), {"-o", "json"});
  const absl::Time end = absl::Now() + kLongestAbsence;
  while (true) {
    const Result result = vx.Vxctl(args);
    if (result.code == 0) return Json::parse(result.out);
    const std::string reason = ReasonOf(result);
    if (IsGone(reason)) return nullptr;
    if (!IsOutOfReach(reason) || absl::Now() > end) {
      ADD_FAILURE() << "vxctl " << args[0] << ": " << result;
      return nullptr;
    }
    // There is none at the moment: the next one is about to come.
    absl::SleepFor(kPause);
  }
}

ChaosClient::ChaosClient(const Daemon& vx, uint64_t seed, const std::string& name,
                         const std::string& kind, const std::string& archive,
                         const std::atomic<int>& kills)
    : vx_(vx), dice_(seed, name), name_(name), kind_(kind), archive_(archive), kills_(kills) {
  const int workloads = kind == "vm" ? 1 : 3;
  for (int i = 0; i < workloads; ++i) ledgers_.emplace_back(absl::StrCat(name, "-", i), kind);
  if (!archive.empty()) ledgers_.emplace_back(absl::StrCat(name, "-image"), "image");
}

void ChaosClient::Step() {
  if (kills_.load() != checked_at_) Check();
  if (dice_.OneIn(12)) return RunToEnd();
  Ledger& ledger = ledgers_[dice_.Below(static_cast<int>(ledgers_.size()))];
  if (!ledger.belief().known()) Clear(ledger);
  Do(ledger, Choose(ledger));
}

void ChaosClient::Settle() {
  for (Ledger& ledger : ledgers_) {
    if (!ledger.belief().known()) Clear(ledger);
  }
}

void ChaosClient::Check() {
  checked_at_ = kills_.load();
  const Json workloads = Ask(vx_, {"ls", "-a"});
  for (Ledger& ledger : ledgers_) {
    if (!ledger.belief().known() || ledger.kind() == "image") continue;
    Json seen;
    for (const Json& workload : workloads) {
      if (workload["name"] == ledger.name()) seen = workload;
    }
    ledger.Compare(seen);
  }
}

// What was asked for may still be done: until then nothing is known.
void ChaosClient::Clear(Ledger& ledger) {
  const bool image = ledger.kind() == "image";
  while (true) {
    const Json operations = Ask(vx_, image ? Words{"operation", "ls"}
                                           : Words{"operation", "ls", "--workload", ledger.name()});
    std::string open;
    for (const Json& operation : operations) {
      if (operation["target"] == ledger.name() && IsOpen(operation)) open = operation["id"];
    }
    if (!open.empty()) {
      vx_.Vxctl({"operation", "wait", open});
      continue;
    }
    const Json seen = Ask(
        vx_, image ? Words{"image", "inspect", ledger.name()} : Words{"inspect", ledger.name()});
    if (seen.is_object() && !image && IsUnderWay(seen)) continue;
    return ledger.Compare(seen);
  }
}

void ChaosClient::RunToEnd() {
  const std::string name = absl::StrCat(name_, "-run-", one_shots_.size());
  one_shots_.insert(name);
  ++commands_;
  const Result result = vx_.Vxctl({"run", "--rm", "--kind=" + kind_, "--name", name, "-m", "96M",
                                   "busybox", "--", "sh", "-c", "echo out; exit 7"});
  const std::string reason = ReasonOf(result);
  if (IsOutOfReach(reason) || reason == "INTERRUPTED") {
    EXPECT_NE(result.code, 0);
    return;
  }
  EXPECT_EQ(result.code, 7) << name << ": " << result;
  EXPECT_EQ(result.out, "out\n") << name << ": " << result;
}

void ChaosClient::Do(Ledger& ledger, const Move& move) {
  // Some go before they have an answer.
  const bool leaves = dice_.OneIn(16);
  const absl::Duration patience = dice_.Between(absl::ZeroDuration(), absl::Milliseconds(150));
  const absl::Time begun = absl::Now();
  ++commands_;
  const Result result = vx_.Vxctl(move.words, leaves ? patience : absl::Seconds(120));
  const Verdict verdict = ledger.Note(move, result);
  if (verdict == Verdict::kUnknown) ++unknown_;
  if (verdict != Verdict::kDone) return;
  if (move.words[0] == "kill") AwaitEnd(ledger);
  if (move.new_run) ExpectNewRun(ledger, begun);
}

void ChaosClient::AwaitEnd(const Ledger& ledger) {
  Result result;
  do {
    result = vx_.Vxctl({"wait", ledger.name(), "--timeout", "30s"});
  } while (IsOutOfReach(ReasonOf(result)));
  if (result.code != 0) ledger.Complain("it was killed, but does not end: " + result.err);
}

void ChaosClient::ExpectNewRun(const Ledger& ledger, absl::Time since) {
  const Json seen = Ask(vx_, {"inspect", ledger.name()});
  if (!seen.is_object()) return ledger.Complain("it was started, but is not there");
  const std::string text =
      seen["status"]["startTime"].is_string() ? seen["status"]["startTime"].get<std::string>() : "";
  absl::Time start;
  std::string problem;
  if (!absl::ParseTime(absl::RFC3339_full, text, &start, &problem) || start < since) {
    ledger.Complain(
        absl::StrCat("it was started at ", absl::FormatTime(since), ", but shows ", text));
  }
}

}  // namespace vx::system_test
