#include "client/lib/rpc_error.h"

#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "google/rpc/error_details.pb.h"

namespace vx::client {
namespace {

google::rpc::Status NameTaken() {
  google::rpc::ErrorInfo info;
  info.set_reason("NAME_TAKEN");
  info.set_domain("vx");
  (*info.mutable_metadata())["hint"] = "choose another";
  google::rpc::Status status;
  status.set_code(6);
  status.set_message("there is a workload \"web\"");
  status.add_details()->PackFrom(info);
  return status;
}

TEST(FromWire, KeepsCodeMessageReasonAndHint) {
  absl::Status status = FromWire(NameTaken());
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(status.message(), "there is a workload \"web\"");
  EXPECT_EQ(ErrorReason(status), "NAME_TAKEN");
  EXPECT_EQ(ErrorHint(status), "choose another");
  EXPECT_TRUE(ErrorViolations(status).empty());
}

TEST(FromWire, KeepsEveryViolation) {
  google::rpc::Status status = NameTaken();
  google::rpc::BadRequest refused;
  auto* violation = refused.add_field_violations();
  violation->set_field("spec.resources.cpus");
  violation->set_description("must be more than 0");
  refused.add_field_violations()->set_field("name");
  status.add_details()->PackFrom(refused);
  std::vector<FieldViolation> violations = ErrorViolations(FromWire(status));
  ASSERT_EQ(violations.size(), 2u);
  EXPECT_EQ(violations[0].field, "spec.resources.cpus");
  EXPECT_EQ(violations[0].description, "must be more than 0");
  EXPECT_EQ(ErrorReason(FromWire(status)), "NAME_TAKEN");
}

TEST(FromCall, ReadsTheTrailer) {
  grpc::Status call(grpc::StatusCode::ALREADY_EXISTS, "there is one",
                    NameTaken().SerializeAsString());
  absl::Status status = FromCall(call);
  EXPECT_EQ(status.message(), "there is one");
  EXPECT_EQ(ErrorReason(status), "NAME_TAKEN");
}

TEST(FromCall, LivesWithATrailerThatIsGarbage) {
  absl::Status status =
      FromCall(grpc::Status(grpc::StatusCode::INTERNAL, "broken", "\xff\xff\xff"));
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(status.message(), "broken");
  EXPECT_EQ(ErrorReason(status), "");
}

TEST(FromCall, OkIsOk) { EXPECT_TRUE(FromCall(grpc::Status::OK).ok()); }

TEST(ReasonOrCode, FallsBackToTheCode) {
  EXPECT_EQ(ReasonOrCode(FromWire(NameTaken())), "NAME_TAKEN");
  EXPECT_EQ(ReasonOrCode(absl::InternalError("x")), "INTERNAL");
}

}  // namespace
}  // namespace vx::client
