#include "plugins/container/runtime/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"

namespace vx::container {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kPasswd[] =
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken line\n"
    "web:x:33:34::/srv:/bin/sh\n"
    "homeless:x:50:50:::\n"
    "odd:x:notanumber:1::/x:\n";
constexpr char kGroup[] = "root:x:0:\nweb:x:34:\nmail:x:8:web,root\naudio:x:29:web\nbad\n";

absl::StatusOr<Identity> Of(const std::string& user) {
  return ParseIdentity(user, kPasswd, kGroup);
}

TEST(Identity, ANameBringsItsGroupAndThoseThatListIt) {
  auto web = Of("web");
  ASSERT_TRUE(web.ok()) << web.status();
  EXPECT_EQ(web->uid, 33u);
  EXPECT_EQ(web->gid, 34u);
  EXPECT_THAT(web->groups, ElementsAre(8, 29));
  EXPECT_EQ(web->home, "/srv");
}

TEST(Identity, ANumberThatIsKnownIsTheUser) {
  auto web = Of("33");
  ASSERT_TRUE(web.ok());
  EXPECT_EQ(web->gid, 34u);
  EXPECT_THAT(web->groups, ElementsAre(8, 29));
}

TEST(Identity, ANumberThatIsNotKnownHasGroupZero) {
  auto unknown = Of("1234");
  ASSERT_TRUE(unknown.ok());
  EXPECT_EQ(unknown->uid, 1234u);
  EXPECT_EQ(unknown->gid, 0u);
  EXPECT_THAT(unknown->groups, IsEmpty());
  EXPECT_EQ(unknown->home, "/");
}

TEST(Identity, AGivenGroupIsTheOnlyOne) {
  for (const char* user : {"web:mail", "33:8", "web:8"}) {
    auto web = Of(user);
    ASSERT_TRUE(web.ok()) << user;
    EXPECT_EQ(web->gid, 8u) << user;
    EXPECT_THAT(web->groups, IsEmpty()) << user;
  }
  EXPECT_EQ(Of("1:7777")->gid, 7777u);
}

TEST(Identity, NobodyInParticularIsRoot) {
  auto root = Of("");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(root->uid, 0u);
  EXPECT_EQ(root->home, "/root");
  EXPECT_EQ(ParseIdentity("", "", "")->home, "/root");
  EXPECT_EQ(Of("homeless")->home, "/");
}

TEST(Identity, AnUnknownNameIsAnErrorThatNamesIt) {
  EXPECT_EQ(ErrorReason(Of("nobody-here").status()), "NO_USER");
  EXPECT_EQ(ErrorReason(Of("odd").status()), "NO_USER");
  EXPECT_EQ(ErrorReason(Of("web:nogroup").status()), "NO_GROUP");
  EXPECT_NE(Of("nobody-here").status().message().find("nobody-here"), std::string::npos);
}

}  // namespace
}  // namespace vx::container
