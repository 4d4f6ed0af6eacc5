// Other tools read what vx writes, and vx reads what they write.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/subprocess.h"
#include "daemon/image/digest.h"
#include "daemon/image/image_store.h"
#include "tests/unit/daemon/image/test_images.h"

namespace vx::image {
namespace {

using testing::HasSubstr;

class Skopeo : public testing::Test {
 protected:
  void SetUp() override {
    if (FindProgram("skopeo").empty()) GTEST_SKIP() << "skopeo (package skopeo) is not installed";
    WriteTo(dir_ / "in.tar", TarOf(SmallImage("by vx\n").Files("team/app:1")));
    auto image = store_->Import(dir_ / "in.tar", "");
    ASSERT_TRUE(image.ok()) << image.status();
    digest_ = image->digest();
  }
  std::string Run(std::vector<std::string> args) {
    args.insert(args.begin(), {"skopeo", "--tmpdir", dir_.path(), "--insecure-policy"});
    auto out = RunCommandOk(args);
    EXPECT_TRUE(out.ok()) << out.status();
    return out.value_or("");
  }

  TempDir dir_;
  std::unique_ptr<ImageStore> store_ = *ImageStore::Open(dir_ / "store", Limits());
  std::string digest_;
};

TEST_F(Skopeo, ReadsTheStoreItself) {
  std::string source = absl::StrCat("oci:", dir_ / "store/layout", ":team/app:1");
  EXPECT_THAT(Run({"inspect", source}), HasSubstr(digest_));
}

TEST_F(Skopeo, ReadsAnExportedArchive) {
  std::ofstream out(dir_ / "out.tar", std::ios::binary);
  ASSERT_TRUE(store_
                  ->Export("team/app:1",
                           [&](absl::string_view piece) {
                             out.write(piece.data(), piece.size());
                             return absl::OkStatus();
                           })
                  .ok());
  out.close();
  EXPECT_THAT(Run({"inspect", "oci-archive:" + (dir_ / "out.tar")}), HasSubstr(digest_));
}

TEST_F(Skopeo, WritesWhatTheStoreTakes) {
  std::string source = absl::StrCat("oci:", dir_ / "store/layout", ":team/app:1");
  Run({"copy", "--dest-compress", source, "oci-archive:" + (dir_ / "gz.tar") + ":copied:2"});
  auto image = store_->Import(dir_ / "gz.tar", "");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->name(), "copied:2");
  auto base = store_->Acquire("copied:2", Form::kLayers, "w1");
  ASSERT_TRUE(base.ok()) << base.status();
  EXPECT_EQ(ReadAll(base->layers[0] + "/etc/motd"), "by vx\n");
}

TEST_F(Skopeo, WritesDockersTypesToo) {
  std::string source = absl::StrCat("oci:", dir_ / "store/layout", ":team/app:1");
  // A plain folder, which keeps a manifest of schema 2 and its blobs.
  Run({"copy", "--format", "v2s2", source, "dir:" + (dir_ / "docker")});
  std::string manifest = ReadAll(dir_ / "docker/manifest.json");
  EXPECT_THAT(manifest, HasSubstr("docker.distribution.manifest.v2"));
  std::map<std::string, std::string> files;
  std::vector<std::string> names = *ListDir(dir_ / "docker");
  for (const std::string& name : names) {
    std::string text = ReadAll(dir_ / absl::StrCat("docker/", name));
    files[name == "manifest.json" ? BlobName(DigestOf(text)) : "blobs/sha256/" + name] = text;
  }
  Descriptor descriptor;
  descriptor.media_type = "application/vnd.docker.distribution.manifest.v2+json";
  descriptor.digest = DigestOf(manifest);
  descriptor.size = manifest.size();
  descriptor.annotations[kRefName] = "from-docker";
  files["index.json"] = IndexJson({descriptor});
  WriteTo(dir_ / "docker.tar", TarOf(files));
  auto image = store_->Import(dir_ / "docker.tar", "");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_THAT(image->config().command(), testing::ElementsAre("sh"));
}

}  // namespace
}  // namespace vx::image
