// A store in a folder of its own, for the tests of ImageStore.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/image/image_store.h"
#include "tests/unit/daemon/image/test_images.h"

namespace vx::image {

inline std::vector<std::string> Names(const ImageStore& store) {
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
      EXPECT_THAT(FilesIn(folder), testing::IsEmpty()) << folder;
    }
  }
  // An image that can't be taken, and why; nothing is left of it.
  void ExpectRefused(const std::string& archive, const std::string& reason, const std::string& text,
                     const std::string& name = "") {
    absl::Status status = Import(archive, name).status();
    EXPECT_EQ(ErrorReason(status), reason) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(text));
    EXPECT_THAT(Names(*store_), testing::IsEmpty());
    ExpectNothingStored();
  }

  TempDir dir_;
  Limits limits_;
  std::unique_ptr<ImageStore> store_;
};

}  // namespace vx::image
