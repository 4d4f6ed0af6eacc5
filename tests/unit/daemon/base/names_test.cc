// Signals, ids and descriptors: the small ones.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <set>
#include <utility>

#include "daemon/base/ids.h"
#include "daemon/base/signals.h"
#include "daemon/base/unique_fd.h"

namespace vx {
namespace {

TEST(SignalsTest, ParsesNamesWithAndWithoutPrefixInAnyCaseAndNumbers) {
  for (const char* text : {"TERM", "SIGTERM", "sigterm", "term", "15"}) {
    EXPECT_EQ(ParseSignal(text), SIGTERM) << text;
  }
  EXPECT_EQ(ParseSignal("USR1"), SIGUSR1);
  EXPECT_EQ(ParseSignal("64"), 64);
}

TEST(SignalsTest, RefusesWhatIsNoSignal) {
  for (const char* text : {"", "0", "-1", "65", "SIG", "SIGSIGTERM", "TERMX", "9x", "FOO"}) {
    EXPECT_FALSE(ParseSignal(text).has_value()) << text;
  }
}

TEST(SignalsTest, NamesAreWhatParseTakes) {
  EXPECT_EQ(SignalName(SIGKILL), "SIGKILL");
  for (int signal = 1; signal < 32; ++signal) EXPECT_EQ(ParseSignal(SignalName(signal)), signal);
  EXPECT_EQ(SignalName(40), "SIG40");
}

TEST(RandomHexTest, HasTheDigitsAskedForAndIsNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = RandomHex(32);
    EXPECT_EQ(id.size(), 32u);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
    EXPECT_TRUE(seen.insert(id).second);
  }
  EXPECT_EQ(RandomHex(8).size(), 8u);
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST(UniqueFdTest, ClosesOnceAndMoves) {
  const int number = open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    UniqueFd first(number);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first.valid());
    EXPECT_EQ(second.get(), number);
    UniqueFd& same = second;
    second = std::move(same);
    EXPECT_TRUE(IsOpen(number));
  }
  EXPECT_FALSE(IsOpen(number));
}

TEST(UniqueFdTest, ReleaseGivesUpAndResetCloses) {
  UniqueFd fd(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = fd.release();
  EXPECT_FALSE(fd.valid());
  EXPECT_TRUE(IsOpen(number));
  fd.reset(number);
  fd.reset();
  EXPECT_FALSE(IsOpen(number));
}

}  // namespace
}  // namespace vx
