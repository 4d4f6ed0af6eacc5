// How spec and image become one process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "daemon/base/error.h"
#include "daemon/driver/driver.h"

namespace vx::driver {
namespace {

using testing::Contains;
using testing::ElementsAre;
using Words = std::vector<std::string>;

v1::Workload Named(const std::string& name) {
  v1::Workload workload;
  workload.set_name(name);
  workload.mutable_spec()->set_image("busybox");
  return workload;
}

struct ArgvCase {
  const char* what;
  Words image_entrypoint, image_command, entrypoint, command, argv;
};

class ArgvTest : public testing::TestWithParam<ArgvCase> {};

TEST_P(ArgvTest, FollowsTheRules) {
  const ArgvCase& c = GetParam();
  v1::ImageConfig config;
  v1::Workload workload = Named("web");
  for (const std::string& word : c.image_entrypoint) config.add_entrypoint(word);
  for (const std::string& word : c.image_command) config.add_command(word);
  for (const std::string& word : c.entrypoint) workload.mutable_spec()->add_entrypoint(word);
  for (const std::string& word : c.command) workload.mutable_spec()->add_command(word);
  auto process = ResolveProcess(workload, config);
  if (c.argv.empty()) {
    EXPECT_EQ(ErrorReason(process.status()), "NO_COMMAND") << c.what;
    EXPECT_TRUE(absl::IsInvalidArgument(process.status())) << c.what;
  } else {
    ASSERT_TRUE(process.ok()) << c.what << ": " << process.status();
    EXPECT_EQ(process->argv, c.argv) << c.what;
  }
}

INSTANTIATE_TEST_SUITE_P(
    AsDocker, ArgvTest,
    testing::Values(
        ArgvCase{"the image's command", {}, {"sh"}, {}, {}, {"sh"}},
        ArgvCase{"the image's both", {"tini", "--"}, {"sh"}, {}, {}, {"tini", "--", "sh"}},
        ArgvCase{"the image's entrypoint", {"tini"}, {}, {}, {}, {"tini"}},
        ArgvCase{"a command replaces the command",
                 {"tini"},
                 {"sh"},
                 {},
                 {"ls", "-l"},
                 {"tini", "ls", "-l"}},
        ArgvCase{"an entrypoint drops the command", {"tini"}, {"sh"}, {"env"}, {}, {"env"}},
        ArgvCase{"both replaced", {"tini"}, {"sh"}, {"env"}, {"-i"}, {"env", "-i"}},
        ArgvCase{"no entrypoint", {"tini"}, {"sh"}, {""}, {"ls"}, {"ls"}},
        ArgvCase{"no entrypoint and no command", {"tini"}, {"sh"}, {""}, {}, {}},
        ArgvCase{"nothing at all", {}, {}, {}, {}, {}}));

TEST(ProcessTest, TheSpecsEnvironmentWinsOverTheImages) {
  v1::ImageConfig config;
  config.add_command("sh");
  config.add_env("A=image");
  config.add_env("AB=image");
  config.add_env("PATH=/bin");
  v1::Workload workload = Named("web");
  (*workload.mutable_spec()->mutable_env())["A"] = "spec=1";
  (*workload.mutable_spec()->mutable_env())["B"] = "";
  EXPECT_THAT(ResolveProcess(workload, config)->env,
              ElementsAre("AB=image", "PATH=/bin", "HOSTNAME=web", "A=spec=1", "B=", "HOME=/root"));
}

TEST(ProcessTest, PathHostnameAndHomeAreAlwaysSet) {
  v1::ImageConfig config;
  config.add_command("sh");
  const Process process = ResolveProcess(Named("web"), config).value();
  EXPECT_THAT(process.env, Contains(testing::StartsWith("PATH=/usr/local/sbin:")));
  EXPECT_THAT(process.env, Contains("HOSTNAME=web"));
  EXPECT_THAT(process.env, Contains("HOME=/root"));
}

TEST(ProcessTest, HomeIsRootsForRootHoweverItIsWritten) {
  v1::ImageConfig config;
  config.add_command("sh");
  for (const char* user : {"", "0", "root", "0:0", "root:games", ":5"}) {
    config.set_user(user);
    EXPECT_THAT(ResolveProcess(Named("web"), config)->env, Contains("HOME=/root")) << user;
  }
  for (const char* user : {"1000", "nobody", "1000:0", "rooty"}) {
    config.set_user(user);
    EXPECT_THAT(ResolveProcess(Named("web"), config)->env, Contains("HOME=/")) << user;
  }
}

TEST(ProcessTest, TheSpecsWordsWinAndDefaultsFillTheRest) {
  v1::ImageConfig config;
  config.add_command("sh");
  Process process = ResolveProcess(Named("web"), config).value();
  EXPECT_EQ(process.hostname, "web");
  EXPECT_EQ(process.working_dir, "/");
  EXPECT_EQ(process.user, "");
  EXPECT_EQ(process.stop_signal, SIGTERM);

  config.set_working_dir("/srv");
  config.set_user("nobody");
  config.set_stop_signal("SIGQUIT");
  process = ResolveProcess(Named("web"), config).value();
  EXPECT_EQ(process.working_dir, "/srv");
  EXPECT_EQ(process.user, "nobody");
  EXPECT_EQ(process.stop_signal, SIGQUIT);

  v1::Workload workload = Named("web");
  workload.mutable_spec()->set_working_dir("/tmp");
  workload.mutable_spec()->set_user("root");
  workload.mutable_spec()->set_hostname("else");
  workload.mutable_spec()->set_stop_signal("usr1");
  process = ResolveProcess(workload, config).value();
  EXPECT_EQ(process.working_dir, "/tmp");
  EXPECT_EQ(process.user, "root");
  EXPECT_EQ(process.hostname, "else");
  EXPECT_THAT(process.env, Contains("HOSTNAME=else"));
  EXPECT_EQ(process.stop_signal, SIGUSR1);
}

TEST(EnvironmentTest, AnEmptyOptionIsAnAbsentOne) {
  const Environment environment{.options = {{"vm.uri", "qemu:///system"}, {"vm.accel", ""}}};
  EXPECT_EQ(environment.Option("vm.uri", "x"), "qemu:///system");
  EXPECT_EQ(environment.Option("vm.accel", "auto"), "auto");
  EXPECT_EQ(environment.Option("vm.kernel"), "");
}

}  // namespace
}  // namespace vx::driver
