#include "daemon/volume/dir_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::volume {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kUid[] = "0123456789abcdef0123456789abcdef";

class DirBackendTest : public testing::Test {
 protected:
  DirBackendTest() {
    auto opened = DirBackend::Open(root());
    EXPECT_TRUE(opened.ok()) << opened.status();
    backend_ = *std::move(opened);
  }

  std::string root() const { return dir_ / "volumes"; }
  std::string Data() const { return backend_->PathOf(kUid, v1::VOLUME_TYPE_DIRECTORY); }
  std::vector<std::string> Kept() const { return *ListDir(root()); }

  static v1::VolumeSpec Block(const std::string& format, int64_t size) {
    v1::VolumeSpec spec;
    spec.set_type(v1::VOLUME_TYPE_BLOCK);
    spec.set_format(format);
    spec.set_size_bytes(size);
    return spec;
  }

  TempDir dir_;
  std::unique_ptr<DirBackend> backend_;
};

TEST_F(DirBackendTest, AVolumeIsAnEmptyFolderThatNobodyElseReaches) {
  ASSERT_TRUE(backend_->Make(kUid, {}).ok());
  EXPECT_THAT(*ListDir(Data()), IsEmpty());
  struct stat st{};
  ASSERT_EQ(stat(Data().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0755u);
  ASSERT_EQ(stat(root().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0700u);
}

TEST_F(DirBackendTest, MakingItAgainKeepsWhatIsInIt) {
  ASSERT_TRUE(backend_->Make(kUid, {}).ok());
  ASSERT_TRUE(WriteFileAtomic(Data() + "/kept", "x", 0600).ok());
  ASSERT_TRUE(backend_->Make(kUid, {}).ok());
  EXPECT_THAT(*ListDir(Data()), ElementsAre("kept"));
}

TEST_F(DirBackendTest, RemovingLeavesNothingAndIsFineTwice) {
  ASSERT_TRUE(backend_->Make(kUid, {}).ok());
  ASSERT_TRUE(MakeDirs(Data() + "/a/b", 0700).ok());
  ASSERT_TRUE(backend_->Remove(kUid).ok());
  EXPECT_THAT(Kept(), IsEmpty());
  EXPECT_TRUE(backend_->Remove(kUid).ok());
}

TEST_F(DirBackendTest, WhatACrashLeftIsNoVolumeAndGoesWithTheNextCall) {
  ASSERT_TRUE(MakeDirs(root() + "/.new-" + kUid + "/data/half", 0700).ok());
  ASSERT_TRUE(backend_->Make(kUid, {}).ok());
  EXPECT_THAT(Kept(), ElementsAre(kUid));
  EXPECT_THAT(*ListDir(Data()), IsEmpty());
  // Removed half.
  ASSERT_TRUE(MakeDirs(root() + "/.gone-" + kUid + "/data/half", 0700).ok());
  ASSERT_TRUE(backend_->Remove(kUid).ok());
  EXPECT_THAT(Kept(), IsEmpty());
}

TEST_F(DirBackendTest, ASizeThatTheFilesystemCantKeepToIsRefusedByItsName) {
  v1::VolumeSpec spec;
  spec.set_size_bytes(1 << 20);
  const absl::Status refused = backend_->Check(spec);
  if (refused.ok()) GTEST_SKIP() << "the filesystem of /tmp keeps project quotas";
  EXPECT_EQ(ErrorReason(refused), "NO_QUOTA");
  EXPECT_THAT(std::string(refused.message()), HasSubstr(root()));
  EXPECT_FALSE(ErrorHint(refused).empty());
  EXPECT_EQ(ErrorReason(backend_->Make(kUid, spec)), "NO_QUOTA");
  EXPECT_THAT(Kept(), IsEmpty());
}

TEST_F(DirBackendTest, ARawDiskIsSparseAndAsLargeAsAskedFor) {
  ASSERT_TRUE(backend_->Make(kUid, Block("raw", 64 << 20)).ok());
  struct stat st{};
  ASSERT_EQ(stat(backend_->PathOf(kUid, v1::VOLUME_TYPE_BLOCK).c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 64 << 20);
  EXPECT_EQ(st.st_mode & 07777, 0600u);
  EXPECT_LT(backend_->UsedBytes(kUid, v1::VOLUME_TYPE_BLOCK), 8 << 20);
}

}  // namespace
}  // namespace vx::volume
