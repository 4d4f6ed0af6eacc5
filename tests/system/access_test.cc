// Who may talk to vxd, and how any gRPC client does.
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "tests/system/harness/sandbox.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

constexpr int kNobody = 65534;

class AccessTest : public SharedDaemonTest {};

TEST_F(AccessTest, TheSocketIsForRootAndTheGroupAlone) {
  struct stat info{};
  ASSERT_EQ(stat(vx().socket().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0660u);
  EXPECT_EQ(info.st_uid, 0u);
  EXPECT_EQ(info.st_gid, static_cast<gid_t>(kVxGroup));
}

TEST_F(AccessTest, AUserOutsideTheGroupIsToldWhatToDo) {
  Result result = vx().VxctlAs(kNobody, kNobody, {"ls"});
  EXPECT_THAT(result, FailsSaying(1, {vx().socket(), "hint:", "group vx"}));
}

TEST_F(AccessTest, AMemberOfTheGroupOperates) {
  Result result = vx().VxctlAs(kNobody, kVxGroup,
                               {"run", "--rm", "--kind=container", "busybox", "--", "echo", "hi"});
  EXPECT_EQ(result.out, "hi\n") << result;
}

TEST_F(AccessTest, AMemberOfTheGroupGetsNothingOfTheHost) {
  Result result =
      vx().VxctlAs(kNobody, kVxGroup, {"create", "--kind=container", "-v", "/etc:/etc", "busybox"});
  EXPECT_NE(result.code, 0);
  EXPECT_EQ(Vxctl({"ls", "-a", "-q"}).out, "") << result;
}

TEST_F(AccessTest, ControlSocketsAreOutOfOthersReach) {
  Result result = RunProgram({"find", vx().runtime_dir(), "-mindepth", "1", "-maxdepth", "1",
                              "-type", "d", "-perm", "/067"});
  EXPECT_EQ(result.out, "") << "others may enter, or look into, these folders of vxd's";
  // QEMUs pass through some, by entries for their group; nobody else does.
  for (const char* driver : {"container", "libvirt"}) {
    Result entered = RunProgram({"setpriv", absl::StrCat("--reuid=", kNobody),
                                 absl::StrCat("--regid=", kVxGroup), "--clear-groups", "ls",
                                 absl::StrCat(vx().runtime_dir(), "/", driver, "/.")});
    EXPECT_THAT(entered.err, HasSubstr("ermission denied")) << entered;
  }
}

TEST_F(AccessTest, AnyGrpcClientFindsServicesAndHealth) {
  Result result = RunProgram({"/usr/bin/python3", VX_TEST_SOURCE_DIR "/tests/system/grpc_client.py",
                              "unix:" + vx().socket()});
  EXPECT_THAT(result, Succeeds()) << result;
  EXPECT_THAT(result.out, HasSubstr("health: SERVING"));
  for (const char* service : {"Workload", "Operation", "Event", "Image", "System"}) {
    EXPECT_THAT(result.out, HasSubstr(absl::StrCat("vx.v1.", service, "Service")));
  }
  EXPECT_THAT(result.out, HasSubstr("grpc.health.v1.Health"));
  EXPECT_THAT(result.out, HasSubstr("describes vx.v1.WorkloadService"));
}

}  // namespace
}  // namespace vx::system_test
