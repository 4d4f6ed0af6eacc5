#include "client/lib/credentials.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "daemon/base/error.h"
#include "daemon/base/file.h"

namespace vx::client {
namespace {

class Credentials : public testing::Test {
 protected:
  Credentials() {
    char name[] = "/tmp/vx-credentials-XXXXXX";
    home_ = mkdtemp(name);
    setenv("HOME", home_.c_str(), 1);
    for (const char* other : {"XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG",
                              "REGISTRY_AUTH_FILE"}) {
      unsetenv(other);
    }
  }
  ~Credentials() override { EXPECT_TRUE(RemoveTree(home_).ok()); }

  void Write(const std::string& name, const std::string& text) const {
    std::string path = home_ + "/" + name;
    ASSERT_TRUE(MakeDirs(ParentOf(path), 0700).ok());
    ASSERT_TRUE(WriteFileAtomic(path, text, 0600).ok());
  }
  static std::string User(const std::string& reference) {
    absl::StatusOr<v1::RegistryAuth> auth = FindCredentials(reference);
    return auth.ok() ? auth->username() : ErrorReason(auth.status());
  }

  std::string home_;
};

v1::RegistryAuth Auth(const std::string& user, const std::string& password) {
  v1::RegistryAuth auth;
  auth.set_username(user);
  auth.set_password(password);
  return auth;
}

TEST(RegistryOf, IsDockersUnlessThereIsADotOrAPort) {
  EXPECT_EQ(RegistryOf("alpine"), "docker.io");
  EXPECT_EQ(RegistryOf("team/app:1"), "docker.io");
  EXPECT_EQ(RegistryOf("ghcr.io/a/b"), "ghcr.io");
  EXPECT_EQ(RegistryOf("localhost/app"), "localhost");
  EXPECT_EQ(RegistryOf("index.docker.io/library/alpine"), "docker.io");
}

TEST_F(Credentials, WhatIsSavedIsFoundAndOnlyTheOwnersToRead) {
  ASSERT_TRUE(SaveCredentials("host:5000", Auth("me", "a:b")).ok());
  ASSERT_TRUE(SaveCredentials("docker.io", Auth("you", "x")).ok());
  EXPECT_EQ(FindCredentials("host:5000/app:1")->password(), "a:b");
  EXPECT_EQ(User("alpine"), "you");
  EXPECT_EQ(User("other:5000/app"), "");
  struct stat info;
  ASSERT_EQ(stat(CredentialsFile().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Credentials, WhatIsRemovedIsGone) {
  ASSERT_TRUE(SaveCredentials("host:5000", Auth("me", "x")).ok());
  EXPECT_TRUE(*RemoveCredentials("host:5000"));
  EXPECT_FALSE(*RemoveCredentials("host:5000"));
  EXPECT_EQ(User("host:5000/app"), "");
}

TEST_F(Credentials, DockersAndContainersFilesAreReadToo) {
  Write(".docker/config.json",
        R"({"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cHc="},"a.example":{}}})");
  Write(".config/containers/auth.json",
        R"({"auths":{"b.example/team":{"auth":"eW91OnB3"},"b.example":{"auth":"bWU6cHc="}}})");
  EXPECT_EQ(User("alpine"), "me");
  EXPECT_EQ(User("a.example/x"), "");
  EXPECT_EQ(User("b.example/team/app:1"), "you") << "the longest beginning counts";
  EXPECT_EQ(User("b.example/other"), "me");
}

TEST_F(Credentials, OursCountsMostAndADamagedOneIsSaid) {
  Write(".docker/config.json", R"({"auths":{"a.example":{"auth":"eW91OnB3"}}})");
  ASSERT_TRUE(SaveCredentials("a.example", Auth("me", "x")).ok());
  EXPECT_EQ(User("a.example/x"), "me");
  Write(".docker/config.json", "damaged");
  EXPECT_EQ(User("b.example/x"), "");
  Write(".config/vx/auth.json", "damaged");
  EXPECT_EQ(User("a.example/x"), "BAD_AUTH_FILE");
  EXPECT_FALSE(SaveCredentials("a.example", Auth("me", "x")).ok()) << "would lose what is there";
}

}  // namespace
}  // namespace vx::client
