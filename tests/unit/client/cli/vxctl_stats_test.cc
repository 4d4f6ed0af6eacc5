#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/client/cli/fake_vxd.h"
#include "tests/unit/client/cli/vxctl.h"

namespace vx::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

v1::WorkloadStats StatsOf(const std::string& name, double cpus, int64_t memory) {
  v1::WorkloadStats stats;
  stats.set_name(name);
  stats.set_uid("uid-of-" + name);
  stats.set_kind(v1::KIND_CONTAINER);
  stats.set_cpus(cpus);
  stats.mutable_usage()->set_memory_bytes(memory);
  stats.mutable_usage()->set_memory_limit_bytes(int64_t{64} << 20);
  stats.mutable_usage()->set_pids(3);
  stats.mutable_usage()->set_read_bytes(2048);
  return stats;
}

class VxctlStats : public testing::Test {
 protected:
  void SetUp() override {
    vxd_.stats.resize(2);
    *vxd_.stats[0].add_stats() = StatsOf("alpha", 0.1, 1 << 20);
    *vxd_.stats[1].add_stats() = StatsOf("alpha", 1.5, 16 << 20);
    *vxd_.stats[1].add_stats() = StatsOf("beta", 0.25, 32 << 20);
    vxd_.stats[1].mutable_stats(1)->mutable_usage()->clear_memory_limit_bytes();
  }

  FakeVxd vxd_;
};

TEST_F(VxctlStats, OnceIsWhatIsUsedNow) {
  CommandResult result = Vxctl(vxd_, {"stats", "--no-stream"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "NAME    KIND        CPU%     MEM   LIMIT   MEM%    PIDS   READ   WRITTEN\n"
            "alpha   container   150.0%   16M   64M     25.0%   3      2K     -\n"
            "beta    container   25.0%    32M   -       -       3      2K     -\n");
  const v1::StreamStatsRequest request = vxd_.Asked<v1::StreamStatsRequest>().at(0);
  EXPECT_EQ(request.interval().seconds(), 1);
}

TEST_F(VxctlStats, AsksForWhatTheUserNames) {
  Vxctl(vxd_, {"stats", "--no-stream", "--interval", "250ms", "--filter", "kind=vm", "-l", "a=b",
               "alpha", "beta"});
  const v1::StreamStatsRequest request = vxd_.Asked<v1::StreamStatsRequest>().at(0);
  EXPECT_THAT(request.names(), ElementsAre("alpha", "beta"));
  EXPECT_THAT(request.filters(), ElementsAre("kind=vm", "label=a=b"));
  EXPECT_EQ(request.interval().nanos(), 250'000'000);
  EXPECT_EQ(Vxctl(vxd_, {"stats", "--interval", "soon"}).exit_code, 2);
  EXPECT_EQ(Vxctl(vxd_, {"stats", "-o", "bogus"}).exit_code, 2);
}

TEST_F(VxctlStats, AStreamIsOneTableASampleWhereThereIsNoTerminal) {
  CommandResult result = Vxctl(vxd_, {"stats", "--columns", "name,cpu%"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "NAME    CPU%\n"
            "alpha   10.0%\n"
            "NAME    CPU%\n"
            "alpha   150.0%\n"
            "beta    25.0%\n");
}

TEST_F(VxctlStats, AStreamForProgramsHasALineForEach) {
  const std::string json = Vxctl(vxd_, {"stats", "-o", "json"}).out;
  EXPECT_EQ(json, Vxctl(vxd_, {"stats", "-o", "jsonl"}).out);
  EXPECT_THAT(json,
              HasSubstr("{\"name\":\"alpha\",\"uid\":\"uid-of-alpha\",\"kind\":\"container\""));
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 3);
  EXPECT_EQ(Vxctl(vxd_, {"stats", "-o", "csv", "--columns", "name,mem"}).out,
            "name,mem\nalpha,1048576\nalpha,16777216\nbeta,33554432\n");
  EXPECT_EQ(Vxctl(vxd_, {"stats", "-q"}).out, "alpha\nalpha\nbeta\n");
  EXPECT_THAT(Vxctl(vxd_, {"stats", "-o", "yaml"}).out, HasSubstr("---\n- name: alpha\n"));
}

TEST_F(VxctlStats, OnceSortsByValue) {
  EXPECT_EQ(Vxctl(vxd_, {"stats", "--no-stream", "-q", "--sort", "-mem"}).out, "beta\nalpha\n");
  EXPECT_EQ(Vxctl(vxd_, {"stats", "--no-stream", "-q", "--sort", "-cpu%"}).out, "alpha\nbeta\n");
}

TEST_F(VxctlStats, OnceIsWhatCameWhenTheStreamEndsEarly) {
  vxd_.stats.resize(1);
  EXPECT_THAT(Vxctl(vxd_, {"stats", "--no-stream"}).out, HasSubstr("alpha   container   10.0%"));
  vxd_.stats[0].clear_stats();
  CommandResult result = Vxctl(vxd_, {"stats", "--no-stream", "-o", "json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "[]\n");
}

TEST_F(VxctlStats, AnErrorIsReported) {
  vxd_.Refuse(WireError(absl::StatusCode::kNotFound, "WORKLOAD_NOT_FOUND", "there is no workload"));
  for (const char* flag : {"--no-stream", "-q"}) {
    CommandResult result = Vxctl(vxd_, {"stats", flag, "nope"});
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_THAT(result.err, HasSubstr("(WORKLOAD_NOT_FOUND)"));
    EXPECT_THAT(result.out, Not(HasSubstr("NAME")));
  }
}

}  // namespace
}  // namespace vx::cli
