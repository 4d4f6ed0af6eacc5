// Ways out of a container that others found in others: none may lead anywhere.
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;
using testing::Not;

// A built-in image with one layer more: the probe, a script that has the runtime for its
// interpreter, and links that lead out.
class ImageMaker {
 public:
  explicit ImageMaker(std::string dir) : dir_(std::move(dir)) {}

  // Path of the archive.
  std::string Make(const Daemon& vx) {
    EXPECT_TRUE(MakeDirs(dir_ + "/layer", 0755).ok());
    EXPECT_TRUE(MakeDirs(dir_ + "/image", 0755).ok());
    EXPECT_THAT(vx.Vxctl({"image", "export", "busybox", "-o", dir_ + "/b.tar"}), Succeeds());
    EXPECT_THAT(RunProgram({"tar", "-xf", dir_ + "/b.tar", "-C", dir_ + "/image"}), Succeeds());
    FillLayer();
    Extend();
    EXPECT_THAT(RunProgram({"tar", "-cf", dir_ + "/out.tar", "-C", dir_ + "/image", "."}),
                Succeeds());
    return dir_ + "/out.tar";
  }

 private:
  void FillLayer() {
    const std::string layer = dir_ + "/layer/";
    EXPECT_THAT(RunProgram({"cp", VX_TEST_BUILD_DIR "/tests/probe", layer + "probe"}), Succeeds());
    EXPECT_TRUE(WriteFileAtomic(layer + "script", "#!/proc/self/exe\n", 0755).ok());
    const std::pair<const char*, const char*> links[] = {
        {"up", "../../../../../../var/tmp"},  {"exe", "/proc/self/exe"},
        {"cwd", "/proc/self/cwd/../../.."},   {"fd3", "/proc/self/fd/3/x"},
        {"fd5", "/proc/self/fd/5/x"},         {"fd7", "/proc/self/fd/7/x"},
        {"root1", "/proc/1/root/../../mnt/x"}};
    for (const auto& [name, target] : links) {
      EXPECT_EQ(symlink(target, (layer + name).c_str()), 0) << name;
    }
    EXPECT_THAT(RunProgram({"tar", "--owner=0", "--group=0", "-cf", dir_ + "/layer.tar", "-C",
                            dir_ + "/layer", "."}),
                Succeeds());
  }

  // Puts a file's content among the blobs; its digest's hex.
  std::string AddBlob(const std::string& path) {
    const std::string digest = RunProgram({"sha256sum", path}).out.substr(0, 64);
    EXPECT_THAT(RunProgram({"cp", path, absl::StrCat(dir_, "/image/blobs/sha256/", digest)}),
                Succeeds());
    return digest;
  }

  Json ReadBlob(const Json& descriptor) {
    const std::string digest = descriptor["digest"].get<std::string>().substr(7);
    return Json::parse(ReadFile(absl::StrCat(dir_, "/image/blobs/sha256/", digest)).value_or(""));
  }

  void Replace(Json& descriptor, const Json& content) {
    const std::string path = dir_ + "/blob";
    EXPECT_TRUE(WriteFileAtomic(path, content.dump(), 0644).ok());
    descriptor["digest"] = absl::StrCat("sha256:", AddBlob(path));
    descriptor["size"] = content.dump().size();
  }

  void Extend() {
    struct stat st{};
    EXPECT_EQ(stat((dir_ + "/layer.tar").c_str(), &st), 0);
    const std::string digest = absl::StrCat("sha256:", AddBlob(dir_ + "/layer.tar"));
    const std::string index_file = dir_ + "/image/index.json";
    Json index = Json::parse(ReadFile(index_file).value_or(""));
    Json manifest = ReadBlob(index["manifests"][0]);
    Json config = ReadBlob(manifest["config"]);
    config["rootfs"]["diff_ids"].push_back(digest);
    config.erase("history");
    Replace(manifest["config"], config);
    manifest["layers"].push_back({{"mediaType", "application/vnd.oci.image.layer.v1.tar"},
                                  {"digest", digest},
                                  {"size", st.st_size}});
    Replace(index["manifests"][0], manifest);
    EXPECT_TRUE(WriteFileAtomic(index_file, index.dump(), 0644).ok());
  }

  const std::string dir_;
};

// With ids of its own, and with the host's.
class EscapeTest : public SharedDaemonTest, public testing::WithParamInterface<std::string> {
 protected:
  static void SetUpTestSuite() {
    SharedDaemonTest::SetUpTestSuite();
    ImageMaker maker(vx().dir() + "/evil");
    const Result imported = Vxctl({"image", "import", maker.Make(vx()), "--name", "evil"});
    ASSERT_THAT(imported, Succeeds());
  }

  static Result RunEvil(const Words& flags, const Words& command) {
    Words words = {"run", "--rm", "--kind=container", absl::StrCat("--userns=", GetParam())};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"evil", "--"});
    words.insert(words.end(), command.begin(), command.end());
    return Vxctl(words);
  }
  static Result RunScript(const std::string& script, const Words& flags = {}) {
    return RunEvil(flags, {"sh", "-c", script});
  }
  // A probe in the container "live" that waits for what comes in.
  static void RunLive(const std::string& what, const Words& flags) {
    Words words = {"run", "-d", "--kind=container", "--name", "live",
                   absl::StrCat("--userns=", GetParam())};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"evil", "--", "/probe", what});
    ASSERT_THAT(Vxctl(words), Succeeds());
    ASSERT_TRUE(vx().WaitForLog("live", "watching\n"));
  }
  // Runs the commands in it until it wrote `text`; false when it does not.
  static bool ExecUntil(const std::string& text, const std::vector<Words>& commands) {
    for (int round = 0; round < 100; ++round) {
      for (const Words& command : commands) {
        Words words = {"exec", "live", "--"};
        words.insert(words.end(), command.begin(), command.end());
        Vxctl(words);
      }
      if (vx().Logs("live").find(text) != std::string::npos) return true;
    }
    return false;
  }
  static std::string RuntimeDigest() {
    return RunProgram({"sha256sum", Program("vx-runtime")}).out;
  }
};

INSTANTIATE_TEST_SUITE_P(Ids, EscapeTest, testing::Values("auto", "host"),
                         [](const auto& info) { return info.param; });

TEST_P(EscapeTest, CallsThatReachTheHostAreRefused) {
  const Result result = RunEvil({}, {"/probe", "calls"});
  ASSERT_THAT(result, Succeeds()) << result;
  int tried = 0;
  for (absl::string_view line : absl::StrSplit(result.out, '\n', absl::SkipEmpty())) {
    EXPECT_THAT(std::string(line), testing::EndsWith(" refused"));
    ++tried;
  }
  EXPECT_GT(tried, 30);
}

TEST_P(EscapeTest, FilesOfTheKernelCantBeWrittenTo) {
  const std::string core_pattern = ReadFile("/proc/sys/kernel/core_pattern").value_or("");
  const Result result = RunScript(
      "for f in /proc/sysrq-trigger /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe "
      "/proc/sys/kernel/panic /proc/sys/vm/drop_caches /proc/sys/fs/file-max "
      "/proc/sys/net/ipv4/ip_forward /proc/sys/kernel/hostname /proc/bus/input/devices "
      "/proc/irq/default_smp_affinity /sys/kernel/uevent_helper /sys/power/state "
      "/sys/kernel/mm/transparent_hugepage/enabled /sys/devices/system/cpu/cpu1/online; do "
      "[ -e $f ] || continue; if (echo 0 > $f) 2>/dev/null; then echo wrote $f; fi; done; "
      "find /proc /sys -maxdepth 6 -name release_agent 2>/dev/null; "
      "for d in $(find /sys/fs/cgroup -maxdepth 3 -type d 2>/dev/null); do "
      "mkdir $d/escape 2>/dev/null && echo made $d/escape; done; true");
  EXPECT_THAT(result, Succeeds()) << result;
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(ReadFile("/proc/sys/kernel/core_pattern").value_or(""), core_pattern);
}

TEST_P(EscapeTest, SecretsOfTheKernelAreHidden) {
  const Result result = RunScript(
      "for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/sched_debug; do "
      "[ -e $f ] && [ -n \"$(head -c 1 $f 2>/dev/null)\" ] && echo read $f; done; "
      "ls -A /proc/acpi /proc/scsi /proc/asound /sys/firmware /sys/devices/virtual/powercap "
      "2>/dev/null | grep -v :$ | grep .; true");
  EXPECT_THAT(result, Succeeds()) << result;
  EXPECT_EQ(result.out, "");
}

TEST_P(EscapeTest, NoDeviceOfTheHostIsThere) {
  const Result result = RunScript("ls /dev | sort | tr '\\n' ' '; mknod /d b 254 0; cat /d");
  EXPECT_NE(result.code, 0) << result;
  EXPECT_EQ(result.out,
            "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero ");
}

TEST_P(EscapeTest, NoProcessOfTheHostIsSeen) {
  const Result result = RunScript(
      "cat /proc/[0-9]*/comm | sort -u | tr '\\n' ' '; "
      "kill -0 " +
      absl::StrCat(vx().pid()) + " 2>/dev/null && echo hit");
  EXPECT_THAT(result.out, Not(HasSubstr("vx")));
  EXPECT_THAT(result.out, Not(HasSubstr("hit")));
  EXPECT_THAT(result.out, HasSubstr("sh"));
}

TEST_P(EscapeTest, NothingThatTheRuntimeHadOpenIsLeft) {
  const Result result = RunScript(
      "for p in /proc/[0-9]*; do for f in $p/fd/*; do readlink $f; done; done 2>/dev/null "
      "| grep -v -E '^(pipe|socket):' | grep -v '^/dev/null$' | grep -v '^/proc/[0-9]*/fd$'; true");
  EXPECT_THAT(result, Succeeds()) << result;
  EXPECT_EQ(result.out, "");
}

TEST_P(EscapeTest, AWorkingDirectoryLeadsNowhere) {
  for (int fd = 3; fd < 20; ++fd) {
    for (const char* below : {"", "/new"}) {
      const std::string dir = absl::StrCat("/proc/self/fd/", fd, below);
      const Result result = RunEvil({"-w", dir}, {"/probe", "inside"});
      EXPECT_NE(result.code, 0) << dir;
      EXPECT_THAT(result.err, HasSubstr("BAD_WORKING_DIR")) << dir;
    }
  }
  const Result up = RunEvil({"-w", "/cwd/../../.."}, {"/probe", "inside"});
  const std::vector<std::string> places = absl::StrSplit(up.out, absl::ByAnyChar(" \n"));
  ASSERT_GE(places.size(), 2u) << up;
  EXPECT_EQ(places[0], places[1]) << "not the container's root: " << up;
}

TEST_P(EscapeTest, TheRuntimeAsTheCommandIsNotWrittenTo) {
  const std::string before = RuntimeDigest();
  for (const Words& command : {Words{"/proc/self/exe"}, Words{"/script"}, Words{"/exe"}}) {
    const Result result = RunEvil({}, command);
    EXPECT_NE(result.code, 0) << result;
  }
  EXPECT_EQ(RuntimeDigest(), before);
}

TEST_P(EscapeTest, ARuntimeThatComesInIsNotLookedInto) {
  RunLive("reach", {});
  // Until some were seen: they are there for a moment only.
  EXPECT_TRUE(ExecUntil("saw\nsaw\nsaw\n", {{"true"}, {"sh", "-c", "true"}, {"nothing"}}));
  EXPECT_THAT(vx().Logs("live"), Not(HasSubstr("DONE")));
}

TEST_P(EscapeTest, ARuntimeThatComesInIsNotWrittenTo) {
  const std::string before = RuntimeDigest();
  RunLive("overwrite", {});
  EXPECT_TRUE(ExecUntil("held\n", {{"/script"}, {"/proc/self/exe"}, {"/exe"}, {"true"}}));
  for (int i = 0; i < 20; ++i) Vxctl({"exec", "live", "--", "/script"});
  EXPECT_THAT(vx().Logs("live"), Not(HasSubstr("DONE")));
  EXPECT_EQ(RuntimeDigest(), before);
}

TEST_P(EscapeTest, MountTargetsLeadNowhere) {
  const Result mounts = RunProgram({"cat", "/proc/self/mountinfo"});
  const std::string marker = absl::StrCat("vx-escape-", getpid());
  const Result inside = RunScript(absl::StrCat("mount | grep -c ' /var/tmp/", marker, " '"),
                                  {"--tmpfs", absl::StrCat("/up/", marker)});
  EXPECT_EQ(inside.out, "1\n") << inside;
  EXPECT_FALSE(PathExists("/var/tmp/" + marker));
  for (const char* target : {"/exe", "/fd3", "/fd5", "/fd7", "/fd5/../../../mnt/x", "/cwd/x"}) {
    const Result result = RunEvil({"--tmpfs", target}, {"true"});
    EXPECT_THAT(result, FailsSaying(1, {})) << target;
  }
  EXPECT_EQ(RunProgram({"cat", "/proc/self/mountinfo"}).out, mounts.out);
  EXPECT_FALSE(PathExists("/mnt/x"));
}

TEST_P(EscapeTest, AForkBombIsHeldAndTheHostGoesOn) {
  const Result bomb = Vxctl({"run", "-d", "--kind=container", "--name", "bomb", "--pids", "20",
                             absl::StrCat("--userns=", GetParam()), "evil", "--", "sh", "-c",
                             "f() { f | f & }; f; sleep 600"});
  ASSERT_THAT(bomb, Succeeds()) << bomb;
  EXPECT_THAT(RunScript("echo alive"), Succeeds());
  EXPECT_THAT(Vxctl({"rm", "-f", "bomb"}), Succeeds());
}

TEST_P(EscapeTest, AMemoryHogDiesAlone) {
  ASSERT_THAT(Vxctl({"run", "-d", "--kind=container", "--name", "neighbour", "-m", "32M", "evil",
                     "--", "sleep", "600"}),
              Succeeds());
  ASSERT_THAT(Vxctl({"run", "-d", "--kind=container", "--name", "hog", "-m", "32M",
                     absl::StrCat("--userns=", GetParam()), "evil", "--", "tail", "/dev/zero"}),
              Succeeds());
  ASSERT_THAT(Vxctl({"wait", "hog", "--timeout", "90s"}), Succeeds());
  EXPECT_EQ(vx().Inspect("hog")["status"]["exit"]["reason"], "oom");
  EXPECT_EQ(vx().State("neighbour"), "running");
}

TEST_P(EscapeTest, DescriptorsRunOutInsideAlone) {
  const Result result = RunEvil({}, {"/probe", "fds"});
  EXPECT_THAT(result, Succeeds()) << result;
  EXPECT_THAT(result.out, HasSubstr("EMFILE"));
  EXPECT_THAT(RunScript("true"), Succeeds());
}

}  // namespace
}  // namespace vx::system_test
