#include "daemon/image/digest.h"

#include <gtest/gtest.h>

#include "tests/unit/daemon/image/test_images.h"

namespace vx::image {
namespace {

constexpr char kEmpty[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kAbc[] = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Digest, IsThatOfTheStandard) {
  EXPECT_EQ(DigestOf(""), kEmpty);
  EXPECT_EQ(DigestOf("abc"), kAbc);
}

TEST(Digest, DoesNotDependOnThePieces) {
  Sha256 hash;
  hash.Update("a");
  hash.Update("");
  hash.Update("bc");
  EXPECT_EQ(hash.Finish(), kAbc);
}

TEST(Digest, OfAFileIsThatOfItsContent) {
  TempDir dir;
  std::string big(3'000'000, 'x');
  WriteTo(dir / "big", big);
  EXPECT_EQ(*DigestOfFile(dir / "big"), DigestOf(big));
  EXPECT_TRUE(absl::IsNotFound(DigestOfFile(dir / "none").status()));
}

TEST(Digest, OnlySha256InLowerCaseIsOne) {
  EXPECT_TRUE(IsDigest(kAbc));
  std::string upper = kAbc;
  upper[10] = 'A';
  for (const std::string& text :
       {std::string(), std::string("sha256:"), std::string(kAbc) + "0", std::string("sha512:ab"),
        std::string("sha256:../../../../../../../../../../../../../../../../../../../../../etc/pw"),
        std::string(kAbc).substr(7), upper}) {
    EXPECT_FALSE(IsDigest(text)) << text;
  }
}

}  // namespace
}  // namespace vx::image
