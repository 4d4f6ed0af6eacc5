#include "daemon/image/builtin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/subprocess.h"
#include "daemon/image/digest.h"
#include "tests/unit/daemon/image/test_images.h"

namespace vx::image {
namespace {

class Builtin : public testing::Test {
 protected:
  Builtin() { EXPECT_EQ(mkdir(images_.c_str(), 0755), 0); }

  void Offer(const std::string& name, const std::string& motd) {
    WriteTo(absl::StrCat(images_, "/", name, ".tar"), TarOf(SmallImage(motd).Files("whatever")));
  }
  std::string Digest(const std::string& motd) {
    std::map<std::string, std::string> files;
    return SmallImage(motd).AddTo(files).digest;
  }

  TempDir dir_;
  std::string images_ = dir_ / "builtin";
  std::unique_ptr<ImageStore> store_ = *ImageStore::Open(dir_ / "store", Limits());
};

TEST_F(Builtin, IsImportedUnderItsFilesName) {
  Offer("small", "1");
  ASSERT_TRUE(ImportBuiltins(*store_, images_).ok());
  EXPECT_EQ(store_->Get("small")->digest(), Digest("1"));
}

TEST_F(Builtin, StaysAwayOnceItWasRemoved) {
  Offer("small", "1");
  ASSERT_TRUE(ImportBuiltins(*store_, images_).ok());
  ASSERT_TRUE(store_->Remove("small").ok());
  store_ = *ImageStore::Open(dir_ / "store", Limits());
  ASSERT_TRUE(ImportBuiltins(*store_, images_).ok());
  EXPECT_TRUE(store_->List().empty());
}

TEST_F(Builtin, ANewerOneReplacesTheOlder) {
  Offer("small", "1");
  ASSERT_TRUE(ImportBuiltins(*store_, images_).ok());
  Offer("small", "2");
  ASSERT_TRUE(ImportBuiltins(*store_, images_).ok());
  EXPECT_EQ(store_->Get("small")->digest(), Digest("2"));
}

TEST_F(Builtin, AUsersOwnImageStays) {
  WriteTo(dir_ / "own.tar", TarOf(SmallImage("own").Files("small")));
  ASSERT_TRUE(store_->Import(dir_ / "own.tar", "").ok());
  Offer("small", "1");
  ASSERT_TRUE(ImportBuiltins(*store_, images_).ok());
  EXPECT_EQ(store_->Get("small")->digest(), Digest("own"));
}

TEST_F(Builtin, ABrokenOneIsNamedAndKeepsNoOtherBack) {
  WriteTo(images_ + "/broken.tar", "no tar");
  Offer("small", "1");
  absl::Status status = ImportBuiltins(*store_, images_);
  EXPECT_EQ(ErrorReason(status), "BAD_ARCHIVE");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("broken"));
  EXPECT_TRUE(store_->Get("small").ok());
}

TEST_F(Builtin, NoFolderIsFine) { EXPECT_TRUE(ImportBuiltins(*store_, dir_ / "nosuch").ok()); }

// The image that the build makes.
class BusyboxImage : public Builtin {
 protected:
  BusyboxImage() { EXPECT_TRUE(ImportBuiltins(*store_, VX_BUILTIN_IMAGES).ok()); }
};

TEST_F(BusyboxImage, RunsAShellByDefault) {
  auto image = store_->Get("busybox");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->config().command(), testing::ElementsAre("sh"));
  EXPECT_THAT(image->config().env(), testing::Contains(testing::HasSubstr("PATH=")));
  EXPECT_EQ(image->layers_size(), 1);
}

TEST_F(BusyboxImage, HasItsProgramsAndFolders) {
  auto base = store_->Acquire("busybox", Form::kLayers, "w1");
  ASSERT_TRUE(base.ok()) << base.status();
  std::string root = base->layers[0];
  for (const char* link : {"/bin/sh", "/bin/true", "/bin/cat", "/usr/bin/env", "/sbin/ip"}) {
    EXPECT_TRUE(S_ISLNK(StatOf(root + link).st_mode)) << link;
  }
  EXPECT_EQ(StatOf(root + "/bin/busybox").st_mode, S_IFREG | 0755u);
  EXPECT_EQ(StatOf(root + "/tmp").st_mode, S_IFDIR | 01777u);
  for (const char* folder : {"/proc", "/sys", "/dev", "/run", "/root", "/home", "/var"}) {
    EXPECT_TRUE(S_ISDIR(StatOf(root + folder).st_mode)) << folder;
  }
  EXPECT_THAT(ReadAll(root + "/etc/passwd"), testing::HasSubstr("root:x:0:0:"));
  EXPECT_EQ(*DigestOfFile(root + "/bin/busybox"), *DigestOfFile(VX_BUSYBOX));
}

TEST_F(BusyboxImage, TheSameBusyboxMakesTheSameBytes) {
  auto out = RunCommandOk({VX_MAKE_BUSYBOX_IMAGE, VX_BUSYBOX, dir_ / "again.tar"});
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_EQ(*DigestOfFile(dir_ / "again.tar"),
            *DigestOfFile(absl::StrCat(VX_BUILTIN_IMAGES, "/busybox.tar")));
}

}  // namespace
}  // namespace vx::image
