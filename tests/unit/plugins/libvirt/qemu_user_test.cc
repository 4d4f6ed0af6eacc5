#include "plugins/libvirt/qemu_user.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "daemon/base/file.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

constexpr QemuUser kUser = {.uid = 1234567, .gid = 7654321};
constexpr QemuUser kStranger = {.uid = 1234567, .gid = 7654322};

// Whether `works` holds for a process of that user.
bool As(const QemuUser& user, const std::function<bool()>& works) {
  const pid_t child = fork();
  if (child == 0) {
    const bool became =
        setgroups(0, nullptr) == 0 && setgid(user.gid) == 0 && setuid(user.uid) == 0;
    _exit(became && works() ? 0 : 1);
  }
  int status = 0;
  return waitpid(child, &status, 0) == child && status == 0;
}

class QemuUserTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_TRUE(MakeDirs(folder_, 0700).ok());
    ASSERT_TRUE(WriteFileAtomic(file_, "", 0644).ok());
  }

  bool Reads(const QemuUser& user) {
    return As(user, [this] { return open(file_.c_str(), O_RDONLY) >= 0; });
  }
  bool Writes(const QemuUser& user) {
    return As(user, [this] { return open(file_.c_str(), O_RDWR) >= 0; });
  }

  TempDir dir_;
  const std::string folder_ = dir_.path("a");
  const std::string file_ = folder_ + "/file";
};

TEST_F(QemuUserTest, TheGroupMayPassThroughFoldersAndNobodyElse) {
  ASSERT_FALSE(Reads(kUser));
  ASSERT_TRUE(LetPass(folder_, kUser.gid).ok());
  EXPECT_TRUE(Reads(kUser));
  EXPECT_FALSE(Reads(kStranger));
  EXPECT_FALSE(As(kUser, [this] { return opendir(folder_.c_str()) != nullptr; }));
}

TEST_F(QemuUserTest, WhoMightPassBeforeStillMay) {
  ASSERT_TRUE(LetPass(folder_, kStranger.gid).ok());
  ASSERT_TRUE(LetPass(folder_, kUser.gid).ok());
  ASSERT_TRUE(LetPass(folder_, kUser.gid).ok()) << "again";
  EXPECT_TRUE(Reads(kUser));
  EXPECT_TRUE(Reads(kStranger));
}

TEST_F(QemuUserTest, AFileIsOfOneUserUntilItIsTakenBack) {
  ASSERT_TRUE(LetPass(folder_, kUser.gid).ok());
  ASSERT_TRUE(GiveTo(file_, kUser).ok());
  EXPECT_TRUE(Writes(kUser));
  EXPECT_FALSE(Reads({.uid = kUser.uid + 1, .gid = kUser.gid})) << "another VM";
  ASSERT_TRUE(TakeBack(file_).ok());
  EXPECT_FALSE(Reads(kUser));
  EXPECT_TRUE(TakeBack(folder_ + "/none").ok());
}

}  // namespace
}  // namespace vx::libvirt
