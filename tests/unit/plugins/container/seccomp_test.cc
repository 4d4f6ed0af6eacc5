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

absl::StatusOr<SeccompProgram> Compile(absl::string_view text) {
  return CompileSeccomp(json::parse(text.begin(), text.end()));
}

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
  auto program = CompileSeccomp(nullptr);
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
            "args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]}]})"}) {
    EXPECT_EQ(ErrorReason(Compile(profile).status()), "BAD_CONFIG") << profile;
  }
}

TEST(LoadSeccomp, TheSecondTimeTheCompiledOneIsRead) {
  TempDir dir;
  const std::string path = dir.path() + "/p.json";
  ASSERT_TRUE(WriteFileAtomic(path, DefaultSeccompProfile(), 0600).ok());
  auto first = LoadSeccomp(path);
  ASSERT_TRUE(first.ok()) << first.status();
  // Now only the compiled one makes sense.
  ASSERT_TRUE(WriteFileAtomic(path, "nonsense", 0600).ok());
  auto second = LoadSeccomp(path);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->size(), second->size());
  // A broken cache is made anew.
  ASSERT_TRUE(WriteFileAtomic(path, DefaultSeccompProfile(), 0600).ok());
  ASSERT_TRUE(WriteFileAtomic(path + ".bpf", "torn", 0600).ok());
  auto third = LoadSeccomp(path);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_EQ(first->size(), third->size());
}

}  // namespace
}  // namespace vx::container
