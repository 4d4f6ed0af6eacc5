// What ImageStore::Import takes and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "daemon/image/digest.h"
#include "daemon/image/oci_layout.h"
#include "tests/unit/daemon/image/store_fixture.h"

namespace vx::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ImportTest : public ImageStoreTest {};

TEST_F(ImportTest, ImportsWhatTheArchiveSays) {
  auto image = ImportImage(SmallImage(), "small");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->name(), "small:latest");
  EXPECT_TRUE(IsDigest(image->digest()));
  EXPECT_EQ(image->platform(), HostPlatform().ToString());
  EXPECT_THAT(image->config().command(), ElementsAre("sh"));
  EXPECT_THAT(image->config().env(), ElementsAre("PATH=/bin"));
  EXPECT_EQ(image->layers_size(), 1);
  EXPECT_EQ(image->create_time().seconds(), 1577934245);
  EXPECT_GT(image->size_bytes(), image->layers(0).size_bytes());
  EXPECT_EQ(store_->Get("small")->SerializeAsString(), image->SerializeAsString());
}

TEST_F(ImportTest, TakesAllPackings) {
  for (Packing packing : {Packing::kPlain, Packing::kGzip, Packing::kZstd}) {
    TestTar layer(packing);
    layer.File("f", absl::StrCat("of packing ", static_cast<int>(packing)));
    TestImage image;
    image.Layer(layer.Bytes());
    auto taken = Import(TarOf(image.Files("packed"), packing));
    ASSERT_TRUE(taken.ok()) << taken.status();
    auto base = store_->Acquire("packed", Form::kLayers, "w1");
    EXPECT_EQ(ReadAll(base->layers[0] + "/f"),
              absl::StrCat("of packing ", static_cast<int>(packing)));
    ASSERT_TRUE(store_->Release("w1").ok());
  }
}

TEST_F(ImportTest, ANameGivenBeatsTheArchives) {
  ASSERT_TRUE(Import(TarOf(SmallImage().Files("theirs")), "mine:2").ok());
  EXPECT_THAT(Names(*store_), ElementsAre("mine:2"));
}

TEST_F(ImportTest, AnArchiveWithoutANameNeedsOne) {
  ExpectRefused(TarOf(SmallImage().Files("")), "NO_NAME", "does not name");
  ExpectRefused(TarOf(SmallImage().Files("NOT A NAME")), "NO_NAME", "NOT A NAME");
  ExpectRefused(TarOf(SmallImage().Files("ok")), "BAD_IMAGE_NAME", "Not Ok", "Not Ok");
  EXPECT_TRUE(Import(TarOf(SmallImage().Files("")), "given").ok());
}

TEST_F(ImportTest, ContainerdsNameIsTheFullOne) {
  auto files = SmallImage().Files("1.0");
  std::vector<Descriptor> index = *ParseIndex(files["index.json"], "index");
  index[0].annotations[kContainerdName] = "docker.io/library/small:1.0";
  files["index.json"] = IndexJson(index);
  EXPECT_EQ(Import(TarOf(files))->name(), "small:1.0") << "Docker's registry goes without saying";
}

TEST_F(ImportTest, OfSeveralImagesOneMustBeNamed) {
  std::map<std::string, std::string> files = {{"oci-layout", kLayoutMarker}};
  Descriptor one = SmallImage("one").AddTo(files), two = SmallImage("two").AddTo(files);
  one.annotations[kRefName] = "one:1";
  two.annotations[kRefName] = "two:1";
  files["index.json"] = IndexJson({one, two});
  ExpectRefused(TarOf(files), "SEVERAL_IMAGES", "one:1, two:1");
  ExpectRefused(TarOf(files), "SEVERAL_IMAGES", "one:1, two:1", "other");
  auto image = Import(TarOf(files), "two:1");
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->digest(), two.digest);
  // The other image's blobs were not asked for.
  EXPECT_EQ(FilesIn("layout/blobs/sha256").size(), 3u);
}

TEST_F(ImportTest, OfSeveralPlatformsTheHostsIsTaken) {
  std::map<std::string, std::string> files = {{"oci-layout", kLayoutMarker}};
  Descriptor mine = SmallImage("mine").AddTo(files), other = SmallImage("other").AddTo(files);
  mine.platform = HostPlatform();
  other.platform = {"linux", "s390x", ""};
  Descriptor attestation = other;
  attestation.platform = {"unknown", "unknown", ""};
  std::string nested = IndexJson({attestation, other, mine});
  Descriptor index;
  index.media_type = kOciIndex;
  index.digest = DigestOf(nested);
  index.size = nested.size();
  index.annotations[kRefName] = "multi";
  files[BlobName(index.digest)] = nested;
  files["index.json"] = IndexJson({index});
  auto image = Import(TarOf(files));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->digest(), mine.digest);
  EXPECT_EQ(image->name(), "multi:latest");
}

TEST_F(ImportTest, AnImageForAnotherMachineIsRefused) {
  TestImage image = SmallImage();
  image.platform() = {"linux", "s390x", ""};
  ExpectRefused(TarOf(image.Files("big-iron")), "NO_PLATFORM", "linux/s390x");
  image.platform() = {"windows", HostPlatform().architecture, ""};
  ExpectRefused(TarOf(image.Files("panes")), "NO_PLATFORM", "windows/");
}

TEST_F(ImportTest, ABlobWithOtherContentIsRefused) {
  auto files = SmallImage().Files("small");
  for (auto& [name, content] : files) {
    if (!absl::StartsWith(name, "blobs/")) continue;
    std::string sound = content;
    content.back() ^= 1;
    ExpectRefused(TarOf(files), "BAD_ARCHIVE", "has another content");
    content = sound;
  }
  EXPECT_TRUE(Import(TarOf(files)).ok());
}

TEST_F(ImportTest, ALayerWithAWrongDiffIdIsRefused) {
  auto files = SmallImage().Files("small");
  TestImage other = SmallImage("other");
  // The manifest of the one with the config of the other.
  Manifest manifest, wrong;
  Descriptor descriptor = SmallImage().AddTo(files), theirs = other.AddTo(files);
  manifest = *ParseManifest(files[BlobName(descriptor.digest)], "m");
  wrong = *ParseManifest(files[BlobName(theirs.digest)], "m");
  manifest.config = wrong.config;
  std::string text = ManifestJson(manifest);
  descriptor.digest = DigestOf(text);
  descriptor.size = text.size();
  descriptor.annotations[kRefName] = "mixed";
  files[BlobName(descriptor.digest)] = text;
  files["index.json"] = IndexJson({descriptor});
  ExpectRefused(TarOf(files), "BAD_ARCHIVE", "the image's config says");
  // Also when a layer of that diff_id is there already.
  ASSERT_TRUE(ImportImage(other, "other").ok());
  EXPECT_EQ(ErrorReason(Import(TarOf(files)).status()), "BAD_ARCHIVE");
  EXPECT_THAT(Names(*store_), ElementsAre("other:latest"));
}

TEST_F(ImportTest, AMissingPartIsRefusedByItsName) {
  auto files = SmallImage().Files("small");
  for (const auto& [name, content] : files) {
    if (name == "oci-layout") continue;
    auto less = files;
    less.erase(name);
    std::string text = name == "index.json" ? name : name.substr(sizeof "blobs/sha256/" - 1);
    ExpectRefused(TarOf(less), "BAD_ARCHIVE", text);
  }
}

TEST_F(ImportTest, AnArchiveThatIsCutShortIsRefusedWhereverItIsCut) {
  std::string whole = TarOf(SmallImage().Files("small"));
  for (size_t size = 0; size + 1024 < whole.size(); size += 700) {
    absl::Status status = Import(whole.substr(0, size)).status();
    EXPECT_EQ(ErrorReason(status), "BAD_ARCHIVE") << size << " " << status;
  }
  std::string packed = TarOf(SmallImage().Files("small"), Packing::kGzip);
  for (size_t size = 1; size + 20 < packed.size(); size += 100) {
    absl::Status status = Import(packed.substr(0, size)).status();
    EXPECT_EQ(ErrorReason(status), "BAD_ARCHIVE") << size << " " << status;
  }
  ExpectNothingStored();
}

TEST_F(ImportTest, OtherFilesAreNoArchives) {
  ExpectRefused("", "BAD_ARCHIVE", "index.json");
  ExpectRefused("hello, I am no tar", "BAD_ARCHIVE", "archive");
  ExpectRefused(std::string(100'000, '\xff'), "BAD_ARCHIVE", "archive");
  ExpectRefused(TarOf({{"hello.txt", "hi"}}), "BAD_ARCHIVE", "index.json");
  EXPECT_EQ(store_->Import(dir_ / "nosuch.tar", "").status().code(), absl::StatusCode::kNotFound);
}

// What docker save wrote before it wrote OCI's layout too.
std::map<std::string, std::string> DockerFiles() {
  std::map<std::string, std::string> files;
  Descriptor manifest = SmallImage().AddTo(files);
  Manifest parsed = *ParseManifest(files[BlobName(manifest.digest)], "the manifest");
  return {{"0a.json", files[BlobName(parsed.config.digest)]},
          {"ab/layer.tar", files[BlobName(parsed.layers[0].digest)]},
          {"ab/VERSION", "1.0"},
          {"manifest.json", R"([{"Config":"0a.json","RepoTags":["small:2","small:3"],)"
                            R"("Layers":["ab/layer.tar"]}])"},
          {"repositories", "{}"}};
}

TEST_F(ImportTest, ADockerArchiveIsTaken) {
  absl::StatusOr<v1::Image> image = Import(TarOf(DockerFiles()));
  ASSERT_TRUE(image.ok()) << image.status();
  EXPECT_EQ(image->name(), "small:2");
  EXPECT_EQ(image->layers_size(), 1);
}

TEST_F(ImportTest, ADamagedDockerArchiveIsRefused) {
  for (const char* text : {"[]", "{}", "x", "[1]", "[{}]", R"([{"Config":"no.json"}])",
                           R"([{"Config":"0a.json","Layers":["no/layer.tar"]}])",
                           R"([{"Config":"0a.json","Layers":[7]}])",
                           R"([{"Config":"ab/layer.tar","Layers":["ab/layer.tar"],"RepoTags":["a:1"]}])"}) {
    auto files = DockerFiles();
    files["manifest.json"] = text;
    ExpectRefused(TarOf(files), "BAD_ARCHIVE", "");
  }
}

TEST_F(ImportTest, DocumentsThatAreNoneAreRefused) {
  for (const char* text : {"", "not json", "[]", "{}", R"({"manifests":{}})", R"({"manifests":[]})",
                           R"({"manifests":[1]})", R"({"manifests":[{"digest":7}]})",
                           R"({"manifests":[{"digest":"sha256:../../../../etc/passwd","size":1}]})",
                           R"({"manifests":[{"mediaType":"a","digest":"md5:00","size":1}]})"}) {
    ExpectRefused(TarOf({{"index.json", text}}), "BAD_ARCHIVE", "index");
  }
  std::string digest = DigestOf("x");
  std::string index = absl::StrCat(R"({"manifests":[{"mediaType":")", kOciManifest,
                                   R"(","digest":")", digest, R"(","size":)");
  ExpectRefused(TarOf({{"index.json", absl::StrCat(index, "-1}]}")}}), "BAD_ARCHIVE", "size");
  ExpectRefused(TarOf({{"index.json", absl::StrCat(index, "5}]}")}, {BlobName(digest), "x"}}),
                "BAD_ARCHIVE", "instead of", "n");
  ExpectRefused(TarOf({{"index.json", absl::StrCat(index, "1}]}")}, {BlobName(digest), "x"}}),
                "BAD_ARCHIVE", "not JSON", "n");
}

TEST_F(ImportTest, AnArtifactThatIsNoImageIsRefused) {
  auto files = SmallImage().Files("chart");
  std::vector<Descriptor> index = *ParseIndex(files["index.json"], "index");
  Manifest manifest = *ParseManifest(files[BlobName(index[0].digest)], "m");
  manifest.config.media_type = "application/vnd.cncf.helm.config.v1+json";
  std::string text = ManifestJson(manifest);
  index[0].digest = DigestOf(text);
  index[0].size = text.size();
  files[BlobName(index[0].digest)] = text;
  files["index.json"] = IndexJson(index);
  ExpectRefused(TarOf(files), "BAD_ARCHIVE", "helm");
}

TEST_F(ImportTest, ALayerThatWantsOutIsRefused) {
  TestImage image;
  image.Layer(TestTar().File("../../../escaped", "x").Bytes());
  ExpectRefused(TarOf(image.Files("evil")), "BAD_ARCHIVE", "..");
  EXPECT_FALSE(PathExists(dir_ / "images/escaped"));
}

TEST_F(ImportTest, BoundsAreKeptAndNamed) {
  limits_.max_layer_bytes = 50'000;
  limits_.max_unpacked_bytes = 150'000;
  Reopen();
  TestImage large;
  large.Layer(TestTar().File("f", std::string(60'000, 'x')).Bytes());
  ExpectRefused(TarOf(large.Files("large")), "IMAGE_TOO_LARGE", "images.max_layer_bytes");
  // A small blob that unpacks to much.
  TestImage bomb;
  bomb.Layer(TestTar(Packing::kGzip).File("f", std::string(200'000, '\0')).Bytes());
  ExpectRefused(TarOf(bomb.Files("bomb")), "IMAGE_TOO_LARGE", "images.max_unpacked_bytes");
  // Two layers that are too much together.
  TestImage two;
  two.Layer(TestTar(Packing::kGzip).File("f", std::string(80'000, '\0')).Bytes());
  two.Layer(TestTar(Packing::kGzip).File("g", std::string(80'000, '\0')).Bytes());
  ExpectRefused(TarOf(two.Files("two")), "IMAGE_TOO_LARGE", "images.max_unpacked_bytes");
}

}  // namespace
}  // namespace vx::image
