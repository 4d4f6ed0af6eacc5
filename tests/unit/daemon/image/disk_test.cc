#include "daemon/image/disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/subprocess.h"
#include "daemon/image/image_store.h"
#include "daemon/image/unpack.h"
#include "tests/unit/daemon/image/test_images.h"

namespace vx::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Disk : public testing::Test {
 protected:
  // Unpacks a layer; returns its folder.
  std::string Layer(TestTar& tar) {
    std::string path = dir_ / absl::StrCat("layer", ++layers_);
    EXPECT_EQ(mkdir(path.c_str(), 0755), 0);
    StringSource source(tar.Bytes());
    Budget budget(1 << 20, "images.max_unpacked_bytes");
    EXPECT_TRUE(UnpackLayer(source, path, budget).ok());
    return path;
  }
  void Merge(const std::vector<std::string>& layers) {
    EXPECT_EQ(mkdir(out_.c_str(), 0755), 0);
    absl::Status status = MergeLayers(layers, out_);
    EXPECT_TRUE(status.ok()) << status;
  }
  std::string At(absl::string_view name) const { return absl::StrCat(out_, "/", name); }

  TempDir dir_;
  std::string out_ = dir_ / "merged";
  int layers_ = 0;
};

TEST_F(Disk, AboveGoesBeforeBelow) {
  TestTar below, above;
  below.Dir("etc", 0755).File("etc/a", "below").File("etc/b", "below").File("top", "x");
  above.Dir("etc", 0711).File("etc/b", "above").File("etc/c", "above");
  Merge({Layer(below), Layer(above)});
  EXPECT_EQ(ReadAll(At("etc/a")), "below");
  EXPECT_EQ(ReadAll(At("etc/b")), "above");
  EXPECT_EQ(ReadAll(At("etc/c")), "above");
  EXPECT_EQ(ReadAll(At("top")), "x");
  EXPECT_EQ(StatOf(At("etc")).st_mode & 07777, 0711u);
}

TEST_F(Disk, WhiteoutsAndOpaqueFoldersHide) {
  TestTar below, above;
  below.File("gone", "x").Dir("tree").File("tree/f", "x").Dir("opaque").File("opaque/old", "x");
  above.File(".wh.gone", "").File(".wh.tree", "").Dir("opaque").File("opaque/.wh..wh..opq", "");
  above.File("opaque/new", "y").File(".wh.never-there", "");
  Merge({Layer(below), Layer(above)});
  EXPECT_THAT(*ListDir(out_), ElementsAre("opaque"));
  EXPECT_THAT(*ListDir(At("opaque")), ElementsAre("new"));
  EXPECT_LT(getxattr(At("opaque").c_str(), "user.overlay.opaque", nullptr, 0), 0);
}

TEST_F(Disk, WhatWasHiddenMayComeBack) {
  TestTar one, two, three;
  one.Dir("d").File("d/old", "1");
  two.File(".wh.d", "");
  three.Dir("d").File("d/new", "3");
  Merge({Layer(one), Layer(two), Layer(three)});
  EXPECT_THAT(*ListDir(At("d")), ElementsAre("new"));
}

TEST_F(Disk, FilesAndFoldersMayChangePlaces) {
  TestTar below, above;
  below.Dir("a").File("a/f", "x").File("b", "x").Symlink("c", "a");
  above.File("a", "file").Dir("b").File("b/f", "y").Dir("c").File("c/f", "z");
  Merge({Layer(below), Layer(above)});
  EXPECT_EQ(ReadAll(At("a")), "file");
  EXPECT_EQ(ReadAll(At("b/f")), "y");
  EXPECT_EQ(ReadAll(At("c/f")), "z");
}

TEST_F(Disk, TheLayersStayAsTheyAre) {
  TestTar below, above;
  below.Dir("d").File("d/f", "below");
  above.Dir("d").File("d/.wh.f", "");
  std::string first = Layer(below), second = Layer(above);
  Merge({first, second});
  ASSERT_TRUE(RemoveTree(out_).ok());
  EXPECT_EQ(ReadAll(first + "/d/f"), "below");
  EXPECT_EQ(StatOf(first + "/d/f").st_nlink, 1u);
  EXPECT_TRUE(S_ISCHR(StatOf(second + "/d/f").st_mode));
}

// The kernel's own overlay of the layers, mounted where only the test sees it.
class Overlay : public Disk {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to mount an overlay";
    ASSERT_EQ(mkdir((dir_ / "mount").c_str(), 0755), 0);
  }
  // What find says of it.
  std::string Show(const std::string& below, const std::string& above, const std::string& options) {
    constexpr char kScript[] =
        "mount -t overlay overlay -o \"lowerdir=$2:$1$3\" \"$4\" && cd \"$4\" && find . | sort";
    auto out = RunCommandOk({"unshare", "--mount", "--propagation", "private", "sh", "-c", kScript,
                             "sh", below, above, options, dir_ / "mount"});
    EXPECT_TRUE(out.ok()) << out.status();
    return out.value_or("");
  }
  std::string Find(const std::string& folder) {
    return RunCommandOk({"sh", "-c", "cd \"$1\" && find . | sort", "sh", folder}).value_or("");
  }
};

TEST_F(Overlay, ShowsWhatTheDiskWillHoldInBothOfItsModes) {
  TestTar below, above;
  below.File("gone", "x").Dir("tree").File("tree/f", "x").Dir("opaque").File("opaque/old", "x");
  below.Dir("both").File("both/a", "1").File("becomes-dir", "x").Dir("becomes-file");
  above.File(".wh.gone", "").File(".wh.tree", "").Dir("opaque").File("opaque/.wh..wh..opq", "");
  above.File("opaque/new", "y").Dir("both").File("both/b", "2").File("both/.wh.a", "");
  above.Dir("becomes-dir").File("becomes-dir/f", "").File("becomes-file", "");
  std::string first = Layer(below), second = Layer(above);
  Merge({first, second});
  std::string merged = Find(out_);
  EXPECT_THAT(merged, HasSubstr("./opaque/new"));
  EXPECT_EQ(Show(first, second, ""), merged);
  EXPECT_EQ(Show(first, second, ",userxattr"), merged);
}

// Looks into an ext4 file with debugfs.
class DiskContent : public Disk {
 protected:
  void SetUp() override {
    debugfs_ = FindProgram("debugfs");
    if (debugfs_.empty() && PathExists("/usr/sbin/debugfs")) debugfs_ = "/usr/sbin/debugfs";
    if (debugfs_.empty()) GTEST_SKIP() << "debugfs (package e2fsprogs) is not installed";
  }
  std::string Ask(const std::string& disk, const std::string& request) {
    auto result = RunCommand({debugfs_, "-R", request, disk});
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? result->out + result->err : "";
  }

  std::string debugfs_;
};

TEST_F(DiskContent, HoldsAllLayersWithModesAndLinks) {
  auto store = *ImageStore::Open(dir_ / "images", Limits());
  TestImage image;
  TestTar below, above;
  below.Dir("bin").File("bin/busybox", "#!x\n", 0755).Symlink("bin/sh", "busybox");
  below.File("gone", "x").Hardlink("bin/again", "bin/busybox").Dir("tmp", 01777);
  above.File(".wh.gone", "").Dir("etc").File("etc/motd", "from above\n", 0640);
  image.Layer(below.Bytes()).Layer(above.Bytes());
  WriteTo(dir_ / "a.tar", TarOf(image.Files("app")));
  ASSERT_TRUE(store->Import(dir_ / "a.tar", "").ok());
  auto base = store->Acquire("app", Form::kDisk, "w1");
  ASSERT_TRUE(base.ok()) << base.status();
  EXPECT_TRUE(base->layers.empty());
  EXPECT_EQ(Ask(base->disk, "cat /etc/motd").substr(0, 11), "from above\n");
  EXPECT_THAT(Ask(base->disk, "stat /bin/sh"), HasSubstr("Fast link dest: \"busybox\""));
  EXPECT_THAT(Ask(base->disk, "stat /bin/busybox"), HasSubstr("Mode:  0755"));
  EXPECT_THAT(Ask(base->disk, "stat /bin/busybox"), HasSubstr("Links: 2"));
  EXPECT_THAT(Ask(base->disk, "stat /tmp"), HasSubstr("Mode:  01777"));
  EXPECT_THAT(Ask(base->disk, "stat /gone"), HasSubstr("not found"));
  EXPECT_THAT(Ask(base->disk, "stat <2>"), HasSubstr("Mode:  0755"));
  std::string features = Ask(base->disk, "features");
  EXPECT_THAT(features, HasSubstr("extent"));
  EXPECT_THAT(features, Not(HasSubstr("has_journal")));
}

TEST_F(DiskContent, KeepsOwnersAndAttributes) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  TestTar tar;
  tar.Owner(12, 34).Xattr("user.note", "mine").File("f", "x", 04755);
  std::string layer = Layer(tar);
  Merge({layer});
  std::string disk = dir_ / "disk";
  absl::Status status = MakeDisk(out_, disk);
  ASSERT_TRUE(status.ok()) << status;
  std::string stat = Ask(disk, "stat /f");
  EXPECT_THAT(stat, HasSubstr("User:    12   Group:    34"));
  EXPECT_THAT(stat, HasSubstr("Mode:  04755"));
  EXPECT_THAT(stat, HasSubstr("user.note"));
}

TEST_F(DiskContent, IsMadeOnceIsSparseAndHasRoom) {
  auto store = *ImageStore::Open(dir_ / "images", Limits());
  WriteTo(dir_ / "a.tar", TarOf(SmallImage().Files("app")));
  ASSERT_TRUE(store->Import(dir_ / "a.tar", "").ok());
  auto base = store->Acquire("app", Form::kDisk, "w1");
  ASSERT_TRUE(base.ok()) << base.status();
  struct stat first = StatOf(base->disk);
  EXPECT_GE(first.st_size, kDiskRoom);
  EXPECT_LT(first.st_blocks * 512, 32 << 20);
  EXPECT_EQ(first.st_mode & 07777, 0444u);
  auto again = store->Acquire("app", Form::kDisk, "w2");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(StatOf(again->disk).st_ino, first.st_ino);
  EXPECT_THAT(*ListDir(dir_ / "images/tmp"), testing::IsEmpty());
  // It goes with the image.
  ASSERT_TRUE(store->Release("w1").ok());
  ASSERT_TRUE(store->Release("w2").ok());
  ASSERT_TRUE(store->Remove("app").ok());
  EXPECT_THAT(*ListDir(dir_ / "images/disks"), testing::IsEmpty());
}

}  // namespace
}  // namespace vx::image
