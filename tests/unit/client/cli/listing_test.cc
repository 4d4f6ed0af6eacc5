#include "client/cli/render/listing.h"

#include <gtest/gtest.h>

#include "client/cli/errors.h"
#include "client/cli/render/workload_table.h"

namespace vx::cli {
namespace {

constexpr int64_t kNow = 1'800'000'000;

v1::Workload Make(const std::string& name, int64_t pid) {
  v1::Workload workload;
  workload.set_name(name);
  workload.mutable_create_time()->set_seconds(kNow - 90);
  workload.mutable_status()->set_state(v1::STATE_RUNNING);
  workload.mutable_status()->mutable_start_time()->set_seconds(kNow - 5);
  workload.mutable_status()->set_pid(pid);
  return workload;
}

Listing Two() { return ListWorkloads({Make("b", 9), Make("a", 10)}, absl::FromUnixSeconds(kNow)); }

std::string Text(const OutputFlags& flags) {
  absl::StatusOr<std::string> text = Render(Two(), flags, false);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.value_or("");
}

TEST(Render, ColumnsMayBeFieldsAndNames) {
  EXPECT_EQ(Text({.columns = "Name,status.pid,state"}),
            "NAME   STATUS.PID   STATE\n"
            "b      9            running 5s\n"
            "a      10           running 5s\n");
  EXPECT_EQ(Text({.format = "csv", .columns = "name,state,status.pid"}),
            "name,state,status.pid\nb,running,9\na,running,10\n");
}

TEST(Render, SortsNumbersAsNumbers) {
  EXPECT_EQ(Text({.format = "name", .sort = "status.pid"}), "b\na\n");
  EXPECT_EQ(Text({.format = "name", .sort = "-status.pid"}), "a\nb\n");
  EXPECT_EQ(Text({.format = "name", .sort = "name"}), "a\nb\n");
}

TEST(Render, QuietWinsOverTheFormat) {
  EXPECT_EQ(Text({.format = "json", .quiet = true}), "b\na\n");
}

TEST(Render, AnEmptyListIsAnEmptyList) {
  auto render = [](const std::string& format) {
    return *Render(ListWorkloads({}, absl::Now()), {.format = format}, false);
  };
  EXPECT_EQ(render("json"), "[]\n");
  EXPECT_EQ(render("yaml"), "[]\n");
  EXPECT_EQ(render("jsonl"), "");
  EXPECT_EQ(render("name"), "");
  EXPECT_EQ(render("table"), "NAME   KIND   STATE   IMAGE   CPUS   MEMORY   AGE\n");
}

TEST(Render, UnknownWordsAreMisuseEvenOfAnEmptyList) {
  for (const OutputFlags& flags :
       {OutputFlags{.format = "xml"}, OutputFlags{.columns = "frob"}, OutputFlags{.sort = "frob"},
        OutputFlags{.columns = "status.frob"}, OutputFlags{.columns = "name.x"}}) {
    EXPECT_EQ(ExitStatus(Render(ListWorkloads({}, absl::Now()), flags, false).status()), 2);
  }
}

TEST(StateCell, SaysHowItEnded) {
  v1::Workload workload = Make("a", 0);
  workload.mutable_status()->set_state(v1::STATE_STOPPED);
  absl::Time now = absl::FromUnixSeconds(kNow);
  EXPECT_EQ(StateCell(workload, now).text, "stopped");
  workload.mutable_status()->mutable_exit()->set_code(137);
  EXPECT_EQ(StateCell(workload, now).text, "stopped (137)");
  workload.mutable_status()->mutable_exit()->set_reason(v1::EXIT_REASON_OOM);
  EXPECT_EQ(StateCell(workload, now).text, "stopped (oom)");
  EXPECT_EQ(StateCell(workload, now).Raw(), "stopped");
}

}  // namespace
}  // namespace vx::cli
