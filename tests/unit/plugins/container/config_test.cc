#include "plugins/container/runtime/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include "daemon/base/error.h"

namespace vx::container {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// The least that is accepted.
json Minimal() {
  return json::parse(R"({
    "ociVersion": "1.0.2",
    "process": {"args": ["sh"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
    "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": "pid"}, {"type": "mount"}]}
  })");
}

absl::StatusOr<Config> Parse(const json& config) { return ParseConfig(config.dump(), "/bundle"); }

void ExpectRefused(const json& config, const char* field) {
  const absl::Status status = Parse(config).status();
  EXPECT_EQ(ErrorReason(status), "BAD_CONFIG") << config;
  EXPECT_THAT(std::string(status.message()), HasSubstr(field)) << config;
}

TEST(Config, TheLeastIsEnough) {
  auto config = Parse(Minimal());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_THAT(config->process.args, ElementsAre("sh"));
  EXPECT_EQ(config->rootfs, "/bundle/rootfs");
  EXPECT_EQ(config->new_namespaces, CLONE_NEWPID | CLONE_NEWNS);
  EXPECT_FALSE(config->overlay.has_value());
  EXPECT_TRUE(config->seccomp.is_null());
}

TEST(Config, ReadsProcessInFull) {
  json config = Minimal();
  config["process"] = json::parse(R"({
    "args": ["a", ""], "env": ["A=b"], "cwd": "/w", "noNewPrivileges": true, "oomScoreAdj": -5,
    "user": {"uid": 3, "gid": 4, "additionalGids": [5, 6], "umask": 63},
    "capabilities": {"bounding": ["CAP_CHOWN", "CAP_CHECKPOINT_RESTORE"], "ambient": ["CAP_KILL"]},
    "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 18446744073709551615}]})");
  auto parsed = Parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const ProcessConfig& process = parsed->process;
  EXPECT_EQ(process.uid, 3u);
  EXPECT_EQ(process.gid, 4u);
  EXPECT_THAT(process.additional_gids, ElementsAre(5, 6));
  EXPECT_EQ(process.umask, 077u);
  EXPECT_EQ(process.capabilities.bounding, (uint64_t{1} << 40) | 1u);
  EXPECT_EQ(process.capabilities.ambient, uint64_t{1} << 5);
  EXPECT_TRUE(process.no_new_privileges);
  EXPECT_EQ(process.oom_score_adj, -5);
  ASSERT_EQ(process.rlimits.size(), 1u);
  EXPECT_EQ(process.rlimits[0].soft, 10u);
  EXPECT_EQ(process.rlimits[0].hard, UINT64_MAX);
}

TEST(Config, ReadsLimitsMappingsAndNamespaces) {
  json config = Minimal();
  config["linux"] = json::parse(R"({
    "namespaces": [{"type": "pid"}, {"type": "mount"}, {"type": "user"},
                   {"type": "network", "path": "/run/netns/n"}],
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
    "gidMappings": [{"containerID": 0, "hostID": 2000, "size": 10}],
    "cgroupsPath": "vx-1/c",
    "resources": {"memory": {"limit": 1048576}, "cpu": {"quota": 5000, "period": 10000},
                  "pids": {"limit": 0}}})");
  auto parsed = Parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->root_uid(), 1000u);
  EXPECT_EQ(parsed->root_gid(), 2000u);
  EXPECT_EQ(parsed->cgroups_path, "/vx-1/c");
  EXPECT_EQ(parsed->limits.memory_bytes, 1048576);
  EXPECT_EQ(parsed->limits.cpu_quota, 5000);
  EXPECT_EQ(parsed->limits.pids, -1) << "0 means no limit in OCI";
  ASSERT_EQ(parsed->joined_namespaces.size(), 1u);
  EXPECT_EQ(parsed->joined_namespaces[0].flag, CLONE_NEWNET);
}

TEST(Config, MountOptionsBecomeFlagsAndTheRestIsTheFilesystems) {
  json config = Minimal();
  config["mounts"] = json::parse(R"([
    {"destination": "/t", "type": "tmpfs", "options": ["nosuid", "noexec", "exec", "size=1m", "mode=755"]},
    {"destination": "/b", "source": "/src", "options": ["rbind", "ro", "rslave"]}])");
  auto parsed = Parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->mounts[0].flags, static_cast<unsigned long>(MS_NOSUID));
  EXPECT_EQ(parsed->mounts[0].data, "size=1m,mode=755");
  EXPECT_EQ(parsed->mounts[1].flags, static_cast<unsigned long>(MS_BIND | MS_REC | MS_RDONLY));
  EXPECT_EQ(parsed->mounts[1].propagation, static_cast<unsigned long>(MS_SLAVE | MS_REC));
}

TEST(Config, AnOverlayNeedsBothHalves) {
  json config = Minimal();
  config["annotations"] = {{"vx.overlay.lower", "/l/0\n/l/1"}};
  ExpectRefused(config, "vx.overlay.upper");
  config["annotations"]["vx.overlay.upper"] = "/u";
  config["annotations"]["vx.overlay.volatile"] = "true";
  auto parsed = Parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->overlay->lower, ElementsAre("/l/0", "/l/1"));
  EXPECT_TRUE(parsed->overlay->is_volatile);
}

TEST(Config, WhatIsNoConfigIsRefused) {
  for (const char* text : {"", "{", "[]", "7", "null"}) {
    EXPECT_EQ(ErrorReason(ParseConfig(text, "/b").status()), "BAD_CONFIG") << text;
  }
}

struct Refusal {
  const char* pointer;
  json value;
  const char* field;
};

TEST(Config, ARefusalNamesTheField) {
  const std::vector<Refusal> refusals = {
      {"/ociVersion", "2.0", "ociVersion"},
      {"/process/args", json::array(), "process.args"},
      {"/process/args", "sh", "process.args is not a list"},
      {"/process/args/0", 7, "process.args[0]"},
      {"/process/args/0", std::string("a\0b", 3), "zero byte"},
      {"/process/cwd", "relative", "process.cwd"},
      {"/process/terminal", "yes", "process.terminal"},
      {"/process/user/uid", -1, "process.user.uid"},
      {"/process/user/uid", 4294967296, "process.user.uid"},
      {"/process/noNewPrivileges", "yes", "process.noNewPrivileges"},
      {"/process/capabilities", {{"bounding", {"CAP_FLY"}}}, "CAP_FLY"},
      {"/process/rlimits", {{{"type", "RLIMIT_FUN"}}}, "RLIMIT_FUN"},
      {"/root", json::object(), "root.path"},
      {"/mounts", {{{"destination", "relative"}, {"type", "tmpfs"}}}, "mounts[0].destination"},
      {"/mounts", {{{"destination", "/x"}}}, "mounts[0].type"},
      {"/mounts", {{{"destination", "/x"}, {"type", "bind"}, {"source", "y"}}}, "mounts[0].source"},
      {"/linux/namespaces", {{{"type", "mount"}}}, "pid namespace"},
      {"/linux/namespaces", {{{"type", "pid"}}}, "mount namespace"},
      {"/linux/namespaces/0/type", "moon", "moon"},
      {"/linux/cgroupsPath", "/a/../b", "linux.cgroupsPath"},
      {"/linux/uidMappings",
       {{{"containerID", 0}, {"hostID", 1}, {"size", 0}}},
       "uidMappings[0].size"},
      {"/linux/devices", {{{"path", "/dev/a/../b"}, {"type", "c"}}}, "linux.devices[0].path"},
      {"/linux/devices", {{{"path", "/etc/b"}, {"type", "c"}}}, "linux.devices[0].path"},
      {"/linux/devices", {{{"path", "/dev/b"}, {"type", "c"}}}, "linux.devices needs a mount"},
      {"/linux/devices", {{{"path", "/dev/a"}, {"type", "z"}}}, "linux.devices[0].type"},
      {"/linux/resources", {{"memory", {{"limit", "1g"}}}}, "linux.resources.memory.limit"},
      {"/linux/sysctl", {{"kernel..x", "1"}}, "linux.sysctl"},
      {"/hostname", "h", "uts namespace"},
      {"/annotations", {{"a", 1}}, "annotations.a"},
      {"/annotations", {{"a", std::string("\0", 1)}}, "zero byte"},
      {"/domainname", "d", "uts namespace"},
      {"/process", 7, "process"},
      {"/process/user", 7, "process.user"},
      {"/process/capabilities", json::array(), "process.capabilities"},
      {"/process/user/umask", "022", "process.user.umask"},
      {"/process/user/additionalGids", {4294967295}, "additionalGids[0]"},
      {"/process/oomScoreAdj", "high", "process.oomScoreAdj"},
      {"/process/oomScoreAdj", 1001, "process.oomScoreAdj"},
      {"/process/selinuxLabel", "l", "process.selinuxLabel"},
      {"/process/ioPriority", {{"class", "IOPRIO_CLASS_IDLE"}}, "process.ioPriority"},
      {"/process/scheduler", {{"policy", "SCHED_FIFO"}}, "process.scheduler"},
      {"/process/rlimits",
       {{{"type", "RLIMIT_CPU"}}, {{"type", "RLIMIT_CPU"}}},
       "process.rlimits[1].type repeats"},
      {"/root", "rootfs", "root is not an object"},
      {"/linux", json::array(), "linux is not an object"},
      {"/linux/namespaces", {{{"type", "pid"}}, {{"type", "pid"}}}, "repeats"},
      {"/linux/namespaces/1/path", "/proc/1/ns/mnt", "can't be joined"},
      {"/linux/namespaces/2", {{"type", "user"}, {"path", "/proc/1/ns/user"}}, "can't be joined"},
      {"/linux/rootfsPropagation", "shared", "linux.rootfsPropagation"},
      {"/linux/mountLabel", "l", "linux.mountLabel"},
      {"/linux/timeOffsets", {{"boottime", {{"secs", 1}}}}, "linux.timeOffsets"},
      {"/linux/intelRdt", {{"closID", "x"}}, "linux.intelRdt"},
      {"/linux/personality", {{"domain", "SOLARIS"}}, "linux.personality.domain"},
      {"/linux/seccomp", "strict", "linux.seccomp"},
      {"/linux/sysctl", {{"net.ipv4.ip_forward", "1"}}, "linux.sysctl.net.ipv4.ip_forward"},
      {"/linux/sysctl", {{"kernel.core_pattern", "|x"}}, "whole host"},
      {"/linux/sysctl", {{"kernel/panic", "1"}}, "whole host"},
      {"/hooks", {{"poststop", {{{"path", "/bin/true"}}}}}, "hooks.poststop"},
      {"/hooks", 1, "hooks"},
      {"/mounts", {{{"destination", "/a/../../b"}, {"type", "tmpfs"}}}, "mounts[0].destination"},
      {"/mounts", {{{"destination", "/."}, {"type", "tmpfs"}}}, "mounts[0].destination"},
      {"/mounts", {7}, "mounts[0]"},
      {"/mounts",
       {{{"destination", "/x"}, {"type", "tmpfs"}, {"options", {"tmpcopyup"}}}},
       "tmpcopyup"},
      {"/mounts",
       {{{"destination", "/x"}, {"source", "/y"}, {"options", {"rbind", "rshared"}}}},
       "rshared"},
      {"/mounts",
       {{{"destination", "/x"}, {"source", "/y"}, {"options", {"bind", "idmap"}}}},
       "mounts[0].uidMappings"},
      {"/mounts",
       {{{"destination", "/x"}, {"type", "tmpfs"}, {"options", {"idmap"}}}},
       "mounts[0].options"}};
  for (const Refusal& refusal : refusals) {
    json config = Minimal();
    config[json::json_pointer(refusal.pointer)] = refusal.value;
    ExpectRefused(config, refusal.field);
  }
}

TEST(Config, WhatTheSpecificationDoesNotKnowIsIgnored) {
  json config = Minimal();
  config["windows"] = {{"layerFolders", 7}};
  config["process"]["future"] = json::array({1});
  config["linux"]["future"] = "x";
  config["hooks"] = {{"prestart", json::array()}};
  EXPECT_TRUE(Parse(config).ok());
}

TEST(Config, HugeAndDeepFilesAreRefused) {
  const std::string deep = std::string(100000, '[') + std::string(100000, ']');
  const absl::Status nested = ParseConfig(R"({"x": )" + deep + "}", "/b").status();
  EXPECT_THAT(std::string(nested.message()), HasSubstr("nested deeper"));
  const std::string huge(kMaxConfigBytes + 1, ' ');
  EXPECT_THAT(std::string(ParseConfig(huge, "/b").status().message()), HasSubstr("4 MiB"));
}

TEST(Config, OptionsWithAnRBeforeThemAreOfTheMountsBelowAsWell) {
  json config = Minimal();
  config["mounts"] = json::parse(R"([
    {"destination": "//b/./c/", "source": "/src", "options": ["rbind", "rro", "rexec", "rw", "suid"]}])");
  auto parsed = Parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const MountConfig& mount = parsed->mounts[0];
  EXPECT_EQ(mount.destination, "/b/c");
  EXPECT_EQ(mount.flags, static_cast<unsigned long>(MS_BIND | MS_REC));
  EXPECT_EQ(mount.cleared, static_cast<unsigned long>(MS_RDONLY | MS_NOSUID));
  EXPECT_EQ(mount.recursive_flags, static_cast<unsigned long>(MS_RDONLY));
  EXPECT_EQ(mount.recursive_cleared, static_cast<unsigned long>(MS_NOEXEC));
}

TEST(Config, SysctlsOfAnOwnNamespaceAreTaken) {
  json config = Minimal();
  config["linux"]["namespaces"].push_back({{"type", "ipc"}});
  config["linux"]["namespaces"].push_back({{"type", "network"}, {"path", "/run/netns/n"}});
  config["linux"]["sysctl"] = {{"kernel.shmmax", "1"},
                               {"fs.mqueue.msg_max", "2"},
                               {"kernel.sem", "1 2 3 4"},
                               {"net/ipv4/conf/eth0.1/rp_filter", "1"}};
  EXPECT_TRUE(Parse(config).ok()) << Parse(config).status();
  config["linux"]["sysctl"]["kernel.shm_next_id"] = "1";
  ExpectRefused(config, "kernel.shm_next_id");
}

TEST(Config, IdsAreTranslatedByTheMappings) {
  json config = Minimal();
  config["linux"]["namespaces"].push_back({{"type", "user"}});
  const json mappings = json::parse(R"([{"containerID": 0, "hostID": 1000, "size": 10},
                                        {"containerID": 10, "hostID": 5000, "size": 10}])");
  config["linux"]["uidMappings"] = mappings;
  config["linux"]["gidMappings"] = mappings;
  auto parsed = Parse(config);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->HostUid(9), 1009u);
  EXPECT_EQ(parsed->HostGid(10), 5000u);
  EXPECT_EQ(Parse(Minimal())->HostUid(7), 7u);
}

TEST(Config, AUserNamespaceNeedsMappings) {
  json config = Minimal();
  config["linux"]["namespaces"].push_back({{"type", "user"}});
  ExpectRefused(config, "uidMappings");
}

}  // namespace
}  // namespace vx::container
