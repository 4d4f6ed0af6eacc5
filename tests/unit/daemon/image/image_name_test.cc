#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "daemon/base/error.h"
#include "daemon/image/image_store.h"

namespace vx::image {
namespace {

TEST(ImageName, WithoutATagIsLatest) {
  EXPECT_EQ(*NormalizeName("busybox"), "busybox:latest");
  EXPECT_EQ(*NormalizeName("team/app"), "team/app:latest");
  EXPECT_EQ(*NormalizeName("localhost:5000/app"), "localhost:5000/app:latest");
}

TEST(ImageName, WithATagStaysAsItIs) {
  for (const char* name : {"busybox:1.36", "team/alpine:3.20_A-b",
                           "registry.example:5000/a/b-c/d_e:v1", "a:_x"}) {
    EXPECT_EQ(*NormalizeName(name), name);
  }
}

TEST(ImageName, NormalisingTwiceChangesNothing) {
  for (const char* name : {"host:5000/app", "docker.io/docker.io/a", "docker.io/localhost/a",
                           "index.docker.io/library/a.b", "library/library/a", "library/a"}) {
    std::string once = *NormalizeName(name);
    EXPECT_EQ(*NormalizeName(once), once) << name;
  }
}

TEST(ImageName, IsNeverLongerThanWhatIsTaken) {
  EXPECT_FALSE(NormalizeName(std::string(250, 'a')).ok()) << "with its tag it has 257";
}

TEST(ImageName, DockersRegistryGoesWithoutSaying) {
  for (const char* name : {"docker.io/library/a", "docker.io/a", "index.docker.io/a", "library/a"}) {
    EXPECT_EQ(*NormalizeName(name), "a:latest") << name;
  }
  EXPECT_EQ(*NormalizeName("docker.io/team/a:1"), "team/a:1");
  EXPECT_EQ(*NormalizeName("docker.io/library/a/b"), "library/a/b:latest");
  EXPECT_EQ(*NormalizeName("docker.io/host.example/a"), "docker.io/host.example/a:latest");
}

TEST(ImageName, OtherTextsAreRefusedWithTheirName) {
  for (const std::string& name :
       {std::string("Busybox"), std::string("a b"), std::string("a/"), std::string("/a"),
        std::string("a//b"), std::string("a:"), std::string(":x"), std::string("a:b:c"),
        std::string("../x"), std::string("a/../b"), std::string("-a"), std::string("a-"),
        std::string("a:.x"), std::string("a\nb"), std::string("host:port/app"),
        std::string("a:") + std::string(129, 'x'), std::string("a@sha256:00")}) {
    absl::Status status = NormalizeName(name).status();
    EXPECT_EQ(ErrorReason(status), "BAD_IMAGE_NAME") << name;
    EXPECT_TRUE(absl::StrContains(status.message(), name)) << status;
    EXPECT_FALSE(ErrorHint(status).empty());
  }
  EXPECT_EQ(ErrorReason(NormalizeName("").status()), "BAD_IMAGE_NAME");
  EXPECT_EQ(ErrorReason(NormalizeName(std::string(300, 'a')).status()), "BAD_IMAGE_NAME");
}

}  // namespace
}  // namespace vx::image
