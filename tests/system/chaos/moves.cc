// Which command comes next.
#include "absl/strings/str_cat.h"
#include "tests/system/chaos/client.h"

namespace vx::system_test {
namespace {

// Answers SIGTERM at once, and sleeps else.
constexpr char kScript[] = "trap 'exit 3' TERM; sleep 3600 & wait";
constexpr int64_t kLeastMemory = 96;

Belief In(const Belief& now, const std::string& state) {
  Belief then = now;
  then.states = {state};
  return then;
}

// Done or not done, with nothing in between.
Move Plain(Words words, const Belief& done, const Belief& before) {
  return {.words = std::move(words), .done = done, .not_done = before};
}

Move Refused(Words words, const Belief& now, const std::string& reason) {
  return {.words = std::move(words), .done = now, .not_done = now, .refusal = reason};
}

// May leave it stopped when it is not done.
Move ThatStarts(Words words, const Belief& done, const Belief& before) {
  Move move = {.words = std::move(words), .done = done, .not_done = before, .new_run = true};
  move.not_done.Add(In(done, "stopped"));
  return move;
}

Words Grace(Dice& dice) { return {"-t", dice.OneIn(2) ? "0s" : "5s"}; }

Words Line(Words line, const Words& more) {
  line.insert(line.end(), more.begin(), more.end());
  return line;
}

}  // namespace

Move ChaosClient::Choose(const Ledger& ledger) {
  if (ledger.kind() == "image") return ForImage(ledger);
  const std::string& state = ledger.belief().state();
  if (state == "absent") return ForAbsent(ledger);
  if (state == "running") return ForRunning(ledger);
  if (state == "paused") return ForPaused(ledger);
  return ForStopped(ledger);
}

Move ChaosClient::ForAbsent(const Ledger& ledger) {
  const Belief& now = ledger.belief();
  const int64_t memory = kLeastMemory + dice_.Below(64);
  const bool run = dice_.OneIn(2);
  if (dice_.OneIn(10)) return Refused({"start", ledger.name()}, now, "WORKLOAD_NOT_FOUND");
  Belief made;
  made.states = {run ? "running" : "stopped"};
  made.memory_mib = {memory};
  const Words line = Line(run ? Words{"run", "-d"} : Words{"create"},
                          {"--kind=" + kind_, "--name", ledger.name(), "-m",
                           absl::StrCat(memory, "M"), "busybox", "--", "sh", "-c", kScript});
  return run ? ThatStarts(line, made, now) : Plain(line, made, now);
}

Move ChaosClient::ForStopped(const Ledger& ledger) {
  const Belief& now = ledger.belief();
  const std::string& name = ledger.name();
  switch (dice_.Below(10)) {
    case 0:
    case 1:
      return Update(ledger);
    case 2:
      return Plain({"rm", name}, {}, now);
    case 3:
      return Plain(Line({"stop", name}, Grace(dice_)), now, now);
    case 4:
      return Refused({"kill", name}, now, "NOT_RUNNING");
    case 5:
      return ThatStarts(Line({"restart", name}, Grace(dice_)), In(now, "running"), now);
    default:
      return ThatStarts({"start", name}, In(now, "running"), now);
  }
}

Move ChaosClient::ForRunning(const Ledger& ledger) {
  const Belief& now = ledger.belief();
  const std::string& name = ledger.name();
  const Belief stopped = In(now, "stopped");
  switch (dice_.Below(12)) {
    case 0:
    case 1:
      return Update(ledger);
    case 2:
    case 3:
      return Plain({"pause", name}, In(now, "paused"), now);
    case 4:
    case 5:
      return ThatStarts(Line({"restart", name}, Grace(dice_)), now, now);
    case 6:
      return Plain({"kill", name}, stopped, now);
    case 7:
      return Plain({"rm", "-f", name}, {}, now);
    case 8:
      return Refused({"rm", name}, now, "STILL_RUNNING");
    case 9:
      return Plain({"start", name}, now, now);
    default:
      return Plain(Line({"stop", name}, Grace(dice_)), stopped, now);
  }
}

Move ChaosClient::ForPaused(const Ledger& ledger) {
  const Belief& now = ledger.belief();
  const std::string& name = ledger.name();
  switch (dice_.Below(6)) {
    case 0:
      return Plain({"rm", "-f", name}, {}, now);
    case 1:
      return Plain(Line({"stop", name}, Grace(dice_)), In(now, "stopped"), now);
    case 2:
      return Plain({"kill", name}, In(now, "stopped"), now);
    default:
      return Plain({"resume", name}, In(now, "running"), now);
  }
}

Move ChaosClient::ForImage(const Ledger& ledger) {
  const Belief& now = ledger.belief();
  if (now.state() == "absent") {
    Belief there;
    there.states = {"there"};
    return Plain({"image", "import", archive_, "--name", ledger.name()}, there, now);
  }
  return Plain({"image", "rm", ledger.name()}, {}, now);
}

Move ChaosClient::Update(const Ledger& ledger) {
  const Belief& now = ledger.belief();
  Belief then = now;
  if (dice_.OneIn(3)) {
    const std::string mark = absl::StrCat(commands_);
    then.mark = {mark};
    return Plain({"update", ledger.name(), "-l", absl::StrCat(kMark, "=", mark)}, then, now);
  }
  // More than any VM boots with is for its next start; less is its guest's to give.
  const bool live = ledger.kind() != "vm" || now.state() == "stopped";
  const int64_t memory = kLeastMemory + dice_.Below(64) + (live ? 0 : 64);
  const Words line = {"update", ledger.name(), "-m", absl::StrCat(memory, "M")};
  if (!live) return Refused(line, now, "STOP_FIRST");
  then.memory_mib = {memory};
  return Plain(line, then, now);
}

}  // namespace vx::system_test
