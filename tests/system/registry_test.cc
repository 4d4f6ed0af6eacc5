// Registries: Debian's docker-registry as it is, and one of the tests' own that
// misbehaves.
#include <cstdlib>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

constexpr char kHost[] = "127.0.0.1:5000";

std::string Script(const std::string& name) {
  return absl::StrCat(VX_TEST_SOURCE_DIR, "/tests/system/registry/", name);
}

Result Shell(const std::string& script, const Words& args = {}) {
  Words line = {"unshare", "--mount", "bash", "-c",
                "mount -t tmpfs none /var/lib/containers 2>/dev/null; set -e; " + script, "bash"};
  line.insert(line.end(), args.begin(), args.end());
  return RunProgram(line);
}

// Debian's docker-registry, over http.
class Registry {
 public:
  explicit Registry(const std::string& dir, const std::string& more = "") : dir_(dir) {
    std::ofstream(dir + "/registry.yml")
        << "version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: " << dir
        << "/registry}}\nhttp:\n  addr: \"" << kHost << "\"\n" << more;
    Start();
  }

  void Start() {
    child_ = std::make_unique<Child>(Words{"docker-registry", "serve", dir_ + "/registry.yml"});
    Result up = RunProgram({"bash", "-c", "for i in {1..300}; do (: </dev/tcp/127.0.0.1/5000) && "
                                          "exit 0; sleep 0.05; done; exit 1"});
    EXPECT_THAT(up, Succeeds());
  }
  void Kill() { child_.reset(); }

 private:
  const std::string dir_;
  std::unique_ptr<Child> child_;
};

class RegistryTest : public OwnDaemonTest {
 protected:
  void TearDown() override {
    far_end_.reset();
    OwnDaemonTest::TearDown();
  }
  void StartDaemon(Words args = {}) {
    args.insert(args.end(), {"--set", "drivers.enabled=container"});
    vx_.Start({.args = args});
  }
  Result Vxctl(const Words& args) const { return vx_.Vxctl(args); }
  std::string Path(const std::string& name) const { return absl::StrCat(vx_.dir(), "/", name); }

  // An image of three layers as an OCI layout at Path("layout"); `bytes` of noise in
  // the last.
  void MakeImage(int bytes = 1 << 20) {
    Result made = Shell(
        "cd \"$1\"; umoci init --layout layout; umoci new --image layout:1\n"
        "mkdir -p root/bin root/etc root/data; cp \"$(command -v busybox)\" root/bin/busybox\n"
        "ln -s busybox root/bin/sh; ln -s busybox root/bin/cat\n"
        "umoci insert --image layout:1 root/bin /bin\n"
        "echo one > root/etc/one; umoci insert --image layout:1 root/etc /etc\n"
        "head -c \"$2\" /dev/urandom > root/data/noise\n"
        "umoci insert --image layout:1 root/data /data\n"
        "umoci config --image layout:1 --config.cmd /bin/cat --config.cmd /etc/one",
        {vx_.dir(), absl::StrCat(bytes)});
    ASSERT_THAT(made, Succeeds()) << made;
  }
  void Upload(const std::string& name, const std::string& flags = "") {
    Result copied = Shell(absl::StrCat("skopeo copy --dest-tls-verify=false ", flags, " oci:",
                                       Path("layout"), ":1 docker://", kHost, "/", name));
    ASSERT_THAT(copied, Succeeds()) << copied;
  }

  // Where this test's vxctl finds its files.
  void UseHome() const {
    setenv("HOME", vx_.dir().c_str(), 1);
    for (const char* name : {"XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DOCKER_CONFIG",
                             "REGISTRY_AUTH_FILE"}) {
      unsetenv(name);
    }
  }

  // Begins the registry that misbehaves.
  void StartFarEnd(const Words& modes) {
    Words line = {Script("far_end.py"), "5000", Path("layout"), Path("requests")};
    line.insert(line.end(), modes.begin(), modes.end());
    far_end_ = std::make_unique<Child>(line);
    ASSERT_TRUE(far_end_->WaitForOutput("ready"));
  }
  std::vector<std::string> Requests(const std::string& of) const {
    std::vector<std::string> found;
    for (absl::string_view line : absl::StrSplit(ReadFile(Path("requests")).value_or(""), '\n')) {
      if (absl::StrContains(line, of)) found.emplace_back(line);
    }
    return found;
  }
  Json Images() const { return vx_.VxctlJson({"image", "ls"}); }
  std::unique_ptr<Child> far_end_;
};

TEST_F(RegistryTest, AnImageIsPulledAndRuns) {
  StartDaemon();
  MakeImage();
  Registry registry(vx_.dir());
  Upload("team/app:1");
  Result pulled = Vxctl({"image", "pull", "127.0.0.1:5000/team/app:1"});
  ASSERT_THAT(pulled, Succeeds()) << pulled;
  EXPECT_EQ(pulled.out, "127.0.0.1:5000/team/app:1\n");
  Result ran = Vxctl({"run", "--rm", "--kind=container", "127.0.0.1:5000/team/app:1"});
  EXPECT_EQ(ran.out, "one\n") << ran;
  Result seen = Shell(absl::StrCat("skopeo inspect --raw oci:", vx_.state_dir(),
                                   "/images/layout:127.0.0.1:5000/team/app:1 | sha256sum"));
  EXPECT_THAT(seen, Succeeds()) << seen;
}

TEST_F(RegistryTest, RunPullsWhatIsMissingAndNeverWhenToldSo) {
  StartDaemon();
  MakeImage();
  Registry registry(vx_.dir());
  Upload("app:1");
  Words run = {"run", "--rm", "--kind=container", "127.0.0.1:5000/app:1"};
  Words never = run;
  never.insert(never.begin() + 1, "--pull=never");
  EXPECT_THAT(Vxctl(never), FailsSaying(1, {"IMAGE_NOT_FOUND"}));
  EXPECT_EQ(Vxctl(run).out, "one\n");
  registry.Kill();
  EXPECT_EQ(Vxctl(run).out, "one\n") << "what is there is not asked for";
  EXPECT_EQ(Vxctl(never).out, "one\n");
}

TEST_F(RegistryTest, WhatIsNotThereIsSaidWithItsHost) {
  StartDaemon();
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}),
              FailsSaying(1, {"127.0.0.1:5000", "REGISTRY_UNREACHABLE"}));
  Registry registry(vx_.dir());
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}),
              FailsSaying(1, {"127.0.0.1:5000", "app:1", "MANIFEST_UNKNOWN"}));
}

TEST_F(RegistryTest, ABlobThatBreaksOffGoesOnWhereItWas) {
  StartDaemon();
  MakeImage();
  StartFarEnd({"drop"});
  ASSERT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}), Succeeds());
  EXPECT_FALSE(Requests("bytes=").empty());
  EXPECT_EQ(Vxctl({"run", "--rm", "--kind=container", "127.0.0.1:5000/app:1"}).out, "one\n");
}

TEST_F(RegistryTest, APullAfterOneThatWasKilledFetchesTheRest) {
  StartDaemon();
  MakeImage();
  StartFarEnd({"stuck"});
  std::unique_ptr<Child> pull = vx_.VxctlInBackground({"image", "pull", "127.0.0.1:5000/app:1"});
  Result waited = Shell("until [ -n \"$(find \"$1\" -name '*.part' -size +400k)\" ]; do sleep 0.05; "
                        "done", {vx_.state_dir() + "/images/downloads"});
  ASSERT_THAT(waited, Succeeds());
  vx_.Kill();
  far_end_.reset();
  StartDaemon();
  EXPECT_NE(pull->Wait().code, 0);
  EXPECT_EQ(Images().size(), 1u) << "a pull that was cut short shows an image";
  StartFarEnd({});
  ASSERT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}), Succeeds());
  EXPECT_FALSE(Requests("bytes=").empty()) << "all of it was fetched again";
}

TEST_F(RegistryTest, TwoPullsAtOnceFetchEachBlobOnce) {
  StartDaemon();
  MakeImage();
  StartFarEnd({});
  auto one = vx_.VxctlInBackground({"image", "pull", "127.0.0.1:5000/app:1"});
  auto two = vx_.VxctlInBackground({"image", "pull", "127.0.0.1:5000/app:1"});
  auto other = vx_.VxctlInBackground({"image", "pull", "127.0.0.1:5000/other:1"});
  for (Child* child : {one.get(), two.get(), other.get()}) EXPECT_THAT(child->Wait(), Succeeds());
  for (const auto& layer : Json::parse(Shell("cat \"$1\"/blobs/sha256/$(sed "
                                             "'s/.*\"digest\":\"sha256:\\([0-9a-f]*\\).*/\\1/' "
                                             "\"$1\"/index.json)", {Path("layout")}).out)["layers"]) {
    EXPECT_EQ(Requests(layer["digest"]).size(), 1u) << layer;
  }
}

TEST_F(RegistryTest, ACancelledPullEndsAtOnceAndLeavesNoImage) {
  StartDaemon();
  MakeImage();
  StartFarEnd({"stuck"});
  Result begun = Vxctl({"image", "pull", "--no-wait", "127.0.0.1:5000/app:1"});
  ASSERT_THAT(begun, Succeeds());
  std::string id(absl::StripAsciiWhitespace(begun.out));
  EXPECT_THAT(Vxctl({"operation", "cancel", id}), Succeeds());
  EXPECT_THAT(Vxctl({"operation", "wait", id}), FailsSaying(1, {"CANCELLED"}));
  EXPECT_EQ(Images().size(), 1u);
}

TEST_F(RegistryTest, WhatIsNotWhatItsDigestSaysIsRefused) {
  StartDaemon();
  MakeImage();
  for (const char* mode : {"flip", "cut", "bigger"}) {
    StartFarEnd({mode});
    EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}),
                FailsSaying(1, {"127.0.0.1:5000"}))
        << mode;
    far_end_.reset();
    EXPECT_EQ(Images().size(), 1u) << mode;
  }
  StartFarEnd({"flip"});
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}),
              FailsSaying(1, {"DIGEST_MISMATCH"}));
}

TEST_F(RegistryTest, AManifestOfTenMegabytesIsRefused) {
  StartDaemon();
  MakeImage();
  StartFarEnd({"big"});
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}),
              FailsSaying(1, {"MANIFEST_TOO_BIG"}));
}

TEST_F(RegistryTest, AnIndexWithoutOurPlatformSaysWhatThereIs) {
  StartDaemon();
  MakeImage();
  StartFarEnd({"foreign"});
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}),
              FailsSaying(1, {"NO_PLATFORM", "linux/riscv64", "linux/s390x"}));
}

TEST_F(RegistryTest, ABusyRegistryIsGivenTime) {
  StartDaemon();
  MakeImage();
  StartFarEnd({"busy"});
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}), Succeeds());
}

TEST_F(RegistryTest, LayersBeyondTheBoundsAreRefused) {
  StartDaemon({"--set", "images.max_layer_bytes=3000000", "--set",
               "images.max_unpacked_bytes=50000000"});
  MakeImage(4 << 20);
  StartFarEnd({});
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}), FailsSaying(1, {"LAYER_TOO_BIG"}));
  EXPECT_TRUE(Requests("bytes=").empty());
  far_end_.reset();
  // 1 GiB of zeros.
  ASSERT_THAT(Shell("cd \"$1\"; rm -rf layout; umoci init --layout layout; umoci new --image "
                    "layout:1; mkdir bomb; truncate -s 1G bomb/zeros; tar -C bomb -c zeros | "
                    "umoci raw add-layer --image layout:1 /dev/stdin; rm -r bomb",
                    {vx_.dir()}),
              Succeeds());
  StartFarEnd({});
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}),
              FailsSaying(1, {"images.max_"}));
  EXPECT_EQ(Images().size(), 1u);
}

TEST_F(RegistryTest, AMirrorIsAskedFirstAndTheRegistryWhereItFails) {
  StartDaemon({"--set", "images.mirrors=127.0.0.1:5999=127.0.0.1:5000,127.0.0.1:5000=127.0.0.1:5998"});
  MakeImage();
  StartFarEnd({});
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5999/app:1"}), Succeeds());
  EXPECT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/app:1"}), Succeeds());
}

TEST_F(RegistryTest, AnImageOf127LayersRuns) {
  StartDaemon();
  ASSERT_THAT(RunProgram({Script("many_layers.py"), Path("layout"), "127"}), Succeeds());
  StartFarEnd({});
  ASSERT_THAT(Vxctl({"image", "pull", "127.0.0.1:5000/many:1"}), Succeeds());
  Result ran = Vxctl({"run", "--rm", "--kind=container", "127.0.0.1:5000/many:1", "--", "/bin/sh",
                      "-c", "read n </last; cd /layers; set -- *; echo $n $#"});
  EXPECT_EQ(ran.out, "127 127\n") << ran;
}

// Whiteouts, an opaque folder, hard links in and across layers, setuid, capabilities,
// absolute links, owners, attributes, long names. (A container has 65,536 ids: owners
// beyond them are nobody inside.)
constexpr char kLayers[] = R"sh(cd "$1"; umoci init --layout layout; umoci new --image layout:1
umoci unpack --image layout:1 bundle >/dev/null; r=bundle/rootfs
mkdir -p $r/{bin,a,opaque/deep,sticky}; cp "$(command -v busybox)" $r/bin/busybox
ln -s /bin/busybox $r/bin/sh; ln -s busybox $r/bin/sleep; chmod 1777 $r/sticky
echo one >$r/a/one; echo two >$r/a/two; echo x >$r/opaque/x; echo y >$r/opaque/deep/y
echo h >$r/h1; ln $r/h1 $r/h2; echo s >$r/setuid; chmod 6755 $r/setuid; echo o >$r/owned
chown 60000:1000 $r/owned; echo c >$r/cap
python3 -c 'import os,sys; r=sys.argv[1]
os.setxattr(r+"/cap","security.capability",bytes.fromhex("0100000200040000000000000000000000000000"))
os.setxattr(r+"/a/two","user.note",b"kept")' $r
umoci repack --refresh-bundle --image layout:1 bundle >/dev/null
rm $r/a/one; rm -r $r/opaque; mkdir $r/opaque; echo z >$r/opaque/z; ln $r/h1 $r/h3
rm -r $r/sticky; ln -s /a/two $r/sticky; echo more >>$r/a/two
echo l >$r/$(printf 'n%.0s' {1..200}); umoci repack --refresh-bundle --image layout:1 bundle >/dev/null
mkdir $r/a/one; chmod 700 $r/a/one; rm $r/h2
umoci repack --refresh-bundle --image layout:1 bundle >/dev/null
umoci unpack --image layout:1 final >/dev/null)sh";

TEST_F(RegistryTest, ATreeInAContainerIsWhatUmociUnpacks) {
  StartDaemon();
  Result made = Shell(kLayers, {vx_.dir()});
  ASSERT_THAT(made, Succeeds()) << made;
  StartFarEnd({});
  Result ran = Vxctl({"run", "-d", "--kind=container", "--name=tree", "127.0.0.1:5000/tree:1", "--",
                      "/bin/sleep", "1000"});
  ASSERT_THAT(ran, Succeeds()) << ran;
  const std::string pid = absl::StrCat(vx_.Inspect("tree")["status"]["pid"].get<int>());
  Result theirs = RunProgram({Script("tree.py"), Path("final/rootfs")});
  Result ours = RunProgram({Script("tree.py"), "--of", pid});
  ASSERT_THAT(theirs, Succeeds()) << theirs;
  ASSERT_THAT(ours, Succeeds()) << ours;
  EXPECT_THAT(theirs.out, HasSubstr("security.capability"));
  EXPECT_EQ(ours.out, theirs.out);
}

constexpr char kDockerLogin[] = R"({"auths":{"127.0.0.1:5000":{"auth":"bWU6c2VjcmV0"}}})";

TEST_F(RegistryTest, ATokenIsGotWithDockersLoginAndGoesToNoOtherHost) {
  StartDaemon();
  MakeImage();
  UseHome();
  StartFarEnd({"token", "redirect"});
  Words pull = {"image", "pull", "127.0.0.1:5000/app:1"};
  EXPECT_THAT(Vxctl(pull), FailsSaying(1, {"REGISTRY_LOGIN", "vxctl login 127.0.0.1:5000"}));
  ASSERT_THAT(Shell("mkdir \"$1\"/.docker && printf %s \"$2\" >\"$1\"/.docker/config.json",
                    {vx_.dir(), kDockerLogin}),
              Succeeds());
  EXPECT_THAT(Vxctl(pull), Succeeds());
  EXPECT_FALSE(Requests("Bearer").empty());
  EXPECT_FALSE(Requests("CDN").empty());
  for (const std::string& line : Requests("CDN")) EXPECT_THAT(line, HasSubstr(" - 20")) << line;
}

TEST_F(RegistryTest, ByTlsAndAPasswordAnImageGoesThereAndBack) {
  UseHome();
  ASSERT_THAT(Shell("cd \"$1\"; htpasswd -Bbn me secret >passwords\n"
                    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
                    "-subj /CN=test-ca -keyout ca.key -out ca.pem\n"
                    "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                    "-subj /CN=registry -keyout reg.key -out reg.csr\n"
                    "openssl x509 -req -in reg.csr -CA ca.pem -CAkey ca.key -CAcreateserial "
                    "-days 2 -extfile <(echo subjectAltName=IP:127.0.0.1) -out reg.pem",
                    {vx_.dir()}),
              Succeeds());
  Registry registry(vx_.dir(), absl::StrCat("  tls: {certificate: ", Path("reg.pem"), ", key: ",
                                            Path("reg.key"), "}\nauth:\n  htpasswd: {realm: r, path: ",
                                            Path("passwords"), "}\n"));
  const std::string name = "127.0.0.1:5000/team/bb:1";
  StartDaemon();
  EXPECT_THAT(Vxctl({"image", "pull", name}), FailsSaying(1, {"127.0.0.1:5000", "REGISTRY_TLS"}));
  vx_.Stop();
  StartDaemon({"--set", "images.ca_file=" + Path("ca.pem")});
  EXPECT_THAT(Vxctl({"image", "pull", name}), FailsSaying(1, {"REGISTRY_LOGIN"}));
  EXPECT_THAT(Vxctl({"login", "-u", "me", "-p", "wrong", "127.0.0.1:5000"}),
              FailsSaying(1, {"REGISTRY_LOGIN"}));
  const std::string file = Path(".config/vx/auth.json");
  EXPECT_FALSE(PathExists(file));
  ASSERT_THAT(Vxctl({"login", "-u", "me", "-p", "secret", "127.0.0.1:5000"}), Succeeds());
  EXPECT_EQ(RunProgram({"stat", "-c", "%a", file}).out, "600\n");
  ASSERT_THAT(Vxctl({"image", "tag", "busybox", name}), Succeeds());
  ASSERT_THAT(Vxctl({"image", "push", name}), Succeeds());
  ASSERT_THAT(Vxctl({"image", "rm", name}), Succeeds());
  ASSERT_THAT(Vxctl({"image", "pull", name}), Succeeds());
  Json images = Images();
  EXPECT_EQ(images[0]["digest"], images[1]["digest"]) << images;
  EXPECT_THAT(Vxctl({"logout", "127.0.0.1:5000"}), Succeeds());
  EXPECT_THAT(Vxctl({"image", "push", name}), FailsSaying(1, {"REGISTRY_LOGIN"}));
}

TEST_F(RegistryTest, AnImageInChunksIsReadByOthersAndMountedTheSecondTime) {
  StartDaemon();
  MakeImage(40 << 20);
  Registry registry(vx_.dir());
  ASSERT_THAT(Shell("tar -C \"$1\"/layout -cf \"$1\"/image.tar .", {vx_.dir()}), Succeeds());
  const std::string name = "127.0.0.1:5000/team/big:1", other = "127.0.0.1:5000/other/big:2";
  ASSERT_THAT(Vxctl({"image", "import", Path("image.tar"), "--name", name}), Succeeds());
  ASSERT_THAT(Vxctl({"image", "push", name}), Succeeds());
  Result seen = Shell("skopeo copy -q --src-tls-verify=false docker://" + name + " oci:" +
                      Path("back") + ":1 && sha256sum <" + Path("back") +
                      "/blobs/sha256/$(cd " + Path("back") + "/blobs/sha256; ls -S | head -1)");
  ASSERT_THAT(seen, Succeeds()) << seen;
  ASSERT_THAT(Vxctl({"image", "push", name, other}), Succeeds());
  ASSERT_THAT(Vxctl({"image", "pull", other}), Succeeds());
  Json image = vx_.VxctlJson({"image", "inspect", other});
  EXPECT_EQ(image["layers"][0]["sharedWith"][0], name) << image;
  EXPECT_GE(image["history"].size(), 3u) << image;
  EXPECT_THAT(Vxctl({"image", "prune"}).out, HasSubstr("removed 0 images"));
  EXPECT_THAT(Vxctl({"image", "prune", "--all", "-y"}).out, HasSubstr("removed 2 images"));
  EXPECT_EQ(Images().size(), 1u) << "what came with vx stays";
}

}  // namespace
}  // namespace vx::system_test
