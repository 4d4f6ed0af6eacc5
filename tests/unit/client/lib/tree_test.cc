#include "client/lib/tree.h"

#include <gtest/gtest.h>

#include "client/lib/json.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "vx/v1/event_service.pb.h"
#include "vx/v1/system_service.pb.h"
#include "vx/v1/workload.pb.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::client {
namespace {

std::string Json(const google::protobuf::Message& message) {
  return ToJson(ToTree(message), JsonStyle::kLine);
}

// The value that `message` prints at `path`, as JSON.
std::string At(const google::protobuf::Message& message, absl::string_view path) {
  Node tree = ToTree(message);
  const Node* node = Find(tree, path);
  return node == nullptr ? "(none)" : ToJson(*node, JsonStyle::kLine);
}

v1::Workload Web() {
  v1::Workload web;
  web.set_name("web");
  web.set_uid("0123456789abcdef0123456789abcdef");
  web.set_kind(v1::KIND_CONTAINER);
  (*web.mutable_labels())["tier"] = "front";
  (*web.mutable_labels())["app"] = "shop";
  web.mutable_create_time()->set_seconds(1'800'000'000);
  web.mutable_create_time()->set_nanos(120'000'000);
  web.set_generation(int64_t{1} << 60);
  v1::WorkloadSpec* spec = web.mutable_spec();
  spec->set_image("busybox:latest");
  spec->add_command("sh");
  spec->mutable_resources()->set_cpus(0.5);
  spec->mutable_stop_grace()->set_seconds(10);
  spec->set_restart(v1::RESTART_POLICY_ON_FAILURE);
  v1::WorkloadStatus* status = web.mutable_status();
  status->set_state(v1::STATE_STOPPED);
  status->mutable_exit()->set_reason(v1::EXIT_REASON_OOM);
  return web;
}

TEST(Tree, PrintsAWorkloadAsDocumented) {
  EXPECT_EQ(
      Json(Web()),
      R"({"name":"web","uid":"0123456789abcdef0123456789abcdef","kind":"container",)"
      R"("labels":{"app":"shop","tier":"front"},)"
      R"("spec":{"image":"busybox:latest","command":["sh"],"entrypoint":[],"env":{},)"
      R"("workingDir":"","user":"","hostname":"",)"
      R"("resources":{"cpus":0.5,"memoryBytes":null,"diskBytes":null,"pids":null,)"
      R"("cpuWeight":null,"cpuset":"","memoryReservationBytes":null,"swapBytes":null,)"
      R"("networkReceiveBytes":null,"networkSendBytes":null},)"
      R"("mounts":[],"ports":[],"networks":[],"restart":"on-failure","health":null,)"
      R"("removeOnExit":false,"stopSignal":"","stopGrace":"10s","privileged":false,"autostart":false,)"
      R"("stdin":false,"tty":false,"init":false,"readOnly":false,"tmpfs":[],"security":null,)"
      R"("devices":[],"addresses":[],"mac":"","aliases":[],"dns":[]},)"
      R"("status":{"state":"stopped","desired":"","pid":0,"addresses":[],"startTime":null,)"
      R"("exit":{"code":0,"signal":0,"reason":"oom","time":null,"message":""},)"
      R"("restarts":0,"health":"","agent":"","shimPid":0,"message":"","networks":[]},)"
      R"("createTime":"2027-01-15T08:00:00.12Z","updateTime":null,)"
      R"("generation":1152921504606846976,"etag":""})");
}

TEST(Tree, PrintsAnEmptyMessageInFull) {
  EXPECT_EQ(Json(v1::Exit()), R"({"code":0,"signal":0,"reason":"","time":null,"message":""})");
}

TEST(Tree, EnumsAreShortLowerCaseWords) {
  EXPECT_EQ(EnumText(v1::KIND_CONTAINER), "container");
  EXPECT_EQ(EnumText(v1::KIND_VM), "vm");
  EXPECT_EQ(EnumText(v1::STATE_RUNNING), "running");
  EXPECT_EQ(EnumText(v1::EXIT_REASON_OOM), "oom");
  EXPECT_EQ(EnumText(v1::RESTART_POLICY_UNLESS_STOPPED), "unless-stopped");
  EXPECT_EQ(EnumText(v1::EVENT_TYPE_WORKLOAD_CREATED), "workload-created");
  EXPECT_EQ(EnumText(v1::KIND_UNSPECIFIED), "");
}

TEST(Tree, AnEnumOfANewerDaemonIsItsNumber) {
  v1::Workload workload;
  workload.set_kind(static_cast<v1::Kind>(77));
  EXPECT_EQ(At(workload, "kind"), "77");
  EXPECT_EQ(EnumText(static_cast<v1::Kind>(77)), "77");
}

TEST(Tree, PrintsListsOfEnums) {
  v1::GetInfoResponse info;
  info.add_permissions(v1::PERMISSION_READ);
  info.add_permissions(v1::PERMISSION_HOST_ACCESS);
  EXPECT_EQ(At(info, "permissions"), R"(["read","host-access"])");
}

TEST(Tree, DurationsAreSeconds) {
  v1::StopWorkloadRequest request;
  EXPECT_EQ(At(request, "grace"), "null");
  request.mutable_grace()->set_nanos(500'000'000);
  EXPECT_EQ(At(request, "grace"), R"("0.5s")");
  request.mutable_grace()->set_seconds(3600);
  request.mutable_grace()->set_nanos(1);
  EXPECT_EQ(At(request, "grace"), R"("3600.000000001s")");
  request.mutable_grace()->set_seconds(-1);
  request.mutable_grace()->set_nanos(-500'000'000);
  EXPECT_EQ(At(request, "grace"), R"("-1.5s")");
}

TEST(Tree, TimesAreAsPreciseAsTheyAre) {
  v1::Workload workload;
  workload.mutable_create_time()->set_seconds(0);
  EXPECT_EQ(At(workload, "createTime"), R"("1970-01-01T00:00:00Z")");
  workload.mutable_create_time()->set_nanos(123456789);
  EXPECT_EQ(At(workload, "createTime"), R"("1970-01-01T00:00:00.123456789Z")");
  workload.mutable_create_time()->set_seconds(-1);
  workload.mutable_create_time()->set_nanos(0);
  EXPECT_EQ(At(workload, "createTime"), R"("1969-12-31T23:59:59Z")");
}

TEST(Tree, BytesAreTextWhereTheyCanBe) {
  v1::LogEntry entry;
  EXPECT_EQ(At(entry, "data"), R"("")");
  entry.set_data("h\xc3\xa9llo\n");
  EXPECT_EQ(At(entry, "data"), "\"h\xc3\xa9llo\\n\"");
  entry.set_data(std::string("\xff\x00\x01", 3));
  EXPECT_EQ(At(entry, "data"), R"("/wAB")");
}

TEST(Tree, AnUnsetMemberOfAOneofIsNull) {
  v1::Event event;
  event.mutable_operation()->set_id("12");
  EXPECT_EQ(At(event, "workload"), "null");
  EXPECT_EQ(At(event, "operation.id"), R"("12")");
}

TEST(Tree, UnpacksErrorDetails) {
  google::rpc::ErrorInfo info;
  info.set_reason("NAME_TAKEN");
  google::rpc::Status status;
  status.set_code(6);
  status.add_details()->PackFrom(info);
  EXPECT_EQ(
      At(status, "details"),
      R"([{"@type":"google.rpc.ErrorInfo","reason":"NAME_TAKEN","domain":"","metadata":{}}])");
}

TEST(Tree, AnUnknownDetailIsLeftPacked) {
  google::rpc::Status status;
  status.add_details()->set_type_url("type.googleapis.com/other.Thing");
  EXPECT_EQ(At(status, "details"), R"([{"typeUrl":"type.googleapis.com/other.Thing","value":""}])");
}

TEST(Find, FollowsFieldsAndMapKeysWithDots) {
  v1::Workload web = Web();
  (*web.mutable_labels())["app.kubernetes.io/name"] = "shop";
  EXPECT_EQ(At(web, "status.exit.reason"), R"("oom")");
  EXPECT_EQ(At(web, "labels.app.kubernetes.io/name"), R"("shop")");
  EXPECT_EQ(At(web, "labels.app"), R"("shop")");
  EXPECT_EQ(At(web, "status.nothing"), "(none)");
  EXPECT_EQ(At(web, "status.exit.reason.more"), "(none)");
}

TEST(ToText, IsOneLine) {
  Node tree = ToTree(Web());
  EXPECT_EQ(ToText(*Find(tree, "name")), "web");
  EXPECT_EQ(ToText(*Find(tree, "updateTime")), "");
  EXPECT_EQ(ToText(*Find(tree, "spec.command")), R"(["sh"])");
}

}  // namespace
}  // namespace vx::client
