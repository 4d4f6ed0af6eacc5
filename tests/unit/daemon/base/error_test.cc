#include "daemon/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "daemon/base/status_macros.h"

namespace vx {
namespace {

TEST(ErrorTest, CarriesReasonAndHintBesideTheMessage) {
  const absl::Status status =
      Error(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND", "no image \"x\"", "import it");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(status.message(), "no image \"x\"");
  EXPECT_EQ(ErrorReason(status), "IMAGE_NOT_FOUND");
  EXPECT_EQ(ErrorHint(status), "import it");
}

TEST(ErrorTest, AStatusOfOthersHasNeitherReasonNorHint) {
  EXPECT_EQ(ErrorReason(absl::InternalError("x")), "");
  EXPECT_EQ(ErrorHint(Error(absl::StatusCode::kInternal, "R", "x")), "");
  EXPECT_EQ(ErrorReason(absl::OkStatus()), "");
  EXPECT_TRUE(ErrorViolations(absl::InternalError("x")).empty());
}

TEST(ErrorTest, AnnotatePutsThePrefixBeforeTheMessageAndKeepsTheRest) {
  const absl::Status status = Annotate(
      Error(absl::StatusCode::kAborted, "ETAG_MISMATCH", "it changed", "read it again"), "web");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "web: it changed");
  EXPECT_EQ(ErrorReason(status), "ETAG_MISMATCH");
  EXPECT_EQ(ErrorHint(status), "read it again");
}

TEST(ErrorTest, AnnotateLeavesOkAlone) { EXPECT_TRUE(Annotate(absl::OkStatus(), "web").ok()); }

TEST(ErrorTest, ViolationsTravelInOneStatusInOrder) {
  const absl::Status status = Annotate(
      InvalidFields({{"spec.cpus", "must be more than 0"}, {"spec.env[A;B]", "a=b: no; not so"}}),
      "create");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ErrorReason(status), "INVALID_FIELDS");
  EXPECT_EQ(status.message(),
            "create: spec.cpus: must be more than 0; spec.env[A;B]: a=b: no; not so");
  const std::vector<FieldViolation> violations = ErrorViolations(status);
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[0].field, "spec.cpus");
  EXPECT_EQ(violations[0].description, "must be more than 0");
  EXPECT_EQ(violations[1].field, "spec.env[A;B]");
  EXPECT_EQ(violations[1].description, "a=b: no; not so");
}

TEST(ErrorTest, TheCodeFollowsErrno) {
  EXPECT_EQ(ErrnoError(ENOENT, "open /x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoError(EEXIST, "mkdir /x").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ErrnoError(EACCES, "open /x").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(ErrnoError(ENOSPC, "write /x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoError(EMFILE, "open /x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrnoError(EOPNOTSUPP, "mount").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ErrnoError(ENOENT, "open /x").message(), "open /x: No such file or directory");
}

absl::StatusOr<int> Half(int number) {
  if (number % 2 != 0) return Error(absl::StatusCode::kOutOfRange, "ODD", "odd");
  return number / 2;
}

absl::StatusOr<int> Quarter(int number) {
  VX_ASSIGN_OR_RETURN(int half, Half(number));
  VX_ASSIGN_OR_RETURN(half, Half(half));
  return half;
}

TEST(StatusMacrosTest, AssignOrReturnGivesTheValueOrTheErrorWithItsReason) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(ErrorReason(Quarter(7).status()), "ODD");
  EXPECT_EQ(ErrorReason(Quarter(6).status()), "ODD");
}

}  // namespace
}  // namespace vx
