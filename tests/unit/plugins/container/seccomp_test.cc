#include "plugins/container/runtime/seccomp.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "plugins/container/seccomp_profile.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::container {
namespace {

using nlohmann::json;

absl::StatusOr<SeccompProgram> Compile(absl::string_view text, uint64_t capabilities = 0) {
  return CompileSeccomp(json::parse(text.begin(), text.end()), capabilities);
}

uint64_t Bit(const char* capability) { return uint64_t{1} << CapabilityNumber(capability); }

// errno of `call` under the filter, 0 when it succeeds; in a process of its own.
template <typename Call>
int Under(const SeccompProgram& program, Call call) {
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!InstallSeccomp(program).ok()) _exit(255);
    errno = 0;
    const long result = call();
    _exit(result < 0 ? errno : 0);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class DefaultProfile : public testing::Test {
 protected:
  void SetUp() override {
    auto program = Compile(DefaultSeccompProfile());
    ASSERT_TRUE(program.ok()) << program.status();
    program_ = *std::move(program);
  }

  SeccompProgram program_;
};

TEST_F(DefaultProfile, LetsOrdinaryCallsThrough) {
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_getppid); }), 0);
  EXPECT_EQ(Under(program_, [] { return static_cast<long>(socket(AF_INET, SOCK_DGRAM, 0)); }), 0);
  EXPECT_EQ(Under(program_, [] { return static_cast<long>(fork()) < 0 ? -1L : 0L; }), 0);
}

TEST_F(DefaultProfile, RefusesWhatAContainerHasNoBusinessWith) {
  EXPECT_EQ(Under(program_, [] { return long{unshare(CLONE_NEWUSER)}; }), EPERM);
  EXPECT_EQ(Under(program_, [] { return long{mount("none", "/nowhere", "tmpfs", 0, nullptr)}; }),
            EPERM);
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); }), EPERM);
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_bpf, 0, nullptr, 0); }), EPERM);
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_init_module, nullptr, 0, ""); }), EPERM);
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_kexec_load, 0, 0, nullptr, 0); }), EPERM);
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_io_uring_setup, 1, nullptr); }), EPERM);
}

TEST_F(DefaultProfile, RefusesNewNamespacesInClone) {
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }),
            EPERM);
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, 0, 0); }),
            EPERM);
  EXPECT_EQ(Under(program_, [] { return syscall(SYS_clone3, nullptr, 0); }), ENOSYS);
}

TEST_F(DefaultProfile, RefusesOddSocketFamiliesAndUnknownCalls) {
  EXPECT_EQ(Under(program_, [] { return static_cast<long>(socket(40, SOCK_STREAM, 0)); }),
            EAFNOSUPPORT);
  EXPECT_EQ(Under(program_, [] { return static_cast<long>(socket(38, SOCK_SEQPACKET, 0)); }),
            EAFNOSUPPORT);
  EXPECT_EQ(Under(program_, [] { return static_cast<long>(socket(AF_NETLINK, SOCK_RAW, 0)); }), 0);
  EXPECT_EQ(Under(program_, [] { return syscall(499); }), ENOSYS);
}

TEST(CompileSeccomp, NoProfileIsNoFilter) {
  auto program = CompileSeccomp(nullptr, 0);
  ASSERT_TRUE(program.ok());
  EXPECT_TRUE(program->empty());
  EXPECT_TRUE(InstallSeccomp(*program).ok());
}

TEST(CompileSeccomp, AnErrorNumberIsTheRulesOwn) {
  auto program = Compile(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["getppid", "no_such_call"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}]})");
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(Under(*program, [] { return syscall(SYS_getppid); }), 77);
}

TEST(CompileSeccomp, WhatMakesNoSenseIsRefused) {
  for (
      const char* profile :
      {R"({})", R"({"defaultAction": "SCMP_ACT_DANCE"})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": "read", "action": "SCMP_ACT_LOG"}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG",
            "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG",
            "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_LIKE"}]}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/run/l"})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG"]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86"], "archMap": []})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG",
            "includes": {"caps": ["CAP_FLY"]}}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_LOG",
            "excludes": {"minKernel": "new"}}]})",
       R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"],
            "action": "SCMP_ACT_ERRNO", "errnoRet": 70000}]})"}) {
    EXPECT_EQ(ErrorReason(Compile(profile).status()), "BAD_CONFIG") << profile;
  }
}

TEST_F(DefaultProfile, LetsThroughWhatACapabilityIsFor) {
  auto admin = Compile(DefaultSeccompProfile(), Bit("CAP_SYS_ADMIN"));
  ASSERT_TRUE(admin.ok()) << admin.status();
  EXPECT_EQ(Under(*admin, [] { return long{mount("none", "/nowhere", "tmpfs", 0, nullptr)}; }),
            ENOENT);
  EXPECT_EQ(Under(*admin, [] { return syscall(SYS_clone3, nullptr, 0); }), EINVAL);
  EXPECT_EQ(Under(*admin, [] { return syscall(SYS_init_module, nullptr, 0, ""); }), EPERM);
  EXPECT_EQ(Under(*admin, [] { return syscall(SYS_keyctl, 0, 0, 0, 0, 0); }), EPERM);
  auto all = Compile(DefaultSeccompProfile(), ~uint64_t{0});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_NE(Under(*all, [] { return syscall(SYS_open_by_handle_at, -1, nullptr, 0); }), EPERM);
}

// A rule of getppid with errno 77 and a condition, for a container with CAP_CHOWN on this
// machine.
bool Applies(const std::string& condition) {
  auto program = Compile(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"name": "getppid", "args": null, "action": "SCMP_ACT_ERRNO", "errnoRet": 77, )" +
                             condition + "}]}",
                         Bit("CAP_CHOWN"));
  EXPECT_TRUE(program.ok()) << program.status() << condition;
  return program.ok() && Under(*program, [] { return syscall(SYS_getppid); }) == 77;
}

TEST(CompileSeccomp, ARuleCountsWhereItsConditionsHold) {
  EXPECT_TRUE(Applies(R"("includes": {}, "excludes": {})"));
  EXPECT_TRUE(Applies(R"("includes": {"caps": ["CAP_CHOWN"]})"));
  EXPECT_FALSE(Applies(R"("includes": {"caps": ["CAP_CHOWN", "CAP_KILL"]})"));
  EXPECT_FALSE(Applies(R"("excludes": {"caps": ["CAP_CHOWN", "CAP_KILL"]})"));
  EXPECT_TRUE(Applies(R"("excludes": {"caps": ["CAP_KILL"]})"));
  EXPECT_TRUE(Applies(R"("includes": {"arches": ["amd64", "arm64"]})"));
  EXPECT_FALSE(Applies(R"("includes": {"arches": ["s390x"]})"));
  EXPECT_FALSE(Applies(R"("excludes": {"arches": ["amd64", "arm64"]})"));
  EXPECT_TRUE(Applies(R"("includes": {"minKernel": "4.8"})"));
  EXPECT_FALSE(Applies(R"("includes": {"minKernel": "99.0"})"));
  EXPECT_FALSE(Applies(R"("excludes": {"minKernel": "4.8"})"));
}

TEST(CompileSeccomp, ConditionsOnOneArgumentAreAlternatives) {
  auto program = Compile(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["dup"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": [
      {"index": 0, "value": 5000, "op": "SCMP_CMP_EQ"},
      {"index": 0, "value": 6000, "op": "SCMP_CMP_EQ"}]}]})");
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(Under(*program, [] { return syscall(SYS_dup, 5000); }), 77);
  EXPECT_EQ(Under(*program, [] { return syscall(SYS_dup, 6000); }), 77);
  EXPECT_EQ(Under(*program, [] { return syscall(SYS_dup, 7000); }), EBADF);
}

TEST(LoadSeccomp, EachSetOfCapabilitiesHasItsOwnProgram) {
  TempDir dir;
  const std::string path = dir.path() + "/p.json";
  ASSERT_TRUE(WriteFileAtomic(path, DefaultSeccompProfile(), 0600).ok());
  auto none = LoadSeccomp(path, 0);
  auto admin = LoadSeccomp(path, Bit("CAP_SYS_ADMIN"));
  ASSERT_TRUE(none.ok() && admin.ok());
  const auto mounts = [] { return long{mount("none", "/nowhere", "tmpfs", 0, nullptr)}; };
  EXPECT_EQ(Under(*LoadSeccomp(path, 0), mounts), EPERM);
  EXPECT_EQ(Under(*LoadSeccomp(path, Bit("CAP_SYS_ADMIN")), mounts), ENOENT);
}

TEST(LoadSeccomp, TheSecondTimeTheCompiledOneIsRead) {
  TempDir dir;
  const std::string path = dir.path() + "/p.json";
  ASSERT_TRUE(WriteFileAtomic(path, DefaultSeccompProfile(), 0600).ok());
  auto first = LoadSeccomp(path, 0);
  ASSERT_TRUE(first.ok()) << first.status();
  // Now only the compiled one makes sense.
  ASSERT_TRUE(WriteFileAtomic(path, "nonsense", 0600).ok());
  auto second = LoadSeccomp(path, 0);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->size(), second->size());
  // A broken cache is made anew.
  ASSERT_TRUE(WriteFileAtomic(path, DefaultSeccompProfile(), 0600).ok());
  auto names = ListDir(dir.path());
  ASSERT_TRUE(names.ok());
  ASSERT_EQ(names->size(), 2u);
  ASSERT_TRUE(WriteFileAtomic(dir.path() + "/" + names->back(), "torn", 0600).ok());
  auto third = LoadSeccomp(path, 0);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(first->size(), third->size());
}

}  // namespace
}  // namespace vx::container
