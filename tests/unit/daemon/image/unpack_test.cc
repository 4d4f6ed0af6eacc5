#include "daemon/image/unpack.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <locale.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/image/overlay_marks.h"
#include "tests/unit/daemon/image/test_images.h"

namespace vx::image {
namespace {

bool IsRoot() { return geteuid() == 0; }

std::string XattrOf(const std::string& path, const char* name) {
  char value[256];
  ssize_t size = lgetxattr(path.c_str(), name, value, sizeof value);
  return size < 0 ? "" : std::string(value, size);
}

std::string LinkOf(const std::string& path) {
  char target[4096];
  ssize_t size = readlink(path.c_str(), target, sizeof target);
  return size < 0 ? "" : std::string(target, size);
}

// A layer is unpacked into root/, which has a neighbour that must stay as it is.
class Unpack : public testing::Test {
 protected:
  Unpack() {
    EXPECT_EQ(mkdir(root_.c_str(), 0755), 0);
    EXPECT_EQ(mkdir((dir_ / "outside").c_str(), 0755), 0);
    WriteTo(dir_ / "outside/file", "mine");
  }
  ~Unpack() override {
    EXPECT_EQ(ReadAll(dir_ / "outside/file"), "mine");
    EXPECT_EQ(ListDir(dir_ / "outside")->size(), 1u);
    EXPECT_EQ(ListDir(dir_.path())->size(), 2u);
  }

  absl::Status Run(TestTar& tar, int64_t bound = 1 << 20) { return RunBytes(tar.Bytes(), bound); }
  absl::Status RunBytes(const std::string& bytes, int64_t bound = 1 << 20) {
    StringSource source(bytes);
    Budget budget(bound, "images.max_unpacked_bytes");
    return UnpackLayer(source, root_, budget);
  }
  std::string At(absl::string_view name) const { return absl::StrCat(root_, "/", name); }
  std::string Outside() const { return dir_ / "outside"; }

  TempDir dir_;
  std::string root_ = dir_ / "root";
};

bool IsBadArchive(const absl::Status& status, absl::string_view text) {
  return ErrorReason(status) == "BAD_ARCHIVE" && absl::StrContains(status.message(), text);
}

TEST_F(Unpack, MakesFilesFoldersAndLinks) {
  TestTar tar;
  tar.Dir("./", 0751).Dir("etc/", 0750).File("etc/motd", "hi", 0640).Symlink("motd", "/etc/motd");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(ReadAll(At("etc/motd")), "hi");
  EXPECT_EQ(StatOf(At("etc/motd")).st_mode & 07777, 0640u);
  EXPECT_EQ(StatOf(At("etc")).st_mode & 07777, 0750u);
  EXPECT_EQ(StatOf(root_).st_mode & 07777, 0751u);
  EXPECT_EQ(LinkOf(At("motd")), "/etc/motd");
}

TEST_F(Unpack, ATarWithoutItsLastZerosIsWhole) {
  TestTar tar;
  tar.File("etc/one", "one");
  // umoci's layers end with the last byte of the last file.
  std::string bytes = tar.Bytes().substr(0, 512 + 3);
  ASSERT_TRUE(RunBytes(bytes).ok()) << RunBytes(bytes);
  EXPECT_EQ(ReadAll(At("etc/one")), "one");
}

TEST_F(Unpack, KeepsTimesOfFoldersToo) {
  TestTar tar;
  tar.Dir("a").File("a/b", "x").Symlink("a/l", "b");
  ASSERT_TRUE(Run(tar).ok());
  for (const char* name : {"a", "a/b", "a/l"}) {
    EXPECT_EQ(StatOf(At(name)).st_mtime, kTestTime) << name;
  }
}

TEST_F(Unpack, AFolderThatNobodyMayWriteGetsItsFiles) {
  TestTar tar;
  tar.Dir("a", 0555).File("a/b", "x");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(StatOf(At("a")).st_mode & 07777, 0555u);
  EXPECT_EQ(ReadAll(At("a/b")), "x");
  chmod(At("a").c_str(), 0755);
}

TEST_F(Unpack, KeepsSetuidAndOwner) {
  if (!IsRoot()) GTEST_SKIP() << "needs root to give files away";
  TestTar tar;
  tar.Owner(12, 34).File("su", "x", 04755).Symlink("l", "su").Dir("d", 02775);
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(StatOf(At("su")).st_mode & 07777, 04755u);
  for (const char* name : {"su", "l", "d"}) {
    EXPECT_EQ(StatOf(At(name)).st_uid, 12u) << name;
    EXPECT_EQ(StatOf(At(name)).st_gid, 34u) << name;
  }
  EXPECT_EQ(StatOf(At("d")).st_mode & 07777, 02775u);
}

TEST_F(Unpack, KeepsUserXattrsAndNoOverlayOnes) {
  TestTar tar;
  tar.Xattr("user.note", "mine")
      .Xattr("user.overlay.redirect", "/etc")
      .Xattr("trusted.overlay.redirect", "/etc")
      .File("f", "x")
      .Dir("d");
  ASSERT_TRUE(Run(tar).ok());
  for (const char* name : {"f", "d"}) {
    EXPECT_EQ(XattrOf(At(name), "user.note"), "mine");
    EXPECT_EQ(XattrOf(At(name), "user.overlay.redirect"), "");
    EXPECT_EQ(XattrOf(At(name), "trusted.overlay.redirect"), "");
  }
}

TEST_F(Unpack, KeepsFileCapabilities) {
  if (!IsRoot()) GTEST_SKIP() << "needs root to set capabilities";
  // VFS_CAP_REVISION_2 with CAP_NET_RAW permitted and effective.
  std::string capability(
      "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00",
      20);
  TestTar tar;
  tar.Owner(5, 5).Xattr("security.capability", capability).File("ping", "x", 0755);
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(XattrOf(At("ping"), "security.capability"), capability);
}

TEST_F(Unpack, HardLinksShareTheFile) {
  TestTar tar;
  tar.Dir("a").File("a/one", "x").Hardlink("two", "a/one").Hardlink("three", "/a/one");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(StatOf(At("a/one")).st_nlink, 3u);
  EXPECT_EQ(StatOf(At("a/one")).st_ino, StatOf(At("two")).st_ino);
}

TEST_F(Unpack, AHardLinkToALinkIsToTheLinkItself) {
  TestTar tar;
  tar.Symlink("link", "/etc/passwd").Hardlink("again", "link");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(LinkOf(At("again")), "/etc/passwd");
}

TEST_F(Unpack, MissingFoldersAreMade) {
  TestTar tar;
  tar.File("a/b/c/file", "x");
  mode_t umask_before = umask(077);
  absl::Status status = Run(tar);
  umask(umask_before);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(StatOf(At("a/b")).st_mode & 07777, 0755u);
}

TEST_F(Unpack, NamesOutsideAsciiSurviveTheCLocale) {
  std::string before = setlocale(LC_ALL, nullptr);
  std::string name = "gr\xc3\xbc\xc3\x9f.e";
  ASSERT_NE(setlocale(LC_ALL, "C.UTF-8"), nullptr);
  TestTar tar;
  tar.File(name, "x").Symlink("link", name).Hardlink("hard", name);
  std::string bytes = tar.Bytes();
  setlocale(LC_ALL, "C");
  absl::Status status = RunBytes(bytes);
  setlocale(LC_ALL, before.c_str());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(ReadAll(At(name)), "x");
  EXPECT_EQ(LinkOf(At("link")), name);
  EXPECT_EQ(StatOf(At("hard")).st_nlink, 2u);
}

TEST_F(Unpack, ALaterEntryReplacesAnEarlierOne) {
  TestTar tar;
  tar.File("f", "old").File("f", "new").Dir("d").File("d/x", "1").File("d", "now a file");
  tar.Symlink("l", "/nowhere").Dir("l").File("l/x", "2");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(ReadAll(At("f")), "new");
  EXPECT_EQ(ReadAll(At("d")), "now a file");
  EXPECT_EQ(ReadAll(At("l/x")), "2");
  EXPECT_EQ(StatOf(At("nowhere")).st_mode, 0u);
}

TEST_F(Unpack, WhiteoutsBecomeTheOverlaysOwn) {
  TestTar tar;
  tar.Dir("a").File("a/.wh.gone", "").File(".wh.top", "");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_TRUE(IsWhiteout(StatOf(At("a/gone"))));
  EXPECT_TRUE(IsWhiteout(StatOf(At("top"))));
  EXPECT_EQ(StatOf(At("a/.wh.gone")).st_mode, 0u);
}

TEST_F(Unpack, OpaqueFoldersAreMarkedForBothKindsOfOverlay) {
  TestTar tar;
  tar.Dir("a").File("a/.wh..wh..opq", "").File("a/kept", "x");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(XattrOf(At("a"), "user.overlay.opaque"), "y");
  if (IsRoot()) {
    EXPECT_EQ(XattrOf(At("a"), "trusted.overlay.opaque"), "y");
  }
  EXPECT_EQ(*ListDir(At("a")), std::vector<std::string>{"kept"});
}

TEST_F(Unpack, AWhiteoutNeverHidesWhatItsOwnLayerBrings) {
  TestTar tar;
  tar.File("f", "x").File(".wh.f", "");
  tar.Dir("d").File("d/x", "1").File(".wh.d", "");
  tar.File(".wh.e", "").Dir("e").File("e/x", "2");
  tar.File(".wh.g", "").File("g", "3");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(ReadAll(At("f")), "x");
  EXPECT_EQ(ReadAll(At("d/x")), "1");
  EXPECT_EQ(ReadAll(At("e/x")), "2");
  EXPECT_EQ(ReadAll(At("g")), "3");
  // What the folders' namesakes below hold is hidden all the same.
  EXPECT_EQ(XattrOf(At("d"), "user.overlay.opaque"), "y");
  EXPECT_EQ(XattrOf(At("e"), "user.overlay.opaque"), "y");
}

TEST_F(Unpack, AWhiteoutOfNothingIsRefused) {
  for (const char* name : {".wh.", ".wh..", ".wh..."}) {
    TestTar tar;
    tar.File(name, "");
    EXPECT_TRUE(IsBadArchive(Run(tar), name)) << name;
  }
}

TEST_F(Unpack, DevicesAreNotMade) {
  TestTar tar;
  tar.Device("null", 1, 3).Device("white", 0, 0).Fifo("pipe");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(*ListDir(root_), std::vector<std::string>{"pipe"});
  EXPECT_TRUE(S_ISFIFO(StatOf(At("pipe")).st_mode));
}

TEST_F(Unpack, AbsoluteNamesAreTakenFromTheRoot) {
  TestTar tar;
  tar.File("/etc/vx-test", "x");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(ReadAll(At("etc/vx-test")), "x");
  EXPECT_FALSE(PathExists("/etc/vx-test"));
}

TEST_F(Unpack, NamesThatGoUpAreRefused) {
  for (const char* name : {"../outside/evil", "a/../../outside/evil", "..", "a/.."}) {
    TestTar tar;
    tar.File(name, "x");
    EXPECT_TRUE(IsBadArchive(Run(tar), name)) << name;
  }
}

TEST_F(Unpack, AFileThroughALinkStaysInside) {
  TestTar tar;
  tar.Symlink("up", "../outside").File("up/file", "evil");
  absl::Status status = Run(tar);
  EXPECT_TRUE(IsBadArchive(status, "..")) << status;
  TestTar absolute;
  absolute.Symlink("abs", Outside()).File("abs/file", "evil");
  ASSERT_TRUE(Run(absolute).ok());
  EXPECT_EQ(ReadAll(absl::StrCat(root_, Outside(), "/file")), "evil");
}

TEST_F(Unpack, ALinkThatGoesUpEndsAtTheRoot) {
  TestTar tar;
  tar.Dir("outside").Symlink("up", "../../../outside").File("up/file", "inside");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(ReadAll(At("outside/file")), "inside");
}

TEST_F(Unpack, AFileDoesNotFollowALinkOfItsName) {
  TestTar tar;
  tar.Symlink("file", Outside() + "/file").File("file", "evil");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(ReadAll(At("file")), "evil");
  EXPECT_TRUE(S_ISREG(StatOf(At("file")).st_mode));
}

TEST_F(Unpack, AFolderDoesNotFollowALinkOfItsName) {
  TestTar tar;
  tar.Symlink("d", Outside()).Dir("d", 0777).File("d/x", "1");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_TRUE(S_ISDIR(StatOf(At("d")).st_mode));
  EXPECT_EQ(StatOf(Outside()).st_mode & 07777, 0755u);
}

TEST_F(Unpack, AnOpaqueMarkOrAWhiteoutThroughALinkStaysInside) {
  TestTar tar;
  tar.Symlink("l", Outside()).File("l/.wh..wh..opq", "").File("l/.wh.file", "");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(XattrOf(Outside(), "user.overlay.opaque"), "");
  EXPECT_TRUE(IsWhiteout(StatOf(absl::StrCat(root_, Outside(), "/file"))));
}

TEST_F(Unpack, HardLinksToWhatTheLayerHasNotAreRefused) {
  for (const std::string& target : {std::string("/etc/passwd"), std::string("../outside/file"),
                                    std::string("missing"), std::string("dir")}) {
    TestTar tar;
    tar.Dir("dir").Hardlink("evil", target);
    EXPECT_TRUE(IsBadArchive(Run(tar), "evil") || IsBadArchive(Run(tar), "..")) << target;
    EXPECT_EQ(StatOf(At("evil")).st_mode, 0u);
  }
  EXPECT_EQ(StatOf(dir_ / "outside/file").st_nlink, 1u);
}

TEST_F(Unpack, HardLinksThroughALinkStayInside) {
  TestTar tar;
  tar.Symlink("l", Outside()).Hardlink("evil", "l/file");
  EXPECT_TRUE(IsBadArchive(Run(tar), "evil"));
}

TEST_F(Unpack, LinksInACircleAreRefused) {
  TestTar tar;
  tar.Symlink("a", "b").Symlink("b", "a").File("a/x", "1");
  EXPECT_FALSE(Run(tar).ok());
}

TEST_F(Unpack, ALinkToAMissingFolderMakesThatFolder) {
  TestTar tar;
  tar.Symlink("var/run", "/run/deep").File("var/run/pid", "1");
  ASSERT_TRUE(Run(tar).ok());
  EXPECT_EQ(ReadAll(At("run/deep/pid")), "1");
  EXPECT_EQ(LinkOf(At("var/run")), "/run/deep");
}

TEST_F(Unpack, LongOrDeepNamesAreRefused) {
  TestTar tar;
  tar.File(std::string(300, 'n'), "x");
  EXPECT_TRUE(IsBadArchive(Run(tar), "too long"));
  TestTar deep;
  std::string name;
  for (int i = 0; i < 400; ++i) name += "d/";
  deep.File(name + "x", "x");
  EXPECT_TRUE(IsBadArchive(Run(deep), "too long"));
}

TEST_F(Unpack, ContentBeyondTheBoundIsRefusedBeforeItIsWritten) {
  TestTar tar;
  tar.File("big", std::string(200'000, 'x'));
  absl::Status status = Run(tar, 100'000);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ErrorReason(status), "IMAGE_TOO_LARGE");
  EXPECT_TRUE(absl::StrContains(status.message(), "images.max_unpacked_bytes"));
  EXPECT_EQ(StatOf(At("big")).st_mode, 0u);
}

TEST_F(Unpack, ManyEmptyEntriesMeetTheBoundToo) {
  TestTar tar;
  for (int i = 0; i < 300; ++i) tar.Dir(absl::StrCat("d", i));
  EXPECT_EQ(ErrorReason(Run(tar, 100'000)), "IMAGE_TOO_LARGE");
}

TEST_F(Unpack, ATarThatIsCutShortIsRefused) {
  TestTar tar;
  tar.File("f", std::string(5000, 'x'));
  EXPECT_TRUE(IsBadArchive(RunBytes(tar.Bytes().substr(0, 3000)), "archive"));
}

TEST_F(Unpack, AnEmptyLayerIsFine) {
  TestTar tar;
  EXPECT_TRUE(Run(tar).ok());
  EXPECT_TRUE(RunBytes("").ok());
  EXPECT_TRUE(ListDir(root_)->empty());
}

TEST_F(Unpack, AFailingStreamsErrorIsPassedOn) {
  class Broken : public ByteSource {
    absl::StatusOr<absl::string_view> Next() override { return absl::DataLossError("disk"); }
  } broken;
  Budget budget(100, "images.max_unpacked_bytes");
  EXPECT_EQ(UnpackLayer(broken, root_, budget), absl::DataLossError("disk"));
}

}  // namespace
}  // namespace vx::image
