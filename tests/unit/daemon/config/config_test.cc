#include "daemon/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/command_line.h"

namespace vx {
namespace {

class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    char path[] = "/tmp/vx-conf-XXXXXX";
    dir_ = mkdtemp(path);
    file_ = dir_ + "/vxd.toml";
  }
  ~ConfigTest() override { (void)RemoveTree(dir_); }

  absl::Status Read(const std::string& text) {
    EXPECT_TRUE(WriteFileAtomic(file_, text, 0600).ok());
    return config_.ReadFiles(file_, true);
  }

  std::string dir_, file_;
  Config config_;
};

TEST_F(ConfigTest, DefaultsAreThoseOfTheManual) {
  EXPECT_EQ(config_.Get("daemon.state_dir"), "/var/lib/vx");
  EXPECT_EQ(config_.Get("vm.uri"), "qemu:///embed");
  EXPECT_THAT(config_.GetList("drivers.enabled"), testing::ElementsAre("container", "libvirt"));
  EXPECT_FALSE(config_.GetBool("auth.operator_host_access"));
}

TEST_F(ConfigTest, AnUnknownKeyIsNamedWithFileAndLine) {
  absl::Status status = Read("[daemon]\nstate_dir = \"/x\"\nstat_dir = \"/y\"\n");
  EXPECT_EQ(ErrorReason(status), "BAD_CONFIG");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(file_ + ":3"));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("daemon.stat_dir"));
  EXPECT_THAT(ErrorHint(status), testing::HasSubstr("daemon.state_dir"));
}

TEST_F(ConfigTest, AnUnknownSectionAndABareKeyAreNamed) {
  EXPECT_THAT(std::string(Read("[demon]\nx = 1\n").message()), testing::HasSubstr("demon.x"));
  EXPECT_THAT(std::string(Read("x = 1\n").message()), testing::HasSubstr(":1"));
}

TEST_F(ConfigTest, ASyntaxErrorIsNamedWithItsLine) {
  EXPECT_THAT(std::string(Read("[daemon]\nstate_dir = \n").message()),
              testing::HasSubstr(file_ + ":2"));
}

TEST_F(ConfigTest, ARelativePathIsNamed) {
  absl::Status status = Read("[daemon]\nstate_dir = \"vx\"\n");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(file_ + ":2"));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("an absolute path"));
}

TEST_F(ConfigTest, AWrongTypeIsNamed) {
  EXPECT_THAT(std::string(Read("[auth]\noperator_host_access = \"yes\"\n").message()),
              testing::HasSubstr("true or false"));
  EXPECT_THAT(std::string(Read("[images]\nmax_layer_bytes = -1\n").message()),
              testing::HasSubstr("above 0"));
}

TEST_F(ConfigTest, DropInsWinOverTheFileInOrderOfName) {
  ASSERT_TRUE(MakeDirs(file_ + ".d", 0700).ok());
  ASSERT_TRUE(WriteFileAtomic(file_ + ".d/20.toml", "[log]\nlevel = \"warn\"\n", 0600).ok());
  ASSERT_TRUE(WriteFileAtomic(file_ + ".d/10.toml", "[log]\nlevel = \"debug\"\n", 0600).ok());
  ASSERT_TRUE(WriteFileAtomic(file_ + ".d/99.txt", "nonsense", 0600).ok());
  ASSERT_TRUE(Read("[log]\nlevel = \"error\"\n").ok());
  EXPECT_EQ(config_.Get("log.level"), "warn");
}

TEST_F(ConfigTest, FlagsWinOverTheEnvironmentWhichWinsOverTheFile) {
  ASSERT_TRUE(
      WriteFileAtomic(file_, "[vm]\naccel = \"kvm\"\nuri = \"a\"\n[log]\nlevel = \"error\"\n", 0600)
          .ok());
  setenv("VX_VM_ACCEL", "tcg", 1);
  setenv("VX_VM_URI", "b", 1);
  std::vector<std::string> words = {"vxd", "--config", file_, "--set", "vm.uri=c"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  auto line = ParseCommandLine(static_cast<int>(argv.size()), argv.data(), config_);
  unsetenv("VX_VM_ACCEL");
  unsetenv("VX_VM_URI");
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_FALSE(line->exit);
  EXPECT_EQ(config_.Get("log.level"), "error");
  EXPECT_EQ(config_.Get("vm.accel"), "tcg");
  EXPECT_EQ(config_.Get("vm.uri"), "c");
  EXPECT_EQ(config_.Get("daemon.socket"), "/run/vx/vxd.sock");
}

TEST_F(ConfigTest, AMissingFileThatWasNamedIsAnError) {
  EXPECT_TRUE(config_.ReadFiles(dir_ + "/none.toml", false).ok());
  EXPECT_EQ(ErrorReason(config_.ReadFiles(dir_ + "/none.toml", true)), "BAD_CONFIG");
}

TEST_F(ConfigTest, ABadAssignmentIsNamed) {
  EXPECT_THAT(std::string(config_.Set("vm.accel").message()), testing::HasSubstr("vm.accel"));
  EXPECT_THAT(std::string(config_.Set("vm.speed=9").message()), testing::HasSubstr("vm.speed"));
}

TEST_F(ConfigTest, AWordThatAKeyCannotBeIsRefused) {
  EXPECT_THAT(ErrorHint(config_.Set("log.level=loud")), testing::HasSubstr("debug, info"));
  EXPECT_EQ(config_.Get("log.level"), "info");
}

TEST_F(ConfigTest, TheAnnotatedFileIsAccepted) {
  absl::Status status = config_.ReadFiles(ANNOTATED_CONFIG, true);
  EXPECT_TRUE(status.ok()) << status;
}

}  // namespace
}  // namespace vx
