#include "daemon/driver/id_ranges.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::driver {
namespace {

constexpr char kThree[] = "1000000:196608";

class IdRangesTest : public testing::Test {
 protected:
  IdRanges Open(const std::string& setting, const std::string& instance) {
    auto ranges = IdRanges::Open(file_, setting, instance);
    EXPECT_TRUE(ranges.ok()) << ranges.status();
    return *ranges;
  }

  TempDir dir_;
  const std::string file_ = dir_ / "claims";
};

TEST_F(IdRangesTest, AClaimLastsUntilItsRelease) {
  const IdRanges ranges = Open(kThree, "aaaa");
  const uint32_t first = ranges.Claim("one").value();
  EXPECT_EQ(first, 1000000u);
  EXPECT_EQ(ranges.Claim("one").value(), first);
  EXPECT_EQ(ranges.Claim("two").value(), first + kIdRangeSize);
  EXPECT_EQ(Open(kThree, "aaaa").Claim("two").value(), first + kIdRangeSize) << "not kept on disk";
  EXPECT_TRUE(ranges.Release("one").ok());
  EXPECT_EQ(ranges.Claim("three").value(), first);
}

TEST_F(IdRangesTest, ReleasingNothingIsFine) {
  EXPECT_TRUE(Open(kThree, "aaaa").Release("unknown").ok());
}

TEST_F(IdRangesTest, WhenAllAreTakenTheErrorSaysWhatToDo) {
  const IdRanges ranges = Open(kThree, "aaaa");
  for (const char* uid : {"1", "2", "3"}) EXPECT_TRUE(ranges.Claim(uid).ok());
  const absl::Status status = ranges.Claim("4").status();
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(ErrorReason(status), "NO_ID_RANGE");
  EXPECT_THAT(ErrorHint(status), testing::HasSubstr("container.subuid"));
  EXPECT_TRUE(ranges.Release("2").ok());
  EXPECT_EQ(ranges.Claim("4").value(), 1000000u + kIdRangeSize);
}

TEST_F(IdRangesTest, TwoInstancesNeverGetTheSame) {
  const IdRanges a = Open(kThree, "aaaa"), b = Open(kThree, "bbbb");
  EXPECT_EQ(a.Claim("one").value(), 1000000u);
  EXPECT_EQ(b.Claim("one").value(), 1000000u + kIdRangeSize);
  EXPECT_TRUE(b.Release("one").ok());
  EXPECT_EQ(a.Claim("one").value(), 1000000u) << "the other instance's release took ours";
}

TEST_F(IdRangesTest, RangesOfOtherSettingsDontOverlap) {
  const IdRanges a = Open("1000000:65536", "aaaa");
  EXPECT_EQ(a.Claim("one").value(), 1000000u);
  // Its first range shares ids with that one, from either side.
  EXPECT_EQ(Open("1000100:131072", "bbbb").Claim("one").value(), 1000100u + kIdRangeSize);
  EXPECT_EQ(ErrorReason(Open("999000:65536", "cccc").Claim("one").status()), "NO_ID_RANGE");
  // Next to it is not over it.
  EXPECT_EQ(Open("934464:65536", "dddd").Claim("one").value(), 934464u);
}

TEST_F(IdRangesTest, ManyAtOnceGetManyDifferent) {
  constexpr int kThreads = 8, kEach = 20;
  std::vector<std::vector<uint32_t>> got(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const IdRanges ranges = Open("auto", absl::StrCat("instance", t % 2));
      for (int i = 0; i < kEach; ++i) {
        got[t].push_back(ranges.Claim(absl::StrCat(t, "-", i)).value_or(0));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint32_t> all;
  for (const auto& some : got) all.insert(some.begin(), some.end());
  EXPECT_EQ(all.size(), size_t{kThreads} * kEach);
  EXPECT_FALSE(all.contains(0));
}

TEST_F(IdRangesTest, ALineTornByACrashIsNoClaim) {
  const IdRanges ranges = Open(kThree, "aaaa");
  ASSERT_TRUE(ranges.Claim("one").ok());
  const std::string whole = ReadFile(file_).value();
  ASSERT_TRUE(WriteFileAtomic(file_, whole + "1065536 aaaa tw", 0600).ok());
  EXPECT_EQ(ranges.Claim("two").value(), 1065536u);
  EXPECT_EQ(ReadFile(file_).value(), whole + "1065536 aaaa two\n");
}

TEST_F(IdRangesTest, NonsenseInTheFileIsSkipped) {
  ASSERT_TRUE(WriteFileAtomic(file_, "\n\nnot a claim\nx y z\n1000000 aaaa one\n", 0600).ok());
  EXPECT_EQ(Open(kThree, "aaaa").Claim("one").value(), 1000000u);
  EXPECT_EQ(Open(kThree, "aaaa").Claim("two").value(), 1065536u);
}

TEST_F(IdRangesTest, RefusesSettingsThatAreNoRangeOfIds) {
  for (const char* setting :
       {"some", "100000", "100000:", ":65536", "100000:65535", "100000:0", "0:65536", "1000:65536",
        "-100000:65536", "100000:65536:1", "4294900000:131072", "100000:99999999999"}) {
    const absl::Status status = IdRanges::Open(file_, setting, "aaaa").status();
    EXPECT_EQ(ErrorReason(status), "BAD_SUBUID") << setting;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(setting));
    EXPECT_NE(ErrorHint(status), "");
  }
  for (const char* setting : {"auto", "", "65536:65536", "4294836224:65536"}) {
    EXPECT_TRUE(IdRanges::Open(file_, setting, "aaaa").ok()) << setting;
  }
}

TEST_F(IdRangesTest, AutoStaysClearOfOrdinaryIds) {
  const uint32_t first = Open("auto", "aaaa").Claim("one").value();
  EXPECT_GE(first, 0x70000000u);
  EXPECT_EQ(first % kIdRangeSize, 0u);
}

TEST_F(IdRangesTest, AFolderThatIsNotThereIsNamed) {
  auto ranges = IdRanges::Open(dir_ / "none/claims", "auto", "aaaa");
  ASSERT_TRUE(ranges.ok());
  const absl::Status status = ranges->Claim("one").status();
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("none/claims"));
}

}  // namespace
}  // namespace vx::driver
