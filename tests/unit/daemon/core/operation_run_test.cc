#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/core/operations.h"
#include "google/rpc/error_details.pb.h"

namespace vx::core {
namespace {

TEST(OperationRunTest, PhasesAreKeptInOrder) {
  OperationRun run{v1::Operation()};
  run.Begin();
  ASSERT_TRUE(run.Phase("image").ok());
  ASSERT_TRUE(run.Phase("prepare").ok());
  EXPECT_EQ(run.Snapshot().phase(), "prepare");
  v1::Operation ended = run.End(absl::OkStatus());
  ASSERT_EQ(ended.phases_size(), 2);
  EXPECT_EQ(ended.phases(0).name(), "image");
  EXPECT_EQ(ended.phases(1).name(), "prepare");
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_DONE);
}

TEST(OperationRunTest, ACancelEndsItBeforeTheNextPhaseButNotItsUndo) {
  OperationRun run{v1::Operation()};
  ASSERT_TRUE(run.Phase("image").ok());
  run.Cancel();
  absl::Status refused = run.Phase("prepare");
  EXPECT_TRUE(absl::IsCancelled(refused));
  run.UndoPhase("undo");
  EXPECT_EQ(run.End(refused).state(), v1::OPERATION_STATE_CANCELLED);
}

TEST(RpcStatusTest, CarriesReasonHintAndFields) {
  google::rpc::Status wire = ToRpcStatus(InvalidFields({{"name", "is bad"}, {"kind", "is worse"}}));
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  ASSERT_EQ(wire.details_size(), 2);
  ASSERT_TRUE(wire.details(0).UnpackTo(&info));
  ASSERT_TRUE(wire.details(1).UnpackTo(&bad));
  EXPECT_EQ(info.reason(), "INVALID_FIELDS");
  EXPECT_EQ(info.domain(), "vx");
  EXPECT_EQ(bad.field_violations_size(), 2);
  wire = ToRpcStatus(Error(absl::StatusCode::kNotFound, "R", "what", "do this"));
  ASSERT_TRUE(wire.details(0).UnpackTo(&info));
  EXPECT_EQ(info.metadata().at("hint"), "do this");
}

}  // namespace
}  // namespace vx::core
