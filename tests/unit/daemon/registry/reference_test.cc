#include "daemon/registry/reference.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"

namespace vx::registry {
namespace {

const std::string kDigest = absl::StrCat("sha256:", std::string(64, 'a'));

std::string Parsed(const std::string& text) {
  absl::StatusOr<Reference> reference = ParseReference(text);
  return reference.ok() ? reference->ToString() : ErrorReason(reference.status());
}

TEST(Reference, WithoutARegistryIsDockers) {
  EXPECT_EQ(Parsed("alpine"), "docker.io/library/alpine:latest");
  EXPECT_EQ(Parsed("alpine:3.20"), "docker.io/library/alpine:3.20");
  EXPECT_EQ(Parsed("team/app"), "docker.io/team/app:latest");
}

TEST(Reference, WhatHasADotOrAPortOrIsLocalhostIsARegistry) {
  EXPECT_EQ(Parsed("ghcr.io/a/b:1"), "ghcr.io/a/b:1");
  EXPECT_EQ(Parsed("host:5000/app"), "host:5000/app:latest");
  EXPECT_EQ(Parsed("localhost/app"), "localhost/app:latest");
}

TEST(Reference, AllWaysToWriteAnImageOfDockersAreOneName) {
  for (const char* text : {"alpine", "docker.io/alpine", "docker.io/library/alpine",
                           "index.docker.io/alpine:latest"}) {
    absl::StatusOr<Reference> reference = ParseReference(text);
    ASSERT_TRUE(reference.ok()) << reference.status();
    EXPECT_EQ(reference->name, "alpine:latest") << text;
    EXPECT_EQ(reference->ToString(), "docker.io/library/alpine:latest") << text;
  }
}

TEST(Reference, ADigestCountsMoreThanATag) {
  absl::StatusOr<Reference> reference = ParseReference("host:5000/a:1@" + kDigest);
  ASSERT_TRUE(reference.ok()) << reference.status();
  EXPECT_EQ(reference->digest, kDigest);
  EXPECT_EQ(reference->tag, "");
  EXPECT_EQ(reference->version(), kDigest);
  EXPECT_EQ(reference->name, "host:5000/a@" + kDigest);
}

TEST(Reference, OtherTextsAreRefused) {
  for (const char* text : {"", "A", "a b", "a@sha256:12", "a@md5:00", "host:x/a", "http://a/b",
                           "a/../b", "a:b:c"}) {
    EXPECT_EQ(Parsed(text), "BAD_IMAGE_NAME") << text;
  }
}

}  // namespace
}  // namespace vx::registry
