#include "daemon/image/image_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <thread>

#include "daemon/image/digest.h"
#include "daemon/image/oci_layout.h"
#include "tests/unit/daemon/image/store_fixture.h"

namespace vx::image {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ImageStoreTest, IsEmptyAtFirst) {
  EXPECT_THAT(store_->List(), IsEmpty());
  EXPECT_THAT(store_->LeaseOwners(), IsEmpty());
  EXPECT_EQ(ReadAll(dir_ / "images/layout/oci-layout"), kLayoutMarker);
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

TEST_F(ImageStoreTest, AnImportIsKnownByItsChangeAsLongAsItsNameStands) {
  WriteTo(dir_ / "a.tar", TarOf(SmallImage("a").Files("a")));
  ASSERT_TRUE(store_->Import(dir_ / "a.tar", "", "first").ok());
  EXPECT_FALSE(store_->Imported("second"));
  Reopen();
  EXPECT_TRUE(store_->Imported("first"));
  ASSERT_TRUE(store_->Import(dir_ / "a.tar", "", "second").ok());
  EXPECT_FALSE(store_->Imported("first"));
  EXPECT_TRUE(store_->Imported("second"));
  ASSERT_TRUE(store_->Remove("a").ok());
  EXPECT_FALSE(store_->Imported("second"));
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

// Links make trees deeper than any one name in the tar says.
std::string DeepLayer() {
  TestTar tar;
  std::string deep = "d", top = "top";
  for (int i = 1; i < 100; ++i) deep += "/d";
  for (int i = 0; i < 10; ++i) {
    tar.Dir(absl::StrCat(top, "/", deep));
    tar.Symlink(absl::StrCat("link", i), absl::StrCat(top, "/", deep));
    top = absl::StrCat("link", i);
  }
  return tar.Bytes();
}

TEST_F(ImageStoreTest, ATreeDeeperThanThereAreDescriptorsIsRemoved) {
  TestImage image;
  image.Layer(DeepLayer());
  ASSERT_TRUE(ImportImage(image, "deep").ok());
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  rlimit few = {200, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  absl::Status removed = store_->Remove("deep");
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(removed.ok()) << removed;
  ExpectNothingStored();
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
