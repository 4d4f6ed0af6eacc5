#include "daemon/base/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "daemon/base/error.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

mode_t ModeOf(const std::string& path) {
  struct stat st = {};
  EXPECT_EQ(lstat(path.c_str(), &st), 0) << path;
  return st.st_mode & 07777;
}

void Write(const std::string& path, const std::string& content) {
  ASSERT_TRUE(WriteFileAtomic(path, content, 0600).ok()) << path;
}

TEST(ReadFileTest, ReadsAllOfAFileAndOfProc) {
  TempDir dir;
  const std::string big(100000, 'x');
  Write(dir / "big", big);
  EXPECT_EQ(ReadFile(dir / "big").value(), big);
  EXPECT_THAT(ReadFile("/proc/self/status").value(), testing::StartsWith("Name:"));
}

TEST(ReadFileTest, NamesTheMissingFile) {
  const absl::Status status = ReadFile("/tmp/not there").status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/tmp/not there"));
}

TEST(ReadFileTest, AFolderIsAnError) { EXPECT_FALSE(ReadFile("/tmp").ok()); }

TEST(OpenFileTest, DescriptorsAreCloseOnExec) {
  auto fd = OpenFile("/dev/null", O_RDONLY);
  ASSERT_TRUE(fd.ok());
  EXPECT_EQ(fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(WriteToFileTest, WantsTheFileToBeThere) {
  TempDir dir;
  EXPECT_TRUE(absl::IsNotFound(WriteToFile(dir / "none", "1")));
  Write(dir / "there", "");
  EXPECT_TRUE(WriteToFile(dir / "there", "42").ok());
  EXPECT_EQ(ReadFile(dir / "there").value(), "42");
}

TEST(WriteToFileTest, NamesFileAndContentThatWereRefused) {
  const absl::Status status = WriteToFile("/proc/self/oom_score_adj", "high");
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(testing::HasSubstr("high"), testing::HasSubstr("oom_score_adj")));
}

TEST(WriteFileAtomicTest, ReplacesContentAndLeavesNothingElse) {
  TempDir dir;
  for (Durability durability : {Durability::kVolatile, Durability::kDurable}) {
    ASSERT_TRUE(WriteFileAtomic(dir / "f", "one", 0640, durability).ok());
    ASSERT_TRUE(WriteFileAtomic(dir / "f", "two", 0600, durability).ok());
    EXPECT_EQ(ReadFile(dir / "f").value(), "two");
    EXPECT_EQ(ModeOf(dir / "f"), 0600u);
    EXPECT_THAT(ListDir(dir.path()).value(), ElementsAre("f"));
  }
}

TEST(WriteFileAtomicTest, AFailureLeavesTheOldAndNoTemporary) {
  TempDir dir;
  ASSERT_EQ(mkdir((dir / "f").c_str(), 0700), 0);
  EXPECT_FALSE(WriteFileAtomic(dir / "f", "text", 0600).ok());
  EXPECT_THAT(ListDir(dir.path()).value(), ElementsAre("f"));
  EXPECT_TRUE(absl::IsNotFound(WriteFileAtomic(dir / "none/f", "text", 0600)));
}

TEST(WriteFileAtomicTest, AReaderSeesOneContentOrTheOther) {
  TempDir dir;
  const std::string old_text(5000, 'a'), new_text(7000, 'b');
  Write(dir / "f", old_text);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(WriteFileAtomic(dir / "f", i % 2 == 0 ? new_text : old_text, 0600).ok());
    }
    done = true;
  });
  while (!done) {
    const std::string seen = ReadFile(dir / "f").value_or("nothing");
    EXPECT_TRUE(seen == old_text || seen == new_text) << seen.size();
  }
  writer.join();
}

TEST(RemoveTemporariesTest, RemovesWhatAKilledWriterLeftAndNothingElse) {
  TempDir dir;
  for (const char* name : {"a", "a.tmp-0123abcd", "b.tmp-", "c.tmp-12", "tmp-0123abcd"}) {
    Write(dir / name, "");
  }
  RemoveTemporaries(dir.path());
  EXPECT_THAT(ListDir(dir.path()).value(),
              testing::UnorderedElementsAre("a", "b.tmp-", "c.tmp-12", "tmp-0123abcd"));
}

TEST(MakeDirsTest, MakesParentsAndKeepsWhatIsThere) {
  TempDir dir;
  ASSERT_TRUE(MakeDirs(dir / "a/b/c", 0750).ok());
  EXPECT_EQ(ModeOf(dir / "a"), 0750u);
  EXPECT_EQ(ModeOf(dir / "a/b/c"), 0750u);
  ASSERT_TRUE(MakeDirs(dir / "a/b/c", 0700).ok());
  EXPECT_EQ(ModeOf(dir / "a/b/c"), 0750u);
}

TEST(MakeDirsTest, AFileInTheWayIsAnError) {
  TempDir dir;
  Write(dir / "f", "");
  EXPECT_FALSE(MakeDirs(dir / "f/a", 0700).ok());
}

TEST(RemoveTreeTest, NothingThereIsFine) {
  TempDir dir;
  EXPECT_TRUE(RemoveTree(dir / "none").ok());
  EXPECT_TRUE(RemoveTree(dir / "none/below").ok());
}

TEST(RemoveTreeTest, RemovesFilesFoldersAndWhatCantBeRead) {
  TempDir dir;
  ASSERT_TRUE(MakeDirs(dir / "t/a/b", 0700).ok());
  Write(dir / "t/a/b/f", "x");
  Write(dir / "t/g", "x");
  ASSERT_EQ(mkfifo((dir / "t/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(RemoveTree(dir / "t").ok());
  EXPECT_FALSE(PathExists(dir / "t"));
  Write(dir / "single", "x");
  ASSERT_TRUE(RemoveTree(dir / "single").ok());
  EXPECT_FALSE(PathExists(dir / "single"));
}

TEST(RemoveTreeTest, LinksAreRemovedAndNotFollowed) {
  TempDir dir;
  ASSERT_TRUE(MakeDirs(dir / "kept", 0700).ok());
  Write(dir / "kept/f", "x");
  ASSERT_TRUE(MakeDirs(dir / "t", 0700).ok());
  ASSERT_EQ(symlink((dir / "kept").c_str(), (dir / "t/link").c_str()), 0);
  ASSERT_EQ(symlink((dir / "kept").c_str(), (dir / "top").c_str()), 0);
  ASSERT_TRUE(RemoveTree(dir / "t").ok());
  ASSERT_TRUE(RemoveTree(dir / "top").ok());
  EXPECT_THAT(ListDir(dir / "kept").value(), ElementsAre("f"));
  EXPECT_THAT(ListDir(dir.path()).value(), ElementsAre("kept"));
}

TEST(RemoveTreeTest, ATreeDeeperThanDescriptorsAndPathsGoIsRemoved) {
  rlimit before = {}, few = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = {300, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  TempDir dir("/dev/shm");
  UniqueFd at(open(dir.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::string name(100, 'd');
  for (int i = 0; i < 3000; ++i) {
    const std::string& step = i == 0 ? "t" : name;
    ASSERT_EQ(mkdirat(at.get(), step.c_str(), 0700), 0) << i;
    at.reset(openat(at.get(), step.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at.valid());
  }
  at.reset();
  const absl::Status status = RemoveTree(dir / "t");
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(ListDir(dir.path()).value(), IsEmpty());
}

// Runs in a mount namespace of its own; 0 when RemoveTree refused and all of the
// mounted folder is there.
int RemoveTreeOverABindMount(const TempDir& dir) {
  if (unshare(CLONE_NEWNS) < 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0 ||
      mount((dir / "kept").c_str(), (dir / "t/m").c_str(), nullptr, MS_BIND, nullptr) < 0) {
    return 2;
  }
  const absl::Status below = RemoveTree(dir / "t"), itself = RemoveTree(dir / "t/m");
  const bool refused =
      ErrorReason(below) == "MOUNT_IN_THE_WAY" && ErrorReason(itself) == "MOUNT_IN_THE_WAY";
  return refused && PathExists(dir / "kept/f") ? 0 : 1;
}

TEST(RemoveTreeTest, AMountOfTheSameFilesystemIsNotCrossed) {
  if (geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  TempDir dir;
  ASSERT_TRUE(MakeDirs(dir / "kept", 0700).ok());
  ASSERT_TRUE(MakeDirs(dir / "t/m", 0700).ok());
  Write(dir / "kept/f", "x");
  const pid_t child = fork();
  if (child == 0) _exit(RemoveTreeOverABindMount(dir));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(ListDirTest, SortsNamesAndKnowsWhatIsMissing) {
  TempDir dir;
  Write(dir / "b", "");
  Write(dir / "a", "");
  Write(dir / ".c", "");
  EXPECT_THAT(ListDir(dir.path()).value(), ElementsAre(".c", "a", "b"));
  EXPECT_TRUE(absl::IsNotFound(ListDir(dir / "none").status()));
}

TEST(ExecutableDirTest, IsWhereThisTestIs) {
  EXPECT_TRUE(PathExists(ExecutableDir() + "/unit_daemon_base"));
}

}  // namespace
}  // namespace vx
