#include "tests/system/chaos/ledger.h"

#include <algorithm>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"

namespace vx::system_test {
namespace {

constexpr size_t kRemembered = 8;

template <typename Value>
void Merge(std::set<Value>& to, const std::set<Value>& from) {
  to.insert(from.begin(), from.end());
}

template <typename Value>
bool Within(const std::set<Value>& seen, const std::set<Value>& may_be) {
  return std::includes(may_be.begin(), may_be.end(), seen.begin(), seen.end());
}

std::string Now() { return absl::FormatTime("%H:%M:%E6S", absl::Now(), absl::UTCTimeZone()); }

// No answer, or one that does not say whether it was done.
bool SaysNothing(const Result& result, const std::string& reason) {
  return result.code == -1 || reason == "CONNECTION_LOST" || reason == "NO_ANSWER";
}

}  // namespace

void Belief::Add(const Belief& other) {
  Merge(states, other.states);
  Merge(memory_mib, other.memory_mib);
  Merge(mark, other.mark);
}

std::ostream& operator<<(std::ostream& stream, const Belief& belief) {
  return stream << absl::StrJoin(belief.states, " or ") << ", memory "
                << absl::StrJoin(belief.memory_mib, " or ") << " MiB, mark "
                << absl::StrJoin(belief.mark, " or ");
}

std::string ReasonOf(const Result& result) {
  const size_t end = result.err.find(")\n");
  const size_t begin = result.err.rfind('(', end);
  if (end == std::string::npos || begin == std::string::npos) return "";
  return result.err.substr(begin + 1, end - begin - 1);
}

bool IsOutOfReach(const std::string& reason) {
  return reason == "NO_DAEMON" || reason == "CONNECTION_LOST" || reason == "NO_ANSWER";
}

Verdict Ledger::Note(const Move& move, const Result& result) {
  const std::string reason = ReasonOf(result);
  history_.push_back(absl::StrCat(Now(), " vxctl ", absl::StrJoin(move.words, " "), ": exit ",
                                  result.code, " ", result.err));
  if (history_.size() > kRemembered) history_.pop_front();
  if (SaysNothing(result, reason)) {
    belief_.Add(move.not_done);
    belief_.Add(move.done);
    return Verdict::kUnknown;
  }
  if (result.code == 0) {
    if (!move.refusal.empty()) Complain("it should have been refused: " + move.refusal);
    belief_ = move.done;
    return Verdict::kDone;
  }
  const bool never_asked = reason == "NO_DAEMON" || reason == move.refusal;
  if (!never_asked && reason != "INTERRUPTED") Complain("it should not have failed");
  if (!never_asked) belief_ = move.not_done;
  return Verdict::kNotDone;
}

Belief Ledger::See(const Json& seen) const {
  if (!seen.is_object()) return {};
  if (kind_ == "image") return {.states = {"there"}};
  Belief is;
  is.states = {seen["status"].value("state", "")};
  is.memory_mib = {seen["spec"]["resources"].value("memoryBytes", int64_t{0}) >> 20};
  is.mark = {seen["labels"].value(kMark, "")};
  return is;
}

void Ledger::Compare(const Json& seen) {
  const Belief is = See(seen);
  const bool gone = is.state() == "absent";
  const bool may_be =
      Within(is.states, belief_.states) &&
      (gone || (Within(is.memory_mib, belief_.memory_mib) && Within(is.mark, belief_.mark)));
  if (!may_be) {
    std::ostringstream text;
    text << "it should be " << belief_ << "; it is " << is << " " << seen;
    Complain(text.str());
  }
  belief_ = is;
}

void Ledger::Complain(const std::string& what) const {
  ADD_FAILURE() << kind_ << " " << name_ << ": " << what << "\nits last commands:\n"
                << absl::StrJoin(history_, "\n");
}

}  // namespace vx::system_test
