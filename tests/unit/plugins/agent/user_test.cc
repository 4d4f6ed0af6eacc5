#include "plugins/agent/user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vx::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kPasswd[] =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken line\n"
    "nobody:x:65534\n"
    "bob:x:1000:1001:Bob:/home/bob:/bin/sh\n"
    "1000:x:7:8::/:/bin/sh\n"
    "last:x:5:6::/:/bin/sh";  // no newline
constexpr char kGroup[] =
    "root:x:0:\n"
    "wheel:x:10:root,bob\n"
    "bob:x:1001:bob\n"
    "audio:x:29:bobby,bob\n"
    "strange:x:abc:bob\n";

Identity Resolve(const std::string& spec) {
  Identity identity;
  const char* error = ResolveUser(spec, kPasswd, kGroup, identity);
  EXPECT_EQ(error, nullptr) << spec << ": " << error;
  return identity;
}

std::string Complaint(const std::string& spec) {
  Identity identity;
  const char* error = ResolveUser(spec, kPasswd, kGroup, identity);
  return error == nullptr ? "" : error;
}

TEST(UserTest, NothingMeansRoot) {
  EXPECT_EQ(Resolve("").uid, 0u);
  EXPECT_THAT(Resolve("").groups, ElementsAre(10));
  Identity identity;
  EXPECT_EQ(ResolveUser("", "", "", identity), nullptr);
  EXPECT_EQ(identity.gid, 0u);
}

TEST(UserTest, ANameBringsItsGroups) {
  const Identity bob = Resolve("bob");
  EXPECT_EQ(bob.uid, 1000u);
  EXPECT_EQ(bob.gid, 1001u);
  EXPECT_THAT(bob.groups, ElementsAre(10, 29));
}

TEST(UserTest, ANamedGroupIsTheOnlyOne) {
  const Identity bob = Resolve("bob:wheel");
  EXPECT_EQ(bob.gid, 10u);
  EXPECT_THAT(bob.groups, IsEmpty());
}

TEST(UserTest, NumbersNeedNotBeListed) {
  const Identity stranger = Resolve("4242:4343");
  EXPECT_EQ(stranger.uid, 4242u);
  EXPECT_EQ(stranger.gid, 4343u);
  EXPECT_EQ(Resolve("4242").gid, 0u);
}

TEST(UserTest, AListedNumberBringsItsGroups) {
  EXPECT_EQ(Resolve("5").gid, 6u);
  EXPECT_EQ(Resolve("0").gid, 0u);
}

TEST(UserTest, ANameOfDigitsBeatsTheNumber) { EXPECT_EQ(Resolve("1000").uid, 7u); }

TEST(UserTest, RefusesWhatIsNotThere) {
  EXPECT_THAT(Complaint("alice"), HasSubstr("user"));
  EXPECT_THAT(Complaint("bob:staff"), HasSubstr("group"));
  EXPECT_THAT(Complaint("nobody"), HasSubstr("user")) << "its line is broken";
}

TEST(UserTest, RefusesNumbersThatAreNoIds) {
  for (const char* spec : {"4294967295", "99999999999", "-1", "0x10", "1 "}) {
    EXPECT_NE(Complaint(spec), "") << spec;
  }
}

}  // namespace
}  // namespace vx::agent
