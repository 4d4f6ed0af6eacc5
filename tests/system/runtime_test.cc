// vx-runtime as any engine runs it: bundles of all kinds, and those that make no sense.
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;
using testing::Not;

class RuntimeTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/var/tmp/vx-test-XXXXXX";
    dir_ = mkdtemp(name);
    // A command writes into a folder that everybody may write to.
    ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
    id_ = absl::StrCat("t", getpid());
    for (const char* folder : {"/bundle/rootfs/bin", "/bundle/rootfs/proc", "/bundle/rootfs/sys",
                               "/bundle/rootfs/dev", "/bundle/rootfs/out", "/shared/below"}) {
      ASSERT_TRUE(MakeDirs(dir_ + folder, 0755).ok());
    }
    ASSERT_EQ(chmod((dir_ + "/shared").c_str(), 0777), 0);
    ASSERT_THAT(RunProgram({"cp", "/bin/busybox", rootfs() + "/bin/busybox"}), Succeeds());
    ASSERT_THAT(RunProgram({"chroot", rootfs(), "/bin/busybox", "--install", "-s", "/bin"}),
                Succeeds());
  }

  void TearDown() override {
    RunProgram({Program("vx-runtime"), "--root", root(), "delete", "--force", id_});
    // Inits are children of whoever runs the runtime.
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    umount2((dir_ + "/shared/below").c_str(), MNT_DETACH);
    ExpectNothingLeft();
    EXPECT_TRUE(RemoveTree(dir_).ok());
  }

  std::string root() const { return dir_ + "/run"; }
  std::string rootfs() const { return dir_ + "/bundle/rootfs"; }

  // Without a user namespace; the command's output goes to /shared/out on the host.
  Json Bundle(const std::string& script) const {
    Json config = Json::parse(R"({
      "ociVersion": "1.1.0", "root": {"path": "rootfs"}, "hostname": "box",
      "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "env": ["PATH=/bin"]},
      "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]}],
      "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "uts"},
                               {"type": "ipc"}, {"type": "network"}, {"type": "cgroup"}]}})");
    config["process"]["args"] = {"sh", "-c", "exec > /out/log 2>&1; " + script + "; echo end"};
    config["mounts"].push_back(
        {{"destination", "/out"}, {"source", dir_ + "/shared"}, {"options", {"rbind"}}});
    return config;
  }
  static void AddUserNamespace(Json& config) {
    config["linux"]["namespaces"].push_back({{"type", "user"}});
    const Json mapping = {{{"containerID", 0}, {"hostID", 1900000000}, {"size", 65536}}};
    config["linux"]["uidMappings"] = mapping;
    config["linux"]["gidMappings"] = mapping;
  }

  Result Create(const std::string& config) {
    EXPECT_TRUE(WriteFileAtomic(dir_ + "/bundle/config.json", config, 0644).ok());
    // Init keeps what it is given open, and so no pipe of the test's.
    const std::string messages = dir_ + "/messages";
    Result result =
        RunProgram({"sh", "-c", absl::StrCat("exec \"$@\" </dev/null >", messages, " 2>&1"), "sh",
                    Program("vx-runtime"), "--root", root(), "create", "--bundle", dir_ + "/bundle",
                    "--pid-file", dir_ + "/pid", id_});
    result.err = ReadFile(messages).value_or("");
    return result;
  }
  Result Command(const std::string& command) {
    return RunProgram({Program("vx-runtime"), "--root", root(), command, id_});
  }
  pid_t Pid() const {
    int pid = 0;
    EXPECT_TRUE(absl::SimpleAtoi(ReadFile(dir_ + "/pid").value_or(""), &pid));
    return pid;
  }

  // All that the script wrote.
  std::string RunBundle(const Json& config) {
    const Result created = Create(config.dump());
    EXPECT_THAT(created, Succeeds()) << created;
    if (created.code != 0) return created.err;
    auto pidfd = OpenPidfd(Pid());
    EXPECT_THAT(Command("start"), Succeeds());
    EXPECT_TRUE(pidfd.ok() && WaitPidfd(pidfd->get(), absl::Seconds(20)));
    return ReadFile(dir_ + "/shared/log").value_or("");
  }

  void ExpectNothingLeft() const {
    EXPECT_FALSE(PathExists(absl::StrCat(root(), "/", id_)));
    EXPECT_EQ(RunProgram({"find", "/sys/fs/cgroup", "-name", id_}).out, "");
    EXPECT_THAT(ReadFile("/proc/self/mountinfo").value_or(""), Not(HasSubstr(dir_ + "/run")));
    EXPECT_THAT(RunProgram({"ps", "-eo", "args"}).out,
                Not(HasSubstr("--bundle " + dir_ + "/bundle")));
  }

  std::string dir_;
  std::string id_;
};

TEST_F(RuntimeTest, ABundleWithTheHostsIdsRuns) {
  Json config =
      Bundle("hostname; cat /proc/self/uid_map; cat /proc/sys/kernel/domainname; touch /w");
  config["domainname"] = "realm";
  EXPECT_THAT(RunBundle(config), testing::MatchesRegex("box\n *0 +0 +4294967295\nrealm\nend\n"));
  EXPECT_TRUE(PathExists(rootfs() + "/w"));
}

TEST_F(RuntimeTest, ARootWithoutAnOverlayCanBeReadOnly) {
  Json config = Bundle("touch /w && echo wrote; touch /out/x && echo shared");
  config["root"]["readonly"] = true;
  EXPECT_THAT(RunBundle(config), HasSubstr("Read-only file system\nshared\nend"));
}

TEST_F(RuntimeTest, ItsOwnFileCantBeWrittenToWhileInitWaits) {
  ASSERT_THAT(Create(Bundle("true").dump()), Succeeds());
  const std::string exe = absl::StrCat("/proc/", Pid(), "/exe");
  struct statvfs info{};
  ASSERT_EQ(statvfs(exe.c_str(), &info), 0);
  EXPECT_NE(info.f_flag & ST_RDONLY, 0u);
  EXPECT_LT(open(exe.c_str(), O_WRONLY | O_CLOEXEC), 0);
}

TEST_F(RuntimeTest, BindsAreReadOnlyToTheirDepth) {
  ASSERT_EQ(mount("none", (dir_ + "/shared/below").c_str(), "tmpfs", 0, nullptr), 0);
  Json config = Bundle(
      "touch /a/x || echo a; touch /a/below/x || echo ab; "
      "touch /b/below/x && echo b; touch /c/x && echo c; "
      "touch /c/below/x || echo cb");
  const std::string source = dir_ + "/shared";
  for (const auto& [target, options] :
       {std::pair{"/a", Json{"rbind", "ro"}}, std::pair{"/b", Json{"rbind", "rw"}},
        std::pair{"/c", Json{"rbind", "rw"}}}) {
    config["mounts"].push_back({{"destination", target}, {"source", source}, {"options", options}});
  }
  config["mounts"].push_back(
      {{"destination", "/c/below"}, {"source", source + "/below"}, {"options", {"bind", "rro"}}});
  const std::string out = RunBundle(config);
  EXPECT_THAT(out, HasSubstr("\na\n"));
  for (const char* line : {"\nab\n", "\nb\n", "c\n", "\ncb\n"}) EXPECT_THAT(out, HasSubstr(line));
}

TEST_F(RuntimeTest, IdsOfABindAreMapped) {
  ASSERT_TRUE(WriteFileAtomic(dir_ + "/shared/mine", "", 0644).ok());
  Json config = Bundle("stat -c %u:%g /m/mine /k/mine");
  AddUserNamespace(config);
  ASSERT_EQ(chown(rootfs().c_str(), 1900000000, 1900000000), 0);
  config["mounts"].push_back(
      {{"destination", "/m"}, {"source", dir_ + "/shared"}, {"options", {"bind", "idmap"}}});
  const Json five = {{{"containerID", 0}, {"hostID", 1900000005}, {"size", 1}}};
  config["mounts"].push_back({{"destination", "/k"},
                              {"source", dir_ + "/shared"},
                              {"options", {"bind"}},
                              {"uidMappings", five},
                              {"gidMappings", five}});
  EXPECT_EQ(RunBundle(config), "0:0\n5:5\nend\n");
}

TEST_F(RuntimeTest, ItsOwnGroupsAreShownReadOnly) {
  Json config = Bundle(
      "ls -d /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs | wc -l; "
      "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/x && echo made; done");
  config["mounts"].push_back({{"destination", "/sys/fs/cgroup"},
                              {"type", "cgroup"},
                              {"source", "cgroup"},
                              {"options", {"ro", "nosuid", "noexec", "nodev"}}});
  const std::string out = RunBundle(config);
  EXPECT_THAT(out, Not(HasSubstr("made")));
  EXPECT_THAT(out, HasSubstr("Read-only"));
  EXPECT_THAT(out, Not(testing::StartsWith("0\n")));
}

TEST_F(RuntimeTest, DevicesMayLieInFolders) {
  Json config = Bundle(
      "stat -c '%F %a %u:%g' /dev/a/b/nothing; echo x > /dev/a/b/nothing; "
      "stat -c %a /dev/null");
  config["linux"]["devices"] = Json::parse(R"([
    {"path": "/dev/a/b/nothing", "type": "c", "major": 1, "minor": 3, "fileMode": 438,
     "uid": 7, "gid": 8},
    {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 438}])");
  EXPECT_EQ(RunBundle(config), "character special file 666 7:8\n666\nend\n");
}

TEST_F(RuntimeTest, TmpfsNestAndAreSealedAfterwards) {
  Json config = Bundle("touch /t/x || echo sealed; touch /t/in/x && echo inner");
  config["mounts"].push_back(
      {{"destination", "/t"}, {"type", "tmpfs"}, {"source", "t"}, {"options", {"ro", "size=1m"}}});
  config["mounts"].push_back({{"destination", "/t/in"}, {"type", "tmpfs"}, {"source", "t"}});
  EXPECT_THAT(RunBundle(config), HasSubstr("Read-only file system\nsealed\ninner\nend\n"));
}

TEST_F(RuntimeTest, NamespacesAreMadeOrJoined) {
  Json config = Bundle("readlink /proc/self/ns/net; readlink /proc/self/ns/time");
  config["linux"]["namespaces"][4]["path"] = "/proc/self/ns/net";
  config["linux"]["namespaces"].push_back({{"type", "time"}});
  char own_net[64] = {}, own_time[64] = {};
  ASSERT_GT(readlink("/proc/self/ns/net", own_net, sizeof own_net - 1), 0);
  ASSERT_GT(readlink("/proc/self/ns/time", own_time, sizeof own_time - 1), 0);
  const std::string out = RunBundle(config);
  EXPECT_THAT(out, HasSubstr(own_net));
  EXPECT_THAT(out, Not(HasSubstr(own_time)));
}

TEST_F(RuntimeTest, SysctlsOfItsOwnNamespacesAreSet) {
  Json config = Bundle("cat /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_default_ttl");
  config["linux"]["sysctl"] = {{"kernel.shmmni", "77"}, {"net.ipv4.ip_default_ttl", "33"}};
  EXPECT_EQ(RunBundle(config), "77\n33\nend\n");
}

TEST_F(RuntimeTest, SysctlsOfAJoinedNamespaceOfTheHostAreNot) {
  Json config = Bundle("true");
  config["linux"]["namespaces"][4]["path"] = "/proc/self/ns/net";
  config["linux"]["sysctl"] = {{"net.ipv4.ip_default_ttl", "33"}};
  EXPECT_THAT(Create(config.dump()), FailsSaying(1, {"net.ipv4.ip_default_ttl"}));
}

TEST_F(RuntimeTest, TargetsThatLeadOutAreMadeInside) {
  const std::string outside = dir_ + "/outside";
  ASSERT_EQ(symlink("../../../../../../../..", (rootfs() + "/up").c_str()), 0);
  ASSERT_EQ(symlink("/proc/self/fd", (rootfs() + "/fds").c_str()), 0);
  Json config = Bundle("mount | grep -c outside");
  config["mounts"].push_back(
      {{"destination", "/up" + outside}, {"type", "tmpfs"}, {"source", "t"}});
  EXPECT_EQ(RunBundle(config), "1\nend\n");
  EXPECT_FALSE(PathExists(outside));
  EXPECT_TRUE(PathExists(rootfs() + outside));
}

struct Damage {
  const char* pointer;
  Json value;
  Words says;
};

TEST_F(RuntimeTest, BadBundlesLeaveNothing) {
  const std::vector<Damage> damages = {
      {"/process", nullptr, {"process"}},
      {"/process/args", "sh", {"process.args", "not a list"}},
      {"/process/cwd", 7, {"process.cwd"}},
      {"/root", nullptr, {"root.path"}},
      {"/root/path", "nowhere", {"root.path", "nowhere"}},
      {"/linux/seccomp", {{"defaultAction", "SCMP_ACT_DANCE"}}, {"SCMP_ACT_DANCE"}},
      {"/mounts/0/destination", "/../../etc", {"mounts[0].destination"}},
      {"/mounts/3/source", "/no/such/source", {"/no/such/source", "does not exist"}},
      {"/mounts/0/type", "nofs", {"nofs"}},
      {"/mounts/1/options", {"size=huge"}, {"size=huge"}},
      {"/process/apparmorProfile", "mine", {"mine", "AppArmor"}},
      {"/hooks", {{"prestart", {{{"path", "/bin/true"}}}}}, {"hooks.prestart"}},
      {"/hostname", std::string("a\0b", 3), {"hostname"}},
      {"/linux/sysctl", {{"kernel.panic", "1"}}, {"kernel.panic"}},
      {"/linux/namespaces/4/path", "/no/such/ns", {"/no/such/ns"}},
  };
  for (const Damage& damage : damages) {
    Json config = Bundle("true");
    config[Json::json_pointer(damage.pointer)] = damage.value;
    EXPECT_THAT(Create(config.dump()), FailsSaying(1, damage.says)) << damage.pointer;
    ExpectNothingLeft();
  }
  const std::string good = Bundle("true").dump();
  const std::pair<std::string, const char*> texts[] = {
      {"", "not JSON"},
      {"{", "not JSON"},
      {good.substr(0, good.size() / 2), "not JSON"},
      {good + std::string(10 << 20, ' '), "4 MiB"},
      {std::string("{\0}", 3), "not JSON"},
      {R"({"x": )" + std::string(5000, '[') + std::string(5000, ']') + "}", "nested"}};
  for (const auto& [text, says] : texts) {
    EXPECT_THAT(Create(text), FailsSaying(1, {says}));
    ExpectNothingLeft();
  }
}

TEST_F(RuntimeTest, UnknownCallsOfAFilterAreSkipped) {
  Json config = Bundle("sync && echo synced || echo not");
  config["linux"]["seccomp"] = Json::parse(R"({
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["no_such_call", "sethostname"], "action": "SCMP_ACT_ERRNO"}]})");
  EXPECT_EQ(RunBundle(config), "synced\nend\n");
}

TEST_F(RuntimeTest, FeaturesAreTrue) {
  const Result result = RunProgram({Program("vx-runtime"), "features"});
  const Json features = Json::parse(result.out, nullptr, false);
  ASSERT_TRUE(features.is_object()) << result;
  EXPECT_TRUE(features["hooks"].empty());
  // Each option is one that the parser takes.
  for (const Json& option : features["mountOptions"]) {
    if (option == "idmap" || option == "ridmap") continue;
    Json config = Bundle("true");
    config["mounts"][3]["options"] = {"rbind", option};
    EXPECT_THAT(Create(config.dump()), Succeeds()) << option;
    EXPECT_THAT(RunProgram({Program("vx-runtime"), "--root", root(), "delete", "-f", id_}),
                Succeeds());
  }
}

}  // namespace
}  // namespace vx::system_test
