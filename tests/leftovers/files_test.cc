// Files and domains below the two folders; claims of ids.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "tests/leftovers/fixture.h"

namespace vx::leftovers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// Leaves a socket's file behind, as who is killed does.
void MakeSocketFile(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
  close(fd);
}

class FilesTest : public LeftoversTest {
 protected:
  const std::string uid_ = NewUid();
};

TEST_F(FilesTest, WhatADaemonKeepsForItselfIsNoLeftover) {
  MakeFile(state() + "/vx.db");
  MakeFile(state() + "/lock");
  MakeFile(state() + "/container/.seccomp/13493aa6e3df4ae6.json");
  MakeFile(state() + "/libvirt/boot/" + uid_ + ".vmlinux");
  MakeFile(state() + "/images/layout/blobs/sha256/" + NewUid() + NewUid());
  for (const char* dir : {"/incoming", "/images/tmp", "/container/.trash", "/images/leases"}) {
    MakeDir(state() + dir);
  }
  MakeFile(runtime() + "/libvirt/embed/run/qemu/driver.pid");
  MakeDir(runtime() + "/libvirt/embed/lib/qemu/channel/target");
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, ABundleWithoutAWorkloadIsFound) {
  MakeFile(state() + "/container/" + uid_ + "/layers");
  EXPECT_THAT(Found(), ElementsAre(Is("file", "/container/" + uid_ + ": there is no workload")));
  instance().workloads = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, ALeaseWithoutAWorkloadIsFound) {
  MakeFile(state() + "/images/leases/" + uid_);
  EXPECT_THAT(Found(), ElementsAre(Is("file", "/leases/" + uid_)));
  instance().running = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, ARunOfAWorkloadThatIsStoppedIsFound) {
  MakeFile(runtime() + "/container/" + uid_ + "/config.json");
  instance().workloads = {uid_};
  EXPECT_THAT(Found(), ElementsAre(Is("file", "no workload " + uid_ + " runs")));
  instance().running = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, ANameThatHoldsAUidIsFoundToo) {
  MakeFile(runtime() + "/libvirt/embed/log/qemu/" + name() + "-" + uid_ + ".log");
  EXPECT_THAT(Found(), ElementsAre(Is("file", uid_ + ".log")));
}

TEST_F(FilesTest, TemporaryFilesAreFoundWhoeverTheyAreOf) {
  MakeFile(state() + "/index.json.tmp-0a1b2c3d");
  MakeFile(runtime() + "/container/" + uid_ + "/exit.tmp");
  instance().running = {uid_};
  instance().alive = true;
  EXPECT_THAT(Found(), UnorderedElementsAre(Is("file", "index.json.tmp-"), Is("file", "exit.tmp")));
}

TEST_F(FilesTest, ANameOfTwoLinesIsToldInOne) {
  MakeFile(state() + "/a\nb.tmp");
  EXPECT_THAT(Found(), ElementsAre(Is("file", "/a b.tmp")));
}

TEST_F(FilesTest, WhatIsInAStagingFolderIsFound) {
  MakeFile(state() + "/incoming/upload");
  MakeFile(state() + "/images/tmp/layer-1/etc/passwd");
  MakeFile(state() + "/container/.trash/1/a");
  EXPECT_THAT(Found(),
              UnorderedElementsAre(Is("file", "/incoming/upload: half"),
                                   Is("file", "/tmp/layer-1: half"), Is("file", ".trash/1: half")));
}

TEST_F(FilesTest, WhatIsInAnImageOrAWorkloadIsTheUsers) {
  MakeFile(state() + "/images/layers/" + NewUid() + NewUid() + "/tmp/a.tmp");
  MakeFile(state() + "/container/" + uid_ + "/root/upper/tmp/" + NewUid() + ".tmp");
  instance().workloads = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, LinksAreNotFollowed) {
  MakeFile(elsewhere() + "/cache/a.tmp");
  ASSERT_EQ(symlink((elsewhere() + "/cache").c_str(), (runtime() + "/cache").c_str()), 0);
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, ADomainIsFoundByEachOfItsTraces) {
  const std::string embed = runtime() + "/libvirt/embed", domain = name() + "-" + uid_;
  MakeFile(embed + "/run/qemu/" + domain + ".pid");
  MakeFile(embed + "/run/qemu/" + domain + ".xml");
  MakeDir(embed + "/lib/qemu/domain-1-" + name() + "-" + uid_.substr(0, 8));
  EXPECT_THAT(Found(), UnorderedElementsAre(Is("domain", ".pid"), Is("domain", ".xml"),
                                            Is("domain", "/domain-1-" + name())));
  instance().running = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, ADomainWithoutAUidIsFoundWhenNoDaemonRuns) {
  MakeFile(runtime() + "/libvirt/embed/run/qemu/probe.pid");
  EXPECT_THAT(Found(), ElementsAre(Is("domain", "probe.pid")));
  instance().alive = true;
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, ASocketOfADaemonThatIsGoneIsFound) {
  MakeSocketFile(runtime() + "/vxd.sock");
  EXPECT_THAT(Found(), ElementsAre(Is("socket", "vxd.sock: its daemon does not run")));
  instance().alive = true;
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, ASocketOfAWorkloadThatRunsOnIsNone) {
  MakeDir(runtime() + "/container/" + uid_);
  MakeSocketFile(runtime() + "/container/" + uid_ + "/control");
  instance().running = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, FoldersThatAreNotThereHoldNothing) {
  scope().instance = Instance{.state_dir = "/nonexistent/s", .runtime_dir = "/nonexistent/r"};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(FilesTest, FoldersOfANamePatternAreFoundThemselves) {
  MakeDir(elsewhere() + "/vx-test-1");
  MakeDir(elsewhere() + "/other");
  scope().dirs = {elsewhere() + "/vx-test-*"};
  EXPECT_THAT(Found(), ElementsAre(Is("file", "/vx-test-1")));
}

class ClaimsTest : public FilesTest {
 protected:
  void Claim(const std::string& text) { MakeFile(scope().claims_file, text); }
};

TEST_F(ClaimsTest, AClaimOfTheInstanceIsFound) {
  Claim("1879048192 99999999 " + NewUid() + "\n1879113728 " + id() + " " + uid_ + "\n");
  EXPECT_THAT(Found(), ElementsAre(Is("claim", "1879113728 " + id() + " " + uid_)));
}

TEST_F(ClaimsTest, AClaimOfAWorkloadThatRunsIsNone) {
  Claim("1879113728 " + id() + " " + uid_ + "\n");
  instance().running = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ClaimsTest, OnTheHostEveryClaimCounts) {
  Claim("1879048192 99999999 " + uid_ + "\n");
  EXPECT_THAT(Found(), IsEmpty());
  scope().host = true;
  EXPECT_THAT(Found(), Contains(Is("claim", "99999999 " + uid_)));
}

}  // namespace
}  // namespace vx::leftovers
