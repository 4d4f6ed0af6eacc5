#include "tests/leftovers/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>

namespace vx::leftovers {
namespace {

std::string RandomDigits(size_t count) {
  static std::random_device random;
  std::string digits;
  while (digits.size() < count) digits += "0123456789abcdef"[random() % 16];
  return digits;
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

void KillAndReap(pid_t pid) {
  if (pid <= 0) return;
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace

Forked::Forked(const std::function<bool()>& work) {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) < 0) abort();
  pid_ = fork();
  if (pid_ == 0) {
    close(ready[0]);
    const char done = work() ? '+' : '-';
    if (write(ready[1], &done, 1) != 1) _exit(1);
    close(ready[1]);
    while (true) pause();
  }
  close(ready[1]);
  char done = '-';
  EXPECT_EQ(read(ready[0], &done, 1), 1);
  EXPECT_EQ(done, '+');
  close(ready[0]);
}

Forked::~Forked() { KillAndReap(pid_); }

std::string Forked::proc(const std::string& file) const {
  return "/proc/" + std::to_string(pid_) + "/" + file;
}

void Forked::End() {
  kill(pid_, SIGKILL);
  siginfo_t info = {};
  waitid(P_PID, pid_, &info, WEXITED | WNOWAIT);
}

Spawned::Spawned(const Command& command) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addchdir_np(&actions, command.cwd.c_str());
  const std::string& program = command.program.empty() ? command.argv[0] : command.program;
  EXPECT_EQ(posix_spawn(&pid_, program.c_str(), &actions, nullptr, Pointers(command.argv).data(),
                        Pointers(command.env).data()),
            0)
      << program;
  posix_spawn_file_actions_destroy(&actions);
}

Spawned::~Spawned() { KillAndReap(pid_); }

LeftoversTest::LeftoversTest() : id_(RandomDigits(8)) {
  char dir[] = "/tmp/vx-test-left-XXXXXX";
  if (mkdtemp(dir) == nullptr) abort();
  dir_ = dir;
  for (const std::string& path : {state(), runtime(), elsewhere()}) MakeDir(path);
  MakeFile(state() + "/instance-id", id_ + "\n");
  scope_.instance = Instance{.state_dir = state(), .runtime_dir = runtime()};
  scope_.claims_file = elsewhere() + "/claims";
}

LeftoversTest::~LeftoversTest() {
  std::error_code error;
  std::filesystem::remove_all(dir_, error);
  EXPECT_FALSE(error) << error.message();
}

void LeftoversTest::MakeDir(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  EXPECT_FALSE(error) << path << ": " << error.message();
}

void LeftoversTest::MakeFile(const std::string& path, const std::string& content) {
  MakeDir(path.substr(0, path.rfind('/')));
  std::ofstream(path) << content;
}

testing::Matcher<const std::string&> Is(const std::string& kind, const std::string& text) {
  return testing::AllOf(testing::StartsWith(kind + " "), testing::HasSubstr(text));
}

std::string NewUid() { return RandomDigits(32); }

}  // namespace vx::leftovers
