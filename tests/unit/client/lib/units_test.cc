#include "client/lib/units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"

namespace vx::client {
namespace {

TEST(ParseSize, TakesBinaryUnitsInEverySpelling) {
  EXPECT_EQ(*ParseSize("0"), 0);
  EXPECT_EQ(*ParseSize("4096"), 4096);
  EXPECT_EQ(*ParseSize("4096B"), 4096);
  EXPECT_EQ(*ParseSize("64K"), 65536);
  EXPECT_EQ(*ParseSize("64k"), 65536);
  EXPECT_EQ(*ParseSize("64KB"), 65536);
  EXPECT_EQ(*ParseSize("512M"), 536870912);
  EXPECT_EQ(*ParseSize("512MiB"), 536870912);
  EXPECT_EQ(*ParseSize("512 mib"), 536870912);
  EXPECT_EQ(*ParseSize("2G"), 2147483648);
  EXPECT_EQ(*ParseSize("1.5G"), 1610612736);
  EXPECT_EQ(*ParseSize("3T"), 3298534883328);
}

TEST(ParseSize, RefusesWhatIsNoSizeAndNamesIt) {
  for (const char* text : {"", "M", "12Q", "-1", "-1M", "+1", "1e3", "1,5G", "0x10", "inf", "nan",
                           "1MM", "1 2", "99999999999P", "1..5M", "512Mi B"}) {
    auto size = ParseSize(text);
    ASSERT_FALSE(size.ok()) << text;
    EXPECT_EQ(ErrorReason(size.status()), "BAD_SIZE") << text;
    EXPECT_THAT(std::string(size.status().message()), testing::HasSubstr(text));
    EXPECT_NE(ErrorHint(size.status()), "");
  }
}

TEST(ParseDuration, TakesUnitsAndBareSeconds) {
  EXPECT_EQ(*ParseDuration("500ms"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("10s"), absl::Seconds(10));
  EXPECT_EQ(*ParseDuration("5m"), absl::Minutes(5));
  EXPECT_EQ(*ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("10"), absl::Seconds(10));
  EXPECT_EQ(*ParseDuration("0.5"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("0"), absl::ZeroDuration());
}

TEST(ParseDuration, RefusesNegativeInfiniteAndWords) {
  for (const char* text : {"", "-1s", "-5", "inf", "soon", "10 parsecs", "1e999"}) {
    EXPECT_EQ(ErrorReason(ParseDuration(text).status()), "BAD_DURATION") << text;
  }
}

TEST(ParseCpus, TakesFractionsAndLeavesZeroToTheDaemon) {
  EXPECT_EQ(*ParseCpus("0.5"), 0.5);
  EXPECT_EQ(*ParseCpus("2"), 2);
  EXPECT_EQ(*ParseCpus("0"), 0);
  EXPECT_EQ(*ParseCpus("-1"), -1);
  for (const char* text : {"", "two", "inf", "nan", "0x2"}) {
    EXPECT_EQ(ErrorReason(ParseCpus(text).status()), "BAD_CPUS") << text;
  }
}

TEST(ParseNumber, NamesWhatItWasFor) {
  EXPECT_EQ(*ParseNumber("12", "lines"), 12);
  EXPECT_THAT(std::string(ParseNumber("many", "lines").status().message()),
              testing::HasSubstr("lines"));
}

TEST(ParseSince, TakesTimesAgoAndMoments) {
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  EXPECT_EQ(*ParseSince("10m", now), now - absl::Minutes(10));
  EXPECT_EQ(*ParseSince("2027-01-15T08:00:00Z", now), now);
  EXPECT_EQ(*ParseSince("2027-01-15T09:00:00+01:00", now), now);
  EXPECT_EQ(ErrorReason(ParseSince("yesterday", now).status()), "BAD_TIME");
}

TEST(FormatSize, HasAtMostOneDecimal) {
  EXPECT_EQ(FormatSize(0), "0");
  EXPECT_EQ(FormatSize(1023), "1023");
  EXPECT_EQ(FormatSize(65536), "64K");
  EXPECT_EQ(FormatSize(536870912), "512M");
  EXPECT_EQ(FormatSize(1610612736), "1.5G");
}

TEST(FormatAge, ShowsTheLargestUnit) {
  EXPECT_EQ(FormatAge(absl::Milliseconds(20)), "0s");
  EXPECT_EQ(FormatAge(absl::Seconds(59)), "59s");
  EXPECT_EQ(FormatAge(absl::Seconds(60)), "1m");
  EXPECT_EQ(FormatAge(absl::Hours(23)), "23h");
  EXPECT_EQ(FormatAge(absl::Hours(49)), "2d");
}

TEST(FormatNumber, IsTheShortestThatReadsBack) {
  EXPECT_EQ(FormatNumber(0.5), "0.5");
  EXPECT_EQ(FormatNumber(2), "2");
  EXPECT_EQ(FormatNumber(0.1), "0.1");
}

}  // namespace
}  // namespace vx::client
