// The table of fault points: at each boundary between two steps of every verb, vxd
// dies, fails or hangs. Whatever the client was told must then be so, nothing may be
// left behind, and the verb must work when it is asked for again.
#include <signal.h>

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "daemon/base/fault.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

constexpr char kName[] = "subject";
// Answers SIGTERM at once.
constexpr char kScript[] = "trap 'exit 3' TERM; echo ready; while :; do sleep 0.05; done";

struct Row {
  std::string kind;
  std::string verb;
  std::string point;
  std::string action;
};

std::ostream& operator<<(std::ostream& stream, const Row& row) {
  return stream << row.kind << " " << row.verb << " " << row.point << "=" << row.action;
}

std::string NameOf(const Row& row) {
  return absl::StrReplaceAll(absl::StrCat(row.kind, "_", row.verb, "_", row.point, "_", row.action),
                             {{".", "_"}});
}

// Those of the kind, which is all that each kind comes by and its own.
std::vector<Row> RowsOf(const std::string& kind) {
  std::vector<Row> rows;
  for (const FaultPoint& point : kFaultPoints) {
    const std::string name(point.name);
    const std::vector<std::string> parts = absl::StrSplit(name, '.');
    if (parts.size() == 3 && parts[1] != kind) continue;
    // Images are of no kind.
    Words verbs = {parts[0]};
    if (parts[0] == "any") verbs = {"create", "start", "stop", "update", "delete", "import"};
    for (const std::string& verb : verbs) {
      if (verb == "import" && kind != "container") continue;
      for (const char* action : {"kill", "fail", "hang"}) {
        if (action == std::string("fail") && !point.can_fail) continue;
        rows.push_back({kind, verb, name, action});
      }
    }
  }
  return rows;
}

class FaultTest : public testing::TestWithParam<Row> {
 protected:
  static void SetUpTestSuite() { vx_ = std::make_unique<Daemon>(); }
  static void TearDownTestSuite() {
    for (const std::string& left : vx_->ShutDown()) ADD_FAILURE() << "left behind: " << left;
    vx_.reset();
  }
  void TearDown() override {
    if (HasFailure()) std::cerr << "vxd's log:\n" << vx_->log();
  }

  const Row& row() const { return GetParam(); }

  void Start(const std::string& fault = "") {
    Daemon::Options options;
    if (row().kind == "fake") options.args = {"--set", "drivers.enabled=fake"};
    if (!fault.empty()) options.wrapper = {"env", "VX_FAULT=" + fault};
    vx_->Start(options);
  }

  std::string kind_flag() const { return row().kind == "vm" ? "--kind=vm" : "--kind=container"; }
  Words Command() const {
    if (row().kind == "fake") return {"on", "TERM", "exit", "3", ";", "sleep", "infinity"};
    return {"sh", "-c", kScript};
  }
  Words Make(const std::string& verb) const {
    Words line = {verb, kind_flag(), "--name", kName, "-m", "200M", "busybox", "--"};
    const Words command = Command();
    line.insert(line.end(), command.begin(), command.end());
    return line;
  }

  // Live where the kind can.
  bool UpdatesLive() const { return row().kind != "vm"; }
  std::string archive() const { return vx_->dir() + "/busybox.tar"; }

  // What has to be there before the verb.
  void BringAbout() {
    const std::string& verb = row().verb;
    const bool runs = verb == "stop" || (verb == "update" && UpdatesLive());
    if (runs) {
      ASSERT_THAT(vx_->Vxctl(Make("launch")), Succeeds());
    }
    if (!runs && verb != "create" && verb != "import") {
      ASSERT_THAT(vx_->Vxctl(Make("create")), Succeeds());
    }
    if (verb == "import") {
      ASSERT_THAT(vx_->Vxctl({"image", "export", "busybox", "-o", archive()}), Succeeds());
    }
  }

  // What brings about what has to be there is one change, or none, and comes by no
  // point but those that every change comes by.
  std::string Fault() const {
    const bool later = row().verb != "create" && row().verb != "import";
    const bool any = absl::StartsWith(row().point, "any.");
    return absl::StrCat(row().point, "=", row().action, later && any ? ":2" : "");
  }

  Words Verb() const {
    if (row().verb == "create") return Make("create");
    if (row().verb == "update") return {"update", kName, "-m", "300M"};
    if (row().verb == "delete") return {"rm", kName};
    if (row().verb == "import") return {"image", "import", archive(), "--name", kName};
    return {row().verb, kName};
  }

  // Of what the verb changes; empty: it is not there.
  std::string Now() const {
    if (row().verb == "import") {
      return vx_->Vxctl({"image", "inspect", kName}).code == 0 ? "there" : "";
    }
    const Json workload = vx_->Inspect(kName);
    if (!workload.is_object()) return "";
    if (row().verb == "update") {
      return absl::StrCat(workload["spec"]["resources"].value("memoryBytes", int64_t{0}) >> 20);
    }
    return workload["status"].value("state", "");
  }
  std::string Before() const {
    static const std::map<std::string, std::string> states = {
        {"create", ""},    {"start", "stopped"},  {"stop", "running"},
        {"update", "200"}, {"delete", "stopped"}, {"import", ""}};
    return states.at(row().verb);
  }
  std::string After() const {
    static const std::map<std::string, std::string> states = {
        {"create", "stopped"}, {"start", "running"}, {"stop", "stopped"},
        {"update", "300"},     {"delete", ""},       {"import", "there"}};
    return states.at(row().verb);
  }

  // What a failure leaves: a delete that came to a stop needs a person, and a run that
  // was asked to end ends, whatever the stop says.
  std::string AfterFailure() {
    if (row().verb == "delete") return "failed";
    if (row().verb != "stop" || row().point == "stop.noted") return Before();
    EXPECT_THAT(vx_->Vxctl({"wait", kName}), Succeeds());
    return "stopped";
  }

  // What vxd says of the workload is so, no operation is open, and nothing is on
  // the host that vxd doesn't know of.
  void ExpectTruth() {
    for (const Json& operation : vx_->VxctlJson({"operation", "ls"})) {
      EXPECT_NE(operation["state"], "pending") << operation;
      EXPECT_NE(operation["state"], "running") << operation;
    }
    const Json workload = vx_->Inspect(kName);
    if (workload.is_object()) {
      const int64_t pid = workload["status"].value("pid", int64_t{0});
      const bool runs = workload["status"]["state"] == "running";
      EXPECT_EQ(pid > 0, runs) << workload;
      if (runs && row().kind != "fake") {
        EXPECT_EQ(kill(static_cast<pid_t>(pid), 0), 0) << workload;
      }
    }
    for (const std::string& left : vx_->Leftovers()) ADD_FAILURE() << "left behind: " << left;
  }

  // The verb over the fault; how its client ended.
  Result Strike() {
    const bool fails = row().action == "fail";
    std::unique_ptr<Child> client = vx_->VxctlInBackground(Verb());
    if (row().action == "hang") {
      Child watch({"tail", "-n", "+1", "-F", vx_->dir() + "/vxd.log"});
      EXPECT_TRUE(watch.WaitForOutput(absl::StrCat("fault point ", row().point, " is reached")));
      // Nobody else is held up.
      EXPECT_THAT(vx_->Vxctl({"ls", "-a"}), Succeeds());
      vx_->Kill();
    } else if (!fails) {
      EXPECT_TRUE(vx_->WaitEnd()) << "the fault point was not reached";
    }
    if (!fails) Start();
    return client->Wait();
  }

  static std::unique_ptr<Daemon> vx_;
};

std::unique_ptr<Daemon> FaultTest::vx_;

TEST_P(FaultTest, LeavesNothingHalfMade) {
  vx_->ClearLog();
  Start(Fault());
  BringAbout();
  if (HasFatalFailure()) return;
  const Result told = Strike();
  ASSERT_TRUE(vx_->running());
  if (row().action == "fail") {
    EXPECT_THAT(told, FailsSaying(1, {row().point, "FAULT"}));
    const std::string expected = AfterFailure();
    EXPECT_EQ(Now(), expected);
  } else {
    EXPECT_EQ(Now(), told.code == 0 ? After() : Before()) << told << vx_->Inspect(kName);
  }
  ExpectTruth();
  if (Now() != After()) {
    EXPECT_THAT(vx_->Vxctl(Verb()), Succeeds());
    EXPECT_EQ(Now(), After());
  }
  EXPECT_EQ(vx_->RemoveWorkloads(), "");
  if (row().verb == "import") {
    EXPECT_THAT(vx_->Vxctl({"image", "rm", kName}), Succeeds());
  }
  EXPECT_EQ(vx_->Stop(), 0);
}

const auto kRowName = [](const auto& info) { return NameOf(info.param); };
INSTANTIATE_TEST_SUITE_P(Fake, FaultTest, testing::ValuesIn(RowsOf("fake")), kRowName);
INSTANTIATE_TEST_SUITE_P(Container, FaultTest, testing::ValuesIn(RowsOf("container")), kRowName);
INSTANTIATE_TEST_SUITE_P(Vm, FaultTest, testing::ValuesIn(RowsOf("vm")), kRowName);

}  // namespace
}  // namespace vx::system_test
