// Mounts and cgroups.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/leftovers/fixture.h"
#include "tests/leftovers/procfs.h"

namespace vx::leftovers {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

bool MountTmpfs(const std::string& path) {
  return mount("none", path.c_str(), "tmpfs", 0, nullptr) == 0;
}

// A namespace of its own that copies nothing back.
bool OwnMounts() {
  return unshare(CLONE_NEWNS) == 0 &&
         mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

class MountsTest : public LeftoversTest {
 protected:
  MountsTest() : point_(runtime() + "/mnt") { MakeDir(point_); }
  ~MountsTest() override { umount2(point_.c_str(), MNT_DETACH); }
  const std::string point_;
};

TEST_F(MountsTest, OneInAFolderIsFound) {
  ASSERT_TRUE(MountTmpfs(point_));
  EXPECT_THAT(Found(), ElementsAre(Is("mount", point_)));
}

TEST_F(MountsTest, OneWhoseNameHasABlankIsFound) {
  const std::string point = runtime() + "/a b";
  MakeDir(point);
  ASSERT_TRUE(MountTmpfs(point));
  EXPECT_THAT(Found(), ElementsAre(Is("mount", point)));
  umount(point.c_str());
}

TEST_F(MountsTest, OneElsewhereOfSomethingInAFolderIsFound) {
  const std::string options = "lowerdir=" + state() + ":" + runtime();
  ASSERT_EQ(mount("none", elsewhere().c_str(), "overlay", MS_RDONLY, options.c_str()), 0);
  EXPECT_THAT(Found(), ElementsAre(Is("mount", elsewhere())));
  umount(elsewhere().c_str());
}

TEST_F(MountsTest, OneInAnotherProcessesNamespaceIsFound) {
  Forked child([&] { return OwnMounts() && MountTmpfs(point_); });
  EXPECT_THAT(Found(), ElementsAre(Is("mount", point_ + " in mnt:[")));
}

TEST_F(MountsTest, OneInANamespaceThatIsOnlyHeldOpenIsFound) {
  int held = -1;
  {
    Forked child([&] { return OwnMounts() && MountTmpfs(point_); });
    held = open(child.proc("ns/mnt").c_str(), O_RDONLY | O_CLOEXEC);
  }
  EXPECT_THAT(Found(), ElementsAre(Is("mount", point_ + " in mnt:[")));
  close(held);
  EXPECT_THAT(LookAfter(scope(), {}, std::chrono::seconds(10)).Lines(), IsEmpty());
}

TEST_F(MountsTest, OneWithoutAPlaceIsFoundByWhatItShows) {
  ASSERT_EQ(mount(point_.c_str(), point_.c_str(), nullptr, MS_BIND, nullptr), 0);
  const int held = open(point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(umount2(point_.c_str(), MNT_DETACH), 0);
  EXPECT_THAT(Found(), ElementsAre(Is("mount", "without a place")));
  close(held);
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(MountsTest, InNamespacesOfTheTestsOwnAnyNewOneIsFound) {
  scope() = Scope{.here = true};
  const std::set<Finding> before = Look(scope()).findings;
  EXPECT_THAT(before, Not(IsEmpty()));
  ASSERT_TRUE(MountTmpfs(point_));
  const auto after = [&] { return LookAfter(scope(), before, {}).Lines(); };
  EXPECT_THAT(after(), ElementsAre(Is("mount", point_)));
  const int held = open(point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(umount2(point_.c_str(), MNT_DETACH), 0);
  EXPECT_THAT(after(), ElementsAre(Is("mount", "without a place")));
  close(held);
  EXPECT_THAT(after(), IsEmpty());
}

TEST_F(MountsTest, OneOfAWorkloadThatRunsIsNone) {
  const std::string uid = NewUid(), point = runtime() + "/" + uid;
  MakeDir(point);
  ASSERT_TRUE(MountTmpfs(point));
  instance().running = {uid};
  EXPECT_THAT(Found(), IsEmpty());
  instance().running.clear();
  EXPECT_THAT(Found(), Contains(Is("mount", point)));
  umount(point.c_str());
}

TEST_F(MountsTest, OneOfTheInstanceInTheNamespaceOfAWorkloadThatRunsIsNone) {
  const std::string uid = NewUid(), run = runtime() + "/" + uid;
  MakeDir(run);
  Forked child([&] { return OwnMounts() && MountTmpfs(point_) && chdir(run.c_str()) == 0; });
  EXPECT_THAT(Found(), Contains(Is("mount", point_)));
  instance().running = {uid};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(MountsTest, WhatIsOnAMountIsNotLookedAt) {
  ASSERT_TRUE(MountTmpfs(point_));
  MakeFile(point_ + "/a.tmp");
  EXPECT_THAT(Found(), ElementsAre(Is("mount", point_)));
}

TEST_F(MountsTest, ADomainOfALibvirtdIsFound) {
  ASSERT_TRUE(MountTmpfs("/run"));
  MakeFile("/run/libvirt/qemu/" + name() + "-" + NewUid() + ".xml");
  MakeFile("/run/libvirt/qemu/another.xml");
  EXPECT_THAT(Found(), ElementsAre(Is("domain", "/run/libvirt/qemu/" + name())));
  umount("/run");
}

class CgroupsTest : public LeftoversTest {
 protected:
  CgroupsTest() {
    std::set<std::string> seen;
    for (const Mount& mount : ParseMounts(ReadAll("/proc/self/mountinfo"))) {
      if (mount.type.starts_with("cgroup")) roots_.push_back(mount.point);
    }
  }
  ~CgroupsTest() override {
    for (const std::string& root : roots_) {
      for (const std::string& group : Groups(root)) rmdir(group.c_str());
    }
  }

  // A workload's and its parent, the workload's first.
  std::vector<std::string> Groups(const std::string& root) const {
    return {root + "/" + name() + "/" + uid_, root + "/" + name()};
  }
  void Make(const std::string& root) const {
    for (const std::string& group : {Groups(root)[1], Groups(root)[0]}) {
      EXPECT_EQ(mkdir(group.c_str(), 0755), 0) << group;
    }
  }

  std::vector<std::string> roots_;
  const std::string uid_ = NewUid();
};

TEST_F(CgroupsTest, GroupsOfEveryHierarchyAreFound) {
  ASSERT_THAT(roots_, Not(IsEmpty()));
  for (const std::string& root : roots_) Make(root);
  const std::vector<std::string> found = Found();
  for (const std::string& root : roots_) {
    for (const std::string& group : Groups(root)) {
      EXPECT_THAT(found, Contains(Is("cgroup", group + ": empty")));
    }
  }
  EXPECT_THAT(found, SizeIs(2 * roots_.size()));
}

TEST_F(CgroupsTest, ThoseOfAWorkloadThatRunsAndTheirParentAreNone) {
  for (const std::string& root : roots_) Make(root);
  instance().running = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
  instance().running.clear();
  instance().alive = true;
  EXPECT_THAT(Found(), SizeIs(roots_.size()));
  EXPECT_THAT(Found(), Each(Is("cgroup", uid_)));
}

TEST_F(CgroupsTest, AProcessIsFoundByItsGroup) {
  ASSERT_THAT(roots_, Not(IsEmpty()));
  Make(roots_[0]);
  {
    Forked child([&] {
      std::ofstream procs(Groups(roots_[0])[0] + "/cgroup.procs");
      procs << "0" << std::flush;
      return procs.good();
    });
    EXPECT_THAT(Found(), Contains(Is("process", "it is in the cgroup ")));
    EXPECT_THAT(Found(), Contains(Is("cgroup", uid_ + ": with 1 processes")));
  }
}

TEST_F(CgroupsTest, OnTheHostTheNameCounts) {
  ASSERT_THAT(roots_, Not(IsEmpty()));
  scope() = Scope{.host = true};
  const std::set<Finding> before = Look(scope()).findings;
  Make(roots_[0]);
  EXPECT_THAT(LookAfter(scope(), before, {}).Lines(), Contains(Is("cgroup", Groups(roots_[0])[1])));
}

}  // namespace
}  // namespace vx::leftovers
