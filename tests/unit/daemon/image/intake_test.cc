#include "daemon/image/intake.h"

#include "daemon/base/cancellation.h"
#include "daemon/image/oci_json.h"
#include "tests/unit/daemon/image/store_fixture.h"

namespace vx::image {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class IntakeTest : public ImageStoreTest {
 protected:
  IntakeTest() {
    Descriptor manifest = SmallImage().AddTo(files_);
    std::string text = files_[BlobName(manifest.digest)];
    std::string config = files_[BlobName(ParseManifest(text, "")->config.digest)];
    content_ = *Assemble(manifest, text, config);
  }

  const Descriptor& layer() const { return content_.manifest.layers[0]; }
  const std::string& BlobOf(const Descriptor& blob) { return files_[BlobName(blob.digest)]; }
  // How often a blob had to be fetched.
  absl::Status Fetch(Intake& intake, const Descriptor& blob, int* fetched) {
    bool was_there = false;
    return intake.Bring(blob, was_there, [&](const std::string& path) {
      ++*fetched;
      return WriteFileAtomic(path, BlobOf(blob), 0644);
    });
  }
  absl::Status FetchAll(Intake& intake, int* fetched) {
    for (const Descriptor& blob : {content_.descriptor, content_.manifest.config, layer()}) {
      absl::Status status = Fetch(intake, blob, fetched);
      if (!status.ok()) return status;
    }
    return intake.MakeLayer(layer(), content_.config.diff_ids[0]);
  }

  Cancellation never_;
  std::map<std::string, std::string> files_;
  Content content_;
};

TEST_F(IntakeTest, AnImageIsThereOnceItHasItsName) {
  auto intake = store_->BeginIntake(never_);
  int fetched = 0;
  ASSERT_TRUE(FetchAll(*intake, &fetched).ok());
  EXPECT_THAT(Names(*store_), IsEmpty());
  ASSERT_TRUE(intake->Commit("small:1", content_, "change").ok());
  intake.reset();
  EXPECT_THAT(Names(*store_), ElementsAre("small:1"));
  EXPECT_TRUE(store_->Imported("change"));
  EXPECT_THAT(FilesIn("downloads/blobs/sha256"), IsEmpty());
  Reopen();
  EXPECT_THAT(Names(*store_), ElementsAre("small:1"));
  EXPECT_TRUE(store_->Acquire("small:1", Form::kLayers, "w1").ok());
}

TEST_F(IntakeTest, WhatCameOfOneThatEndedEarlyIsTheNextOnes) {
  int fetched = 0;
  ASSERT_TRUE(FetchAll(*store_->BeginIntake(never_), &fetched).ok());
  EXPECT_EQ(fetched, 3);
  Reopen();
  EXPECT_THAT(Names(*store_), IsEmpty());
  EXPECT_THAT(FilesIn("layers"), IsEmpty()) << "only blobs are kept";
  ASSERT_TRUE(FetchAll(*store_->BeginIntake(never_), &fetched).ok());
  EXPECT_EQ(fetched, 3) << "a blob was fetched again";
  EXPECT_GT(store_->Prune(), 0);
  EXPECT_THAT(FilesIn("downloads/blobs/sha256"), IsEmpty());
  ASSERT_TRUE(FetchAll(*store_->BeginIntake(never_), &fetched).ok());
  EXPECT_EQ(fetched, 6);
}

TEST_F(IntakeTest, ABlobOfAnImageThatIsHereIsNotFetched) {
  ASSERT_TRUE(ImportImage(SmallImage(), "small").ok());
  int fetched = 0;
  auto intake = store_->BeginIntake(never_);
  ASSERT_TRUE(FetchAll(*intake, &fetched).ok());
  EXPECT_EQ(fetched, 0);
  EXPECT_TRUE(intake->Commit("again:1", content_, "").ok());
  EXPECT_THAT(Names(*store_), ElementsAre("again:1", "small:latest"));
}

TEST_F(IntakeTest, ALayerThatIsNotWhatTheConfigSaysIsRefused) {
  auto intake = store_->BeginIntake(never_);
  int fetched = 0;
  ASSERT_TRUE(Fetch(*intake, layer(), &fetched).ok());
  absl::Status status = intake->MakeLayer(layer(), DigestOf("another"));
  EXPECT_EQ(ErrorReason(status), "BAD_ARCHIVE") << status;
  intake.reset();
  EXPECT_THAT(FilesIn("layers"), IsEmpty());
}

TEST_F(IntakeTest, ACancelledOneUnpacksNothing) {
  Cancellation cancellation;
  auto intake = store_->BeginIntake(cancellation);
  int fetched = 0;
  ASSERT_TRUE(Fetch(*intake, layer(), &fetched).ok());
  cancellation.Cancel();
  EXPECT_TRUE(absl::IsCancelled(intake->MakeLayer(layer(), content_.config.diff_ids[0])));
}

TEST_F(IntakeTest, ATaggedImageKeepsItsBlobsWhenItsOtherNameGoes) {
  ASSERT_TRUE(ImportImage(SmallImage(), "small").ok());
  ASSERT_TRUE(store_->Tag("small", "team/other:2", "").ok());
  EXPECT_THAT(store_->Get("small")->layers(0).shared_with(), ElementsAre("team/other:2"));
  ASSERT_TRUE(store_->Remove("small").ok());
  EXPECT_THAT(Names(*store_), ElementsAre("team/other:2"));
  EXPECT_TRUE(store_->Acquire("team/other:2", Form::kLayers, "w1").ok());
}

}  // namespace
}  // namespace vx::image
