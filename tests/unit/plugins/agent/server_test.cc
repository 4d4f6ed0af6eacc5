// The agent's server and vxd's end of its port, together: real commands and real files,
// with a unix socket in place of QEMU.
#include "plugins/agent/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/subprocess.h"
#include "plugins/libvirt/agent_session.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::agent {
namespace {

using libvirt::AgentChannel;
using libvirt::AgentStream;
using libvirt::ExecByAgent;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

absl::Time Deadline() { return absl::Now() + kPatience; }

// A guest: its agent's loop, on a thread of its own, and the socket to it.
class Guest {
 public:
  explicit Guest(const std::string& path) : listener_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, path.size());
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(listen(listener_.get(), 1), 0);
    config_.argv = {"true"};
    config_.env = {"PATH=/usr/bin:/bin", "OWN=of the workload"};
    thread_ = std::thread([this] { Run(); });
  }
  ~Guest() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Run() {
    // As in a guest.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, nullptr);
    Loop loop;
    Server server(loop, config_, [] {});
    server.Serve(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    while (!stop_) {
      loop.Step(5);
      int status;
      pid_t pid;
      while ((pid = waitpid(-1, &status, WNOHANG)) > 0) server.OnReaped(pid, status);
      server.EndStep();
    }
  }

  UniqueFd listener_;
  BootConfig config_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

struct Ended {
  std::string out;
  std::string err;
  int code = -1;
};

bool IsReadable(int fd, absl::Duration patience = kPatience) {
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
}

// Reads one of the outputs to its end.
std::string ReadAll(driver::Output& output) {
  std::string all, buffer(65536, '\0');
  while (IsReadable(output.fd())) {
    const absl::StatusOr<size_t> n = output.Read(buffer.data(), buffer.size());
    if (!n.ok()) break;
    all.append(buffer, 0, *n);
  }
  return all;
}

class ServerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (getuid() != 0) GTEST_SKIP() << "an agent is root";
    guest_ = std::make_unique<Guest>(dir_.path("agent"));
    channel_ =
        std::make_shared<AgentChannel>(&watcher_, dir_.path("agent"), [] {});
    ASSERT_TRUE(channel_->WaitReady(Deadline()).ok());
  }
  void TearDown() override {
    if (channel_) channel_->Close();
  }

  std::unique_ptr<driver::ExecSession> Exec(const driver::ExecSpec& spec) {
    auto session = ExecByAgent(channel_, spec, Deadline());
    EXPECT_TRUE(session.ok()) << session.status();
    return session.ok() ? *std::move(session) : nullptr;
  }
  std::unique_ptr<driver::ExecSession> Script(const std::string& script, bool stdin = false) {
    return Exec({.argv = {"sh", "-c", script}, .stdin = stdin});
  }
  Ended ReadToEnd(driver::ExecSession& session) {
    Ended ended;
    std::thread err([&] {
      if (session.error() != nullptr) ended.err = ReadAll(*session.error());
    });
    ended.out = ReadAll(*session.output());
    err.join();
    EXPECT_TRUE(IsReadable(session.end_fd()));
    ended.code = session.Result()->code();
    return ended;
  }
  std::string ErrorOf(const driver::ExecSpec& spec) {
    return ErrorReason(ExecByAgent(channel_, spec, Deadline()).status());
  }
  v1::Reply Ask(const v1::Request& request, const std::string& feature) {
    auto reply = channel_->Ask(request, feature, Deadline());
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.value_or(v1::Reply());
  }

  // Sends `input`, ends it, and reads what comes of a request for files.
  Ended Files(const v1::Request& request, const std::string& input = "") {
    v1::Reply reply;
    auto stream = channel_->Open(request, "files", Deadline(), reply);
    EXPECT_TRUE(stream.ok()) << stream.status();
    Ended ended;
    if (!stream.ok() || *stream == nullptr) return ended;
    std::thread sender([&] {
      for (size_t at = 0; at < input.size();) {
        auto n = channel_->Write(**stream, absl::string_view(input).substr(at));
        if (!n.ok()) break;
        at += *n;
        pollfd p{(*stream)->input_full.fd(), POLLOUT, 0};
        poll(&p, 1, 1000);
      }
      channel_->EndInput(**stream).IgnoreError();
    });
    std::string buffer(65536, '\0');
    EXPECT_TRUE(Drain(**stream, (*stream)->out, ended.out));
    EXPECT_TRUE(Drain(**stream, (*stream)->err, ended.err));
    sender.join();
    EXPECT_TRUE(IsReadable((*stream)->ended.fd()));
    ended.code = channel_->Result(**stream)->code();
    return ended;
  }
  bool Drain(AgentStream& stream, libvirt::StreamBuffer& from, std::string& to) {
    std::string buffer(65536, '\0');
    while (IsReadable(from.flag().fd())) {
      auto n = channel_->Read(stream, from, buffer.data(), buffer.size());
      if (!n.ok()) return true;
      to.append(buffer, 0, *n);
    }
    return false;
  }
  Ended Send(const std::string& path) {
    v1::Request request;
    request.mutable_read_files()->set_path(path);
    return Files(request);
  }
  Ended Receive(const std::string& path, const std::string& tar) {
    v1::Request request;
    request.mutable_write_files()->set_path(path);
    return Files(request, tar);
  }

  libvirt::TempDir dir_;
  Watcher watcher_;
  std::unique_ptr<Guest> guest_;
  std::shared_ptr<AgentChannel> channel_;
};

TEST_F(ServerTest, ACommandsStreamsComeApartWithItsExitStatus) {
  auto session = Script("echo out; echo err >&2; exit 7");
  const Ended ended = ReadToEnd(*session);
  EXPECT_EQ(ended.out, "out\n");
  EXPECT_EQ(ended.err, "err\n");
  EXPECT_EQ(ended.code, 7);
}

TEST_F(ServerTest, ACommandGetsTheWorkloadsEnvironmentAndItsOwn) {
  const Ended ended = ReadToEnd(*Exec({.argv = {"sh", "-c", "echo $OWN $MORE; pwd"},
                                       .env = {"MORE=and more"},
                                       .working_dir = "/usr"}));
  EXPECT_EQ(ended.out, "of the workload and more\n/usr\n");
}

TEST_F(ServerTest, HomeIsTheUsersAndATerminalHasAKind) {
  const std::vector<std::string> argv = {"sh", "-c", "echo $HOME $TERM"};
  EXPECT_EQ(ReadToEnd(*Exec({.argv = argv, .user = "nobody"})).out, "/nonexistent\n");
  EXPECT_EQ(ReadToEnd(*Exec({.argv = argv, .user = "54321"})).out, "/\n");
  EXPECT_EQ(ReadToEnd(*Exec({.argv = argv, .env = {"HOME=/own"}, .user = "nobody"})).out, "/own\n");
  EXPECT_THAT(ReadToEnd(*Exec({.argv = argv, .tty = true})).out, HasSubstr("xterm"));
}

TEST_F(ServerTest, WhatCantBeRunSaysWhy) {
  EXPECT_EQ(ErrorOf({.argv = {"no-such-command"}}), "COMMAND_NOT_FOUND");
  EXPECT_EQ(ErrorOf({.argv = {""}}), "COMMAND_NOT_FOUND");
  EXPECT_EQ(ErrorOf({.argv = {"/etc"}}), "COMMAND_NOT_EXECUTABLE");
  EXPECT_EQ(ErrorOf({.argv = {"true"}, .user = "nobody-knows"}), "NO_USER");
  EXPECT_EQ(ErrorOf({.argv = {"true"}, .working_dir = "/proc/1/nowhere"}), "BAD_WORKING_DIR");
  EXPECT_EQ(ErrorOf({.argv = {"no-such-command"}, .detach = true}), "COMMAND_NOT_FOUND");
}

TEST_F(ServerTest, LosesNothingOfALotOfInputAndOutput) {
  std::string much;
  for (int i = 0; much.size() < (5 << 20); ++i) absl::StrAppend(&much, i, "\n");
  auto session = Script("cat", true);
  std::thread writer([&] {
    for (size_t at = 0; at < much.size();) {
      at += *session->input()->Write(absl::string_view(much).substr(at));
      pollfd p{session->input()->fd(), POLLOUT, 0};
      poll(&p, 1, 1000);
    }
    EXPECT_TRUE(*session->input()->Close());
  });
  EXPECT_TRUE(ReadToEnd(*session).out == much);
  writer.join();
}

TEST_F(ServerTest, AReaderThatStopsHoldsUpNoOther) {
  auto stuck = Script("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
  ASSERT_TRUE(IsReadable(stuck->output()->fd()));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ReadToEnd(*Script("echo hi")).out, "hi\n");
}

TEST_F(ServerTest, WhatACommandLeftBehindIsNotWaitedFor) {
  auto session = Script("sleep 1000 & echo $!");
  const Ended ended = ReadToEnd(*session);
  EXPECT_EQ(ended.code, 0);
  const pid_t left = atoi(ended.out.c_str());
  ASSERT_GT(left, 1);
  kill(left, SIGKILL);
}

TEST_F(ServerTest, WhoGoesEndsTheCommandAndWhatItStarted) {
  auto session = Script("sleep 1000 & echo $!; wait");
  std::string line(100, '\0');
  ASSERT_TRUE(IsReadable(session->output()->fd()));
  ASSERT_GT(*session->output()->Read(line.data(), line.size()), 0);
  const pid_t started = atoi(line.c_str());
  session.reset();
  // Our children's children are somebody else's; they are killed with the group.
  const absl::Time deadline = Deadline();
  std::string state;
  do {
    state = ReadFile(absl::StrCat("/proc/", started, "/stat")).value_or("gone");
  } while (state != "gone" && state.find(") Z") == std::string::npos && absl::Now() < deadline);
  EXPECT_TRUE(state == "gone" || state.find(") Z") != std::string::npos) << state;
}

TEST_F(ServerTest, ASignalReachesTheCommand) {
  auto session = Script("trap 'echo hup; exit 3' HUP; echo up; while :; do sleep 0.01; done");
  ASSERT_TRUE(IsReadable(session->output()->fd()));
  EXPECT_TRUE(session->Signal(SIGHUP).ok());
  const Ended ended = ReadToEnd(*session);
  EXPECT_THAT(ended.out, HasSubstr("hup\n"));
  EXPECT_EQ(ended.code, 3);
}

TEST_F(ServerTest, ATerminalHasASizeThatCanChange) {
  auto session = Exec({.argv = {"sh", "-c", "stty size; read x; stty size"},
                       .tty = true,
                       .stdin = true,
                       .size = {.columns = 91, .rows = 33}});
  EXPECT_EQ(session->error(), nullptr);
  EXPECT_TRUE(session->input()->Resize({.columns = 50, .rows = 20}).ok());
  EXPECT_TRUE(session->input()->Write("\n").ok());
  EXPECT_THAT(ReadToEnd(*session).out, HasSubstr("20 50"));
}

TEST_F(ServerTest, KeysOnATerminalAreSignals) {
  // A shell that is about to start a program may lose the key.
  auto session = Exec({.argv = {"sh", "-c", "trap 'exit 9' INT; echo up; while :; do :; done"},
                       .tty = true,
                       .stdin = true});
  ASSERT_TRUE(IsReadable(session->output()->fd()));
  EXPECT_TRUE(session->input()->Write("\x03").ok());
  EXPECT_EQ(ReadToEnd(*session).code, 9);
}

TEST_F(ServerTest, ADetachedCommandOutlivesItsConnection) {
  const std::string mark = dir_.path("mark");
  auto session = ExecByAgent(
      channel_, {.argv = {"sh", "-c", absl::StrCat("echo done > ", mark)}, .detach = true},
      Deadline());
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(*session, nullptr);
  const absl::Time deadline = Deadline();
  while (ReadFile(mark).value_or("") != "done\n" && absl::Now() < deadline) {
  }
  EXPECT_EQ(ReadFile(mark).value_or(""), "done\n");
}

TEST_F(ServerTest, SessionsAreBoundedByTheAgentToo) {
  std::vector<std::unique_ptr<driver::ExecSession>> sessions;
  for (int i = 0; i < kMaxStreams; ++i) sessions.push_back(Script("sleep 1000"));
  EXPECT_EQ(ErrorOf({.argv = {"true"}}), "TOO_MANY_SESSIONS");
  sessions.pop_back();
}

TEST_F(ServerTest, ATreeComesBackAsItWasSent) {
  const std::string from = dir_.path("from/tree"), to = dir_.path("to");
  ASSERT_TRUE(RunCommandOk({"sh", "-c",
                            absl::StrCat("mkdir -p ", from, "/sub ", to, " && cd ", from,
                                         " && seq 1 100000 > sub/much && ln -s /etc/passwd link"
                                         " && echo x > run && chown 12:34 run && chmod 4751 run"
                                         " && truncate -s 3M hole && touch -d @12345 sub")})
                  .ok());
  const Ended sent = Send(from);
  EXPECT_EQ(sent.code, 0) << sent.err;
  const Ended received = Receive(to, sent.out);
  EXPECT_EQ(received.code, 0) << received.err;
  auto diff = RunCommandOk({"diff", "-r", "--no-dereference", from, to + "/tree"});
  EXPECT_TRUE(diff.ok()) << diff.status();
  struct stat run{};
  ASSERT_EQ(stat((to + "/tree/run").c_str(), &run), 0);
  EXPECT_EQ(run.st_mode & 07777, 04751);
  EXPECT_EQ(run.st_uid, 12);
  EXPECT_EQ(run.st_gid, 34);
}

TEST_F(ServerTest, WhatCantBeReadIsSaid) {
  const Ended sent = Send("/nowhere/at/all");
  EXPECT_EQ(sent.code, 1);
  EXPECT_THAT(sent.err, HasSubstr("/nowhere/at/all"));
  const Ended received = Receive("/nowhere/at/all", "");
  EXPECT_EQ(received.code, 1);
  EXPECT_THAT(received.err, HasSubstr("/nowhere/at/all"));
}

TEST_F(ServerTest, NothingIsWrittenOutsideOfTheFolder) {
  const std::string to = dir_.path("jail/to"), evil = dir_.path("evil.tar");
  // Through a link to the folder above, and by a name that leads there.
  ASSERT_TRUE(RunCommandOk({"sh", "-c",
                            absl::StrCat("mkdir -p ", to, " ", dir_.path("w"), " && cd ",
                                         dir_.path("w"),
                                         " && echo x > out && ln -s .. up && tar cf ", evil,
                                         " up && tar rPf ", evil,
                                         " --transform 's,^out,up/out,' out && tar rPf ", evil,
                                         " --transform 's,^out,../out2,' out")})
                  .ok());
  Receive(to, *ReadFile(evil));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("jail/out")));
  EXPECT_FALSE(std::filesystem::exists(dir_.path("jail/out2")));
}

TEST_F(ServerTest, FiguresAreTheKernels) {
  v1::Request request;
  request.mutable_get_stats();
  const v1::Stats stats = Ask(request, "stats").stats();
  EXPECT_EQ(stats.memory_total_bytes(), static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                                            static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  EXPECT_LE(stats.memory_available_bytes(), stats.memory_total_bytes());
  EXPECT_EQ(stats.cpus(), static_cast<uint32_t>(sysconf(_SC_NPROCESSORS_ONLN)));
  EXPECT_GT(stats.cpu_nanos(), 0);
  EXPECT_GE(stats.processes(), 2);
}

TEST_F(ServerTest, AddressesHaveTheirPrefix) {
  v1::Request request;
  request.mutable_get_addresses();
  const v1::Reply reply = Ask(request, "addresses");
  const auto& interfaces = reply.addresses().interfaces();
  const auto lo = std::find_if(interfaces.begin(), interfaces.end(),
                               [](const v1::Interface& i) { return i.name() == "lo"; });
  ASSERT_NE(lo, interfaces.end());
  if (!lo->up()) return;
  EXPECT_THAT(lo->addresses(), testing::Contains("127.0.0.1/8"));
}

TEST_F(ServerTest, WhatIsUnknownIsRefused) {
  EXPECT_EQ(Ask(v1::Request(), "exec").error(), ENOSYS);
}

}  // namespace
}  // namespace vx::agent
