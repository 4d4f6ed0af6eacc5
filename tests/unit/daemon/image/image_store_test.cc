#include "daemon/image/image_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/image/digest.h"
#include "daemon/image/oci_layout.h"
#include "tests/unit/daemon/image/test_images.h"

namespace vx::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<std::string> Names(const ImageStore& store) {
  std::vector<std::string> names;
  for (const v1::Image& image : store.List()) names.push_back(image.name());
  return names;
}

class ImageStoreTest : public testing::Test {
 protected:
  ImageStoreTest() { Reopen(); }

  void Reopen() {
    store_.reset();
    auto store = ImageStore::Open(dir_ / "images", limits_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  absl::StatusOr<v1::Image> Import(const std::string& archive, const std::string& name = "") {
    WriteTo(dir_ / "archive.tar", archive);
    return store_->Import(dir_ / "archive.tar", name);
  }
  absl::StatusOr<v1::Image> ImportImage(const TestImage& image, const std::string& name) {
    return Import(TarOf(image.Files(name)));
  }
  std::string Exported(const std::string& name) {
    std::string archive;
    absl::Status status = store_->Export(name, [&](absl::string_view piece) {
      absl::StrAppend(&archive, piece);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return archive;
  }
  std::vector<std::string> FilesIn(absl::string_view folder) {
    return *ListDir(absl::StrCat(dir_ / "images/", folder));
  }
  void ExpectNothingStored() {
    for (const char* folder : {"layers", "disks", "tmp", "layout/blobs/sha256"}) {
      EXPECT_THAT(FilesIn(folder), IsEmpty()) << folder;
    }
  }
  // An image that can't be taken, and why; nothing is left of it.
  void ExpectRefused(const std::string& archive, const std::string& reason, const std::string& text,
                     const std::string& name = "") {
    absl::Status status = Import(archive, name).status();
    EXPECT_EQ(ErrorReason(status), reason) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(text));
    EXPECT_THAT(Names(*store_), IsEmpty());
    ExpectNothingStored();
  }

  TempDir dir_;
  Limits limits_;
  std::unique_ptr<ImageStore> store_;
};

TEST_F(ImageStoreTest, IsEmptyAtFirst) {
  EXPECT_THAT(store_->List(), IsEmpty());
  EXPECT_THAT(store_->LeaseOwners(), IsEmpty());
  EXPECT_EQ(ReadAll(dir_ / "images/layout/oci-layout"), kLayoutMarker);
}

TEST_F(ImageStoreTest, ImportsWhatTheArchiveSays) {
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

TEST_F(ImageStoreTest, TakesAllPackings) {
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

TEST_F(ImageStoreTest, SurvivesAReopening) {
  ASSERT_TRUE(ImportImage(SmallImage(), "small").ok());
  std::string before = store_->Get("small")->SerializeAsString();
  Reopen();
  EXPECT_EQ(store_->Get("small")->SerializeAsString(), before);
}

TEST_F(ImageStoreTest, ExportedAndImportedAgainIsTheSame) {
  auto image = ImportImage(SmallImage(), "small:1");
  std::string archive = Exported("small:1");
  EXPECT_EQ(Exported("small:1"), archive);
  ASSERT_TRUE(store_->Remove("small:1").ok());
  auto again = Import(archive);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), image->SerializeAsString());
}

TEST_F(ImageStoreTest, ExportGivesSmallPiecesAndEndsWithTheSinksError) {
  TestImage image;
  image.Layer(TestTar().File("big", std::string(2'000'000, 'x')).Bytes());
  ASSERT_TRUE(ImportImage(image, "big").ok());
  size_t largest = 0, calls = 0;
  ASSERT_TRUE(store_
                  ->Export("big",
                           [&](absl::string_view piece) {
                             largest = std::max(largest, piece.size());
                             return absl::OkStatus();
                           })
                  .ok());
  EXPECT_LE(largest, size_t{256} << 10);
  absl::Status gone = store_->Export("big", [&](absl::string_view) {
    ++calls;
    return absl::CancelledError("the client went away");
  });
  EXPECT_EQ(gone, absl::CancelledError("the client went away"));
  EXPECT_EQ(calls, 1u);
}

TEST_F(ImageStoreTest, AnImageThatIsNotThereListsWhatIs) {
  absl::Status none = store_->Get("nosuch").status();
  EXPECT_EQ(none.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorReason(none), "IMAGE_NOT_FOUND");
  EXPECT_THAT(ErrorHint(none), HasSubstr("vxctl image import FILE"));
  ASSERT_TRUE(ImportImage(SmallImage(), "small").ok());
  for (const absl::Status& status :
       {store_->Get("nosuch").status(), store_->Remove("nosuch"),
        store_->Acquire("nosuch", Form::kLayers, "w1").status(),
        store_->Export("nosuch", [](absl::string_view) { return absl::OkStatus(); })}) {
    EXPECT_EQ(ErrorReason(status), "IMAGE_NOT_FOUND");
    EXPECT_THAT(std::string(status.message()), HasSubstr("nosuch:latest"));
    EXPECT_THAT(ErrorHint(status), HasSubstr("small:latest"));
  }
  EXPECT_THAT(store_->LeaseOwners(), IsEmpty());
}

TEST_F(ImageStoreTest, ANameGivenBeatsTheArchives) {
  ASSERT_TRUE(Import(TarOf(SmallImage().Files("theirs")), "mine:2").ok());
  EXPECT_THAT(Names(*store_), ElementsAre("mine:2"));
}

TEST_F(ImageStoreTest, AnArchiveWithoutANameNeedsOne) {
  ExpectRefused(TarOf(SmallImage().Files("")), "NO_NAME", "does not name");
  ExpectRefused(TarOf(SmallImage().Files("NOT A NAME")), "NO_NAME", "NOT A NAME");
  ExpectRefused(TarOf(SmallImage().Files("ok")), "BAD_IMAGE_NAME", "Not Ok", "Not Ok");
  EXPECT_TRUE(Import(TarOf(SmallImage().Files("")), "given").ok());
}

TEST_F(ImageStoreTest, ContainerdsNameIsTheFullOne) {
  auto files = SmallImage().Files("1.0");
  std::vector<Descriptor> index = *ParseIndex(files["index.json"], "index");
  index[0].annotations[kContainerdName] = "docker.io/library/small:1.0";
  files["index.json"] = IndexJson(index);
  EXPECT_EQ(Import(TarOf(files))->name(), "docker.io/library/small:1.0");
}

TEST_F(ImageStoreTest, OfSeveralImagesOneMustBeNamed) {
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

TEST_F(ImageStoreTest, OfSeveralPlatformsTheHostsIsTaken) {
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

TEST_F(ImageStoreTest, AnImageForAnotherMachineIsRefused) {
  TestImage image = SmallImage();
  image.platform() = {"linux", "s390x", ""};
  ExpectRefused(TarOf(image.Files("big-iron")), "NO_PLATFORM", "linux/s390x");
  image.platform() = {"windows", HostPlatform().architecture, ""};
  ExpectRefused(TarOf(image.Files("panes")), "NO_PLATFORM", "windows/");
}

TEST_F(ImageStoreTest, ABlobWithOtherContentIsRefused) {
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

TEST_F(ImageStoreTest, ALayerWithAWrongDiffIdIsRefused) {
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

TEST_F(ImageStoreTest, AMissingPartIsRefusedByItsName) {
  auto files = SmallImage().Files("small");
  for (const auto& [name, content] : files) {
    if (name == "oci-layout") continue;
    auto less = files;
    less.erase(name);
    std::string text = name == "index.json" ? name : name.substr(sizeof "blobs/sha256/" - 1);
    ExpectRefused(TarOf(less), "BAD_ARCHIVE", text);
  }
}

TEST_F(ImageStoreTest, AnArchiveThatIsCutShortIsRefusedWhereverItIsCut) {
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

TEST_F(ImageStoreTest, OtherFilesAreNoArchives) {
  ExpectRefused("", "BAD_ARCHIVE", "index.json");
  ExpectRefused("hello, I am no tar", "BAD_ARCHIVE", "archive");
  ExpectRefused(std::string(100'000, '\xff'), "BAD_ARCHIVE", "archive");
  ExpectRefused(TarOf({{"hello.txt", "hi"}}), "BAD_ARCHIVE", "index.json");
  EXPECT_EQ(store_->Import(dir_ / "nosuch.tar", "").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ImageStoreTest, ADockerArchiveIsRefusedWithTheWayToConvertIt) {
  absl::Status status = Import(TarOf({{"manifest.json", "[]"}, {"repositories", "{}"}})).status();
  EXPECT_EQ(ErrorReason(status), "BAD_ARCHIVE");
  EXPECT_THAT(ErrorHint(status), HasSubstr("skopeo copy docker-archive:"));
}

TEST_F(ImageStoreTest, DocumentsThatAreNoneAreRefused) {
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

TEST_F(ImageStoreTest, AnArtifactThatIsNoImageIsRefused) {
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

TEST_F(ImageStoreTest, ALayerThatWantsOutIsRefused) {
  TestImage image;
  image.Layer(TestTar().File("../../../escaped", "x").Bytes());
  ExpectRefused(TarOf(image.Files("evil")), "BAD_ARCHIVE", "..");
  EXPECT_FALSE(PathExists(dir_ / "images/escaped"));
}

TEST_F(ImageStoreTest, BoundsAreKeptAndNamed) {
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

TEST_F(ImageStoreTest, ImportingANameAgainReplacesItsImage) {
  auto old = ImportImage(SmallImage("old"), "app");
  auto now = ImportImage(SmallImage("new"), "app");
  EXPECT_NE(old->digest(), now->digest());
  EXPECT_EQ(store_->Get("app")->digest(), now->digest());
  EXPECT_EQ(FilesIn("layers").size(), 1u);
  EXPECT_EQ(FilesIn("layout/blobs/sha256").size(), 3u);
}

TEST_F(ImageStoreTest, RemoveTakesAllThatNobodyElseUses) {
  std::string common = TestTar().File("common", "c").Bytes();
  TestImage one, two;
  one.Layer(common).Layer(TestTar().File("f", "1").Bytes());
  two.Layer(common).Layer(TestTar().File("f", "2").Bytes());
  ASSERT_TRUE(ImportImage(one, "one").ok());
  ASSERT_TRUE(ImportImage(two, "two").ok());
  EXPECT_EQ(FilesIn("layers").size(), 3u);
  ASSERT_TRUE(store_->Remove("one").ok());
  EXPECT_EQ(FilesIn("layers").size(), 2u);
  EXPECT_EQ(FilesIn("layout/blobs/sha256").size(), 4u);
  auto base = store_->Acquire("two", Form::kLayers, "w1");
  ASSERT_TRUE(base.ok());
  EXPECT_EQ(ReadAll(base->layers[0] + "/common"), "c");
  ASSERT_TRUE(store_->Release("w1").ok());
  ASSERT_TRUE(store_->Remove("two").ok());
  ExpectNothingStored();
  Reopen();
  EXPECT_THAT(Names(*store_), IsEmpty());
}

TEST_F(ImageStoreTest, OneImageMayHaveTwoNames) {
  ASSERT_TRUE(ImportImage(SmallImage(), "a").ok());
  ASSERT_TRUE(Import(TarOf(SmallImage().Files("a")), "b").ok());
  ASSERT_TRUE(store_->Acquire("a", Form::kLayers, "w1").ok());
  EXPECT_TRUE(store_->Remove("a").ok());
  EXPECT_EQ(ErrorReason(store_->Remove("b")), "IMAGE_IN_USE");
}

TEST_F(ImageStoreTest, AnImageInUseIsNotRemoved) {
  ASSERT_TRUE(ImportImage(SmallImage(), "app").ok());
  ASSERT_TRUE(store_->Acquire("app", Form::kLayers, "w1").ok());
  ASSERT_TRUE(store_->Acquire("app", Form::kLayers, "w2").ok());
  Reopen();
  EXPECT_THAT(store_->LeaseOwners(), ElementsAre("w1", "w2"));
  absl::Status status = store_->Remove("app");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrorReason(status), "IMAGE_IN_USE");
  EXPECT_THAT(std::string(status.message()), HasSubstr("w1, w2"));
  ASSERT_TRUE(store_->Release("w1").ok());
  ASSERT_TRUE(store_->Release("w1").ok());
  EXPECT_EQ(ErrorReason(store_->Remove("app")), "IMAGE_IN_USE");
  ASSERT_TRUE(store_->Release("w2").ok());
  EXPECT_TRUE(store_->Remove("app").ok());
  ExpectNothingStored();
}

TEST_F(ImageStoreTest, AnOwnerKeepsItsImageWhenTheNameMovesOn) {
  ASSERT_TRUE(ImportImage(SmallImage("old"), "app").ok());
  auto before = store_->Acquire("app", Form::kLayers, "w1");
  ASSERT_TRUE(ImportImage(SmallImage("new"), "app").ok());
  EXPECT_EQ(ReadAll(before->layers[0] + "/etc/motd"), "old");
  Reopen();
  auto again = store_->Acquire("app", Form::kLayers, "w1");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->digest, before->digest);
  EXPECT_NE(store_->Acquire("app", Form::kLayers, "w2")->digest, before->digest);
  EXPECT_EQ(FilesIn("layers").size(), 2u);
  // The old one goes with its last user.
  ASSERT_TRUE(store_->Release("w1").ok());
  EXPECT_EQ(FilesIn("layers").size(), 1u);
  EXPECT_FALSE(PathExists(before->layers[0]));
}

TEST_F(ImageStoreTest, AnOwnerThatCanBeNoFileIsRefused) {
  ASSERT_TRUE(ImportImage(SmallImage(), "app").ok());
  for (const char* owner : {"", "../x", "a/b", ".hidden", "a b"}) {
    EXPECT_EQ(ErrorReason(store_->Acquire("app", Form::kLayers, owner).status()),
              "BAD_LEASE_OWNER");
  }
}

TEST_F(ImageStoreTest, LayersAreMadeAgainWhenTheyAreGone) {
  ASSERT_TRUE(ImportImage(SmallImage(), "app").ok());
  auto base = store_->Acquire("app", Form::kLayers, "w1");
  ASSERT_TRUE(RemoveTree(base->layers[0]).ok());
  auto again = store_->Acquire("app", Form::kLayers, "w1");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->layers, base->layers);
  EXPECT_EQ(ReadAll(base->layers[0] + "/etc/motd"), "hello\n");
}

TEST_F(ImageStoreTest, ABlobThatRottedIsNotUnpackedAndLeavesNoLease) {
  ASSERT_TRUE(ImportImage(SmallImage(), "app").ok());
  auto base = store_->Acquire("app", Form::kLayers, "w1");
  ASSERT_TRUE(store_->Release("w1").ok());
  ASSERT_TRUE(RemoveTree(base->layers[0]).ok());
  std::string digest = store_->Get("app")->layers(0).digest();
  std::string blob = absl::StrCat(dir_ / "images/layout/", BlobName(digest));
  std::string bytes = ReadAll(blob);
  bytes[bytes.find("hello")] = 'j';
  WriteTo(blob, bytes);
  absl::Status status = store_->Acquire("app", Form::kLayers, "w1").status();
  EXPECT_EQ(ErrorReason(status), "BAD_ARCHIVE") << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("app"));
  EXPECT_THAT(store_->LeaseOwners(), IsEmpty());
  EXPECT_THAT(FilesIn("layers"), IsEmpty());
  EXPECT_THAT(FilesIn("tmp"), IsEmpty());
}

TEST_F(ImageStoreTest, ManyWhoWantOneLayerGetTheSameOne) {
  TestTar layer;
  for (int i = 0; i < 300; ++i) layer.File(absl::StrCat("f", i), "content");
  TestImage image;
  image.Layer(layer.Bytes());
  ASSERT_TRUE(ImportImage(image, "app").ok());
  auto first = store_->Acquire("app", Form::kLayers, "w");
  ASSERT_TRUE(RemoveTree(first->layers[0]).ok());
  std::vector<std::thread> threads;
  std::vector<ino_t> inodes(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      auto base = store_->Acquire("app", Form::kLayers, absl::StrCat("w", i));
      ASSERT_TRUE(base.ok()) << base.status();
      inodes[i] = StatOf(base->layers[0] + "/f299").st_ino;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(inodes, testing::Each(inodes[0]));
  EXPECT_EQ(FilesIn("layers").size(), 1u);
  EXPECT_THAT(FilesIn("tmp"), IsEmpty());
}

TEST_F(ImageStoreTest, ImportsRemovesAndAcquiresAtOnceKeepTheStoreWhole) {
  std::string kept = TarOf(SmallImage("kept").Files("kept"));
  WriteTo(dir_ / "kept.tar", kept);
  ASSERT_TRUE(store_->Import(dir_ / "kept.tar", "").ok());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::string name = absl::StrCat("image-", t % 2), owner = absl::StrCat("w", t);
      std::string path = dir_ / absl::StrCat("archive-", t);
      WriteTo(path, TarOf(SmallImage(name).Files(name)));
      for (int i = 0; i < 15; ++i) {
        EXPECT_TRUE(store_->Import(path, "").ok());
        auto base = store_->Acquire(name, Form::kLayers, owner);
        // The other thread may have removed the name.
        if (base.ok()) {
          EXPECT_EQ(ReadAll(base->layers[0] + "/etc/motd"), name);
        }
        EXPECT_TRUE(store_->Release(owner).ok());
        store_->Remove(name).IgnoreError();
        EXPECT_TRUE(store_->Acquire("kept", Form::kLayers, owner).ok());
        EXPECT_TRUE(store_->Release(owner).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::string& name : Names(*store_)) {
    if (name == "kept:latest") continue;
    EXPECT_TRUE(store_->Remove(name).ok());
  }
  EXPECT_EQ(FilesIn("layers").size(), 1u);
  EXPECT_EQ(FilesIn("layout/blobs/sha256").size(), 3u);
  EXPECT_THAT(FilesIn("tmp"), IsEmpty());
}

TEST_F(ImageStoreTest, LeftoversOfACrashAreRemoved) {
  ASSERT_TRUE(ImportImage(SmallImage(), "app").ok());
  std::string images = dir_ / "images";
  ASSERT_TRUE(MakeDirs(images + "/tmp/layer-1/deep/er", 0755).ok());
  WriteTo(images + "/tmp/layer-1/deep/er/file", "x");
  // Published before the index named them.
  ASSERT_TRUE(MakeDirs(images + "/layers/" + DigestHex(DigestOf("l")) + "/etc", 0755).ok());
  WriteTo(images + "/layout/" + BlobName(DigestOf("b")), "b");
  WriteTo(images + "/disks/" + DigestHex(DigestOf("d")) + ".ext4", "d");
  WriteTo(images + "/leases/torn", "sha256:12");
  Reopen();
  EXPECT_THAT(FilesIn("tmp"), IsEmpty());
  EXPECT_THAT(FilesIn("disks"), IsEmpty());
  EXPECT_EQ(FilesIn("layers").size(), 1u);
  EXPECT_EQ(FilesIn("layout/blobs/sha256").size(), 3u);
  EXPECT_THAT(store_->LeaseOwners(), IsEmpty());
  EXPECT_THAT(FilesIn("leases"), IsEmpty());
  EXPECT_TRUE(store_->Acquire("app", Form::kLayers, "w1").ok());
}

TEST_F(ImageStoreTest, ADamagedIndexIsSaidAndNothingIsThrownAway) {
  ASSERT_TRUE(ImportImage(SmallImage(), "app").ok());
  store_.reset();
  WriteTo(dir_ / "images/layout/index.json", "{");
  absl::Status status = ImageStore::Open(dir_ / "images", limits_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ErrorReason(status), "IMAGE_INDEX_DAMAGED");
  EXPECT_EQ(FilesIn("layout/blobs/sha256").size(), 3u);
}

TEST_F(ImageStoreTest, AnImageThatLostABlobIsLeftOut) {
  ASSERT_TRUE(ImportImage(SmallImage("1"), "one").ok());
  ASSERT_TRUE(ImportImage(SmallImage("2"), "two").ok());
  std::string manifest = BlobName(store_->Get("one")->digest());
  ASSERT_EQ(unlink((dir_ / absl::StrCat("images/layout/", manifest)).c_str()), 0);
  Reopen();
  EXPECT_THAT(Names(*store_), ElementsAre("two:latest"));
}

}  // namespace
}  // namespace vx::image
