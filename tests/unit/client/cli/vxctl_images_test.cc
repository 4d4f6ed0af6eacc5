#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/file.h"
#include "tests/unit/client/cli/fake_vxd.h"
#include "tests/unit/client/cli/vxctl.h"

namespace vx::cli {
namespace {

using testing::HasSubstr;

class VxctlImages : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "vx-images-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    v1::Image image;
    image.set_name("busybox:latest");
    image.set_digest("sha256:0123456789abcdef");
    image.set_size_bytes(1 << 20);
    image.set_platform("linux/amd64");
    vxd_.AddImage(image);
  }
  void TearDown() override { EXPECT_TRUE(RemoveTree(dir_).ok()); }

  FakeVxd vxd_;
  std::string dir_;
};

TEST_F(VxctlImages, ListsThem) {
  CommandResult result = Vxctl(vxd_, {"image", "ls"});
  EXPECT_THAT(result.out, HasSubstr("busybox:latest   sha256:0123456789ab   1M     linux/amd64"));
  EXPECT_EQ(Vxctl(vxd_, {"image", "ls", "-q"}).out, "busybox:latest\n");
}

TEST_F(VxctlImages, InspectsOneAsAnObject) {
  CommandResult result = Vxctl(vxd_, {"image", "inspect", "busybox:latest"});
  EXPECT_EQ(result.out.substr(0, 2), "{\n");
  EXPECT_THAT(result.out, HasSubstr("\"sizeBytes\": 1048576"));
}

TEST_F(VxctlImages, SaysWhatThereIsWhenOneIsNot) {
  CommandResult result = Vxctl(vxd_, {"image", "inspect", "nope"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err,
            "vxctl: there is no image \"nope\" (IMAGE_NOT_FOUND)\nhint: there is: busybox\n");
}

TEST_F(VxctlImages, ImportsAFileInPieces) {
  std::string content;
  for (int i = 0; i < 3'000'000; ++i) content += static_cast<char>(i * 31);
  std::string file = dir_ + "/app.tar";
  ASSERT_TRUE(WriteFileAtomic(file, content, 0600).ok());
  CommandResult result = Vxctl(vxd_, {"image", "import", file, "--name", "app:1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "app:1\n");
  EXPECT_TRUE(vxd_.imported() == content);
  auto headers = vxd_.Asked<v1::ImportImageRequest::Header>();
  ASSERT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers[0].name(), "app:1");
  EXPECT_FALSE(headers[0].request_id().empty());
}

TEST_F(VxctlImages, AnImportOfNothingNamesTheFile) {
  CommandResult result = Vxctl(vxd_, {"image", "import", dir_ + "/none.tar"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("none.tar"));
}

TEST_F(VxctlImages, AFolderIsImportedAsATarOfIt) {
  ASSERT_TRUE(WriteFileAtomic(dir_ + "/oci-layout", "x", 0644).ok());
  EXPECT_EQ(Vxctl(vxd_, {"image", "import", dir_, "--name", "x"}).exit_code, 0);
  EXPECT_THAT(vxd_.imported(), HasSubstr("oci-layout"));
}

TEST_F(VxctlImages, ARefusedImportSaysWhy) {
  vxd_.Refuse(WireError(absl::StatusCode::kInvalidArgument, "BAD_ARCHIVE", "that is no image"));
  std::string file = dir_ + "/app.tar";
  ASSERT_TRUE(WriteFileAtomic(file, std::string(5'000'000, 'x'), 0600).ok());
  CommandResult result = Vxctl(vxd_, {"image", "import", file});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "vxctl: that is no image (BAD_ARCHIVE)\n");
}

TEST_F(VxctlImages, ExportsToAFileAndToStdout) {
  vxd_.exported = std::string(2500, 'x') + std::string("\0end", 4);
  std::string file = dir_ + "/out.tar";
  EXPECT_EQ(Vxctl(vxd_, {"image", "export", "busybox", "-o", file}).exit_code, 0);
  EXPECT_EQ(*ReadFile(file), vxd_.exported);
  EXPECT_EQ(Vxctl(vxd_, {"image", "export", "busybox", "-o", "-"}).out, vxd_.exported);
  EXPECT_EQ(ListDir(dir_)->size(), 1u);
}

TEST_F(VxctlImages, AFailedExportLeavesTheOldFileAndNothingElse) {
  std::string file = dir_ + "/out.tar";
  ASSERT_TRUE(WriteFileAtomic(file, "old", 0600).ok());
  EXPECT_EQ(Vxctl(vxd_, {"image", "export", "nope", "-o", file}).exit_code, 1);
  EXPECT_EQ(*ReadFile(file), "old");
  EXPECT_EQ(ListDir(dir_)->size(), 1u);
}

TEST_F(VxctlImages, AnExportToADeviceWritesToIt) {
  vxd_.exported = "tar";
  EXPECT_EQ(Vxctl(vxd_, {"image", "export", "busybox", "-o", "/dev/null"}).exit_code, 0);
  EXPECT_EQ(access("/dev/null", W_OK), 0);
  EXPECT_EQ(Vxctl(vxd_, {"image", "export", "busybox", "-o", "/dev/stdout"}).out, "tar");
}

TEST_F(VxctlImages, RemovesSeveral) {
  EXPECT_EQ(Vxctl(vxd_, {"image", "rm", "a", "b"}).out, "a\nb\n");
  EXPECT_EQ(vxd_.Asked<v1::DeleteImageRequest>().size(), 2u);
}

TEST_F(VxctlImages, ExportNeedsAPlace) {
  EXPECT_EQ(Vxctl(vxd_, {"image", "export", "busybox"}).exit_code, 2);
  EXPECT_EQ(Vxctl(vxd_, {"image", "export", "busybox", "-o", "x", "--format", "zip"}).exit_code,
            2);
}

}  // namespace
}  // namespace vx::cli
