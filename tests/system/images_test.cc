// Images: what vxd stores, any OCI tool can read, and the other way round.
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

class ImagesTest : public SharedDaemonTest {
 protected:
  static std::string Archive() { return vx().dir() + "/busybox.tar"; }
  // It keeps a cache in /var/lib: not in the host's.
  static Result Skopeo(const Words& args) {
    Words line = {
        "unshare", "--mount", "sh", "-c", "mount -t tmpfs none /var/lib && exec skopeo \"$@\"",
        "sh"};
    line.insert(line.end(), args.begin(), args.end());
    return RunProgram(line);
  }
  void TearDown() override {
    SharedDaemonTest::TearDown();
    Vxctl({"image", "rm", "copy"});
    unlink(Archive().c_str());
  }
};

TEST_F(ImagesTest, TheBuiltInImageIsThere) {
  Json images = vx().VxctlJson({"image", "ls"});
  ASSERT_TRUE(images.is_array());
  ASSERT_EQ(images.size(), 1u);
  EXPECT_EQ(images[0]["name"], "busybox:latest");
  EXPECT_THAT(images[0]["digest"].get<std::string>(), testing::StartsWith("sha256:"));
  EXPECT_GT(images[0]["sizeBytes"].get<int64_t>(), 0);
}

TEST_F(ImagesTest, SkopeoReadsAnExportAndSeesTheSameDigest) {
  ASSERT_THAT(Vxctl({"image", "export", "busybox", "-o", Archive()}), Succeeds());
  Result result = Skopeo({"inspect", "oci-archive:" + Archive()});
  ASSERT_THAT(result, Succeeds()) << result;
  Json seen = Json::parse(result.out, nullptr, false);
  EXPECT_EQ(seen["Digest"], vx().VxctlJson({"image", "ls"})[0]["digest"]);
  EXPECT_EQ(seen["Os"], "linux");
}

TEST_F(ImagesTest, SkopeoReadsTheStoreItself) {
  Result result = Skopeo({"inspect", "--config",
                          absl::StrCat("oci:", vx().state_dir(), "/images/layout:busybox:latest")});
  EXPECT_THAT(result, Succeeds()) << result;
}

TEST_F(ImagesTest, AnArchiveOfSkopeosRunsAsBothKinds) {
  ASSERT_THAT(Vxctl({"image", "export", "busybox", "-o", Archive()}), Succeeds());
  std::string again = vx().dir() + "/again.tar";
  ASSERT_THAT(Skopeo({"copy", "oci-archive:" + Archive(), "oci-archive:" + again + ":copy"}),
              Succeeds());
  ASSERT_THAT(Vxctl({"image", "import", again, "--name", "copy"}), Succeeds());
  unlink(again.c_str());
  for (const char* kind : {"--kind=container", "--kind=vm"}) {
    Result result = Vxctl({"run", "--rm", kind, "copy", "--", "echo", "hi"});
    EXPECT_EQ(result.out, "hi\n") << kind << "\n" << result;
  }
}

TEST_F(ImagesTest, AnImageInUseIsNotRemoved) {
  ASSERT_THAT(
      Vxctl({"create", "--kind=container", "--name", "user-of-it", "busybox", "--", "true"}),
      Succeeds());
  EXPECT_THAT(Vxctl({"image", "rm", "busybox"}),
              FailsSaying(1, {"busybox", "IMAGE_IN_USE", "hint:"}));
  EXPECT_THAT(Vxctl({"start", "user-of-it"}), Succeeds());
}

TEST_F(ImagesTest, AnUnknownImageIsNamed) {
  for (const char* verb : {"inspect", "rm"}) {
    EXPECT_THAT(Vxctl({"image", verb, "no-such"}), FailsSaying(1, {"no-such", "IMAGE_NOT_FOUND"}))
        << verb;
  }
  EXPECT_THAT(Vxctl({"image", "export", "no-such", "-o", Archive()}), FailsSaying(1, {"no-such"}));
  EXPECT_FALSE(PathExists(Archive())) << "a failed export leaves a file";
}

TEST_F(ImagesTest, WhatIsNoArchiveIsRefusedByName) {
  Result result = Vxctl({"image", "import", "/etc/passwd", "--name", "junk"});
  EXPECT_THAT(result, FailsSaying(1, {"BAD_ARCHIVE"}));
  EXPECT_THAT(Vxctl({"image", "import", "/no/such.tar", "--name", "junk"}),
              FailsSaying(1, {"/no/such.tar"}));
  EXPECT_EQ(vx().VxctlJson({"image", "ls"}).size(), 1u);
}

}  // namespace
}  // namespace vx::system_test
