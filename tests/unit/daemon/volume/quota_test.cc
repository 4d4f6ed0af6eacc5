// Volumes with a size, on a filesystem that keeps to it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/subprocess.h"
#include "daemon/volume/btrfs_backend.h"
#include "daemon/volume/dir_backend.h"
#include "daemon/volume/project_quota.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::volume {
namespace {

constexpr char kUid[] = "0123456789abcdef0123456789abcdef";
constexpr int64_t kMiB = 1 << 20;

// What write(2) says to a process without the host's rights, which writes `bytes`.
int WriteAsNobody(const std::string& dir, int64_t bytes) {
  chmod(dir.c_str(), 0777);
  const UniqueFd fd(open((dir + "/f").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
  const pid_t pid = fork();
  if (pid == 0) {
    static char piece[65536];
    int error = setresuid(65534, 65534, 65534) < 0 ? errno : 0;
    for (int64_t n = 0; n < bytes && error == 0; n += sizeof piece) {
      if (write(fd.get(), piece, sizeof piece) < 0) error = errno;
    }
    if (error == 0 && fsync(fd.get()) < 0) error = errno;
    _exit(error);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

// ext4 with project quotas, mounted in a namespace of the test program's.
class QuotaTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (geteuid() != 0) return;
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  }

  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_TRUE(RunCommandOk({"truncate", "-s", "64M", dir_ / "image"}).ok());
    auto made = RunCommandOk({"mke2fs", "-q", "-t", "ext4", "-O", "quota,project", "-E",
                              "quotatype=prjquota", dir_ / "image"});
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_TRUE(MakeDirs(point(), 0700).ok());
    auto mounted = RunCommandOk({"mount", "-o", "loop,prjquota", dir_ / "image", point()});
    if (!mounted.ok()) GTEST_SKIP() << "no loop devices or quotas here: " << mounted.status();
    mounted_ = true;
    auto opened = DirBackend::Open(point() + "/volumes");
    ASSERT_TRUE(opened.ok()) << opened.status();
    backend_ = *std::move(opened);
  }

  void TearDown() override {
    if (mounted_) {
      EXPECT_EQ(umount2(point().c_str(), 0), 0);
    }
  }

  std::string point() const { return dir_ / "mnt"; }

  TempDir dir_;
  bool mounted_ = false;
  std::unique_ptr<DirBackend> backend_;
};

// On btrfs.
class BtrfsTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    if (FindProgram("mkfs.btrfs").empty()) GTEST_SKIP() << "needs btrfs-progs";
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_TRUE(RunCommandOk({"truncate", "-s", "256M", dir_ / "image"}).ok());
    auto made = RunCommandOk({"mkfs.btrfs", "-q", dir_ / "image"});
    ASSERT_TRUE(made.ok()) << made.status();
    ASSERT_TRUE(MakeDirs(point(), 0700).ok());
    auto mounted = RunCommandOk({"mount", "-o", "loop", dir_ / "image", point()});
    if (!mounted.ok()) GTEST_SKIP() << "no loop devices or btrfs here: " << mounted.status();
    mounted_ = true;
    auto opened = BtrfsBackend::Open(point() + "/volumes");
    ASSERT_TRUE(opened.ok()) << opened.status();
    backend_ = *std::move(opened);
  }

  void TearDown() override {
    if (mounted_) {
      EXPECT_EQ(umount2(point().c_str(), 0), 0);
    }
  }

  std::string point() const { return dir_ / "mnt"; }

  TempDir dir_;
  bool mounted_ = false;
  std::unique_ptr<BtrfsBackend> backend_;
};

v1::VolumeSpec OfSize(int64_t bytes) {
  v1::VolumeSpec spec;
  spec.set_size_bytes(bytes);
  return spec;
}

TEST_F(QuotaTest, AVolumeHoldsWhatItMayAndNoMore) {
  ASSERT_TRUE(backend_->Check(OfSize(4 * kMiB)).ok()) << backend_->Check(OfSize(4 * kMiB));
  ASSERT_TRUE(backend_->Make(kUid, OfSize(4 * kMiB)).ok());
  const std::string data = backend_->PathOf(kUid, v1::VOLUME_TYPE_DIRECTORY);
  EXPECT_EQ(WriteAsNobody(data, 2 * kMiB), 0);
  EXPECT_NEAR(static_cast<double>(backend_->UsedBytes(kUid, v1::VOLUME_TYPE_DIRECTORY)), 2 * kMiB,
              kMiB / 4);
  EXPECT_THAT(WriteAsNobody(data, 8 * kMiB), testing::AnyOf(EDQUOT, ENOSPC));
  EXPECT_LE(backend_->UsedBytes(kUid, v1::VOLUME_TYPE_DIRECTORY), 4 * kMiB);
}

TEST_F(QuotaTest, OneThatIsFullLeavesTheOthersTheirRoom) {
  const std::string other = "1123456789abcdef0123456789abcdef";
  ASSERT_TRUE(backend_->Make(kUid, OfSize(2 * kMiB)).ok());
  ASSERT_TRUE(backend_->Make(other, OfSize(2 * kMiB)).ok());
  EXPECT_NE(WriteAsNobody(backend_->PathOf(kUid, v1::VOLUME_TYPE_DIRECTORY), 4 * kMiB), 0);
  EXPECT_EQ(WriteAsNobody(backend_->PathOf(other, v1::VOLUME_TYPE_DIRECTORY), kMiB), 0);
}

TEST_F(QuotaTest, TheNextVolumeOfTheSameProjectBeginsAnew) {
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(backend_->Make(kUid, OfSize(2 * kMiB)).ok());
    const std::string data = backend_->PathOf(kUid, v1::VOLUME_TYPE_DIRECTORY);
    EXPECT_EQ(WriteAsNobody(data, kMiB), 0) << i;
    ASSERT_TRUE(backend_->Remove(kUid).ok());
  }
  EXPECT_THAT(*ListDir(point() + "/volumes"), testing::IsEmpty());
}

TEST_F(BtrfsTest, AVolumeIsASubvolumeThatHoldsWhatItMay) {
  ASSERT_TRUE(backend_->Check(OfSize(8 * kMiB)).ok());
  const absl::Status made = backend_->Make(kUid, OfSize(8 * kMiB));
  ASSERT_TRUE(made.ok()) << made;
  const std::string data = backend_->PathOf(kUid, v1::VOLUME_TYPE_DIRECTORY);
  struct stat st{};
  ASSERT_EQ(stat(data.c_str(), &st), 0);
  EXPECT_EQ(st.st_ino, 256u) << "no subvolume's root";
  EXPECT_EQ(st.st_mode & 07777, 0755u);
  EXPECT_EQ(WriteAsNobody(data, 4 * kMiB), 0);
  sync();
  EXPECT_GE(backend_->UsedBytes(kUid, v1::VOLUME_TYPE_DIRECTORY), 4 * kMiB);
  EXPECT_THAT(WriteAsNobody(data, 16 * kMiB), testing::AnyOf(EDQUOT, ENOSPC));
}

TEST_F(BtrfsTest, RemovingLeavesNothing) {
  ASSERT_TRUE(backend_->Make(kUid, {}).ok());
  const std::string data = backend_->PathOf(kUid, v1::VOLUME_TYPE_DIRECTORY);
  EXPECT_EQ(WriteAsNobody(data, kMiB), 0);
  const absl::Status removed = backend_->Remove(kUid);
  ASSERT_TRUE(removed.ok()) << removed;
  EXPECT_THAT(*ListDir(point() + "/volumes"), testing::IsEmpty());
}

TEST(BtrfsElsewhereTest, AnotherFilesystemIsRefusedByName) {
  TempDir dir("/dev/shm");
  auto backend = BtrfsBackend::Open(dir / "volumes");
  ASSERT_TRUE(backend.ok());
  EXPECT_EQ(ErrorReason((*backend)->Check({})), "NO_BTRFS");
}

}  // namespace
}  // namespace vx::volume
