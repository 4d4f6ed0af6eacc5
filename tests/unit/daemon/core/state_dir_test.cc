#include "daemon/core/state_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/unique_fd.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::core {
namespace {

using testing::HasSubstr;

// A process of its own that does `work`, which calls Report and never returns; it is
// there when it has reported.
class Process {
 public:
  explicit Process(const std::function<void(const Process&)>& work) {
    int fds[2];
    if (pipe(fds) < 0) abort();
    UniqueFd read_end(fds[0]);
    report_.reset(fds[1]);
    pid_ = fork();
    if (pid_ == 0) {
      work(*this);
      _exit(1);
    }
    report_.reset();
    if (read(read_end.get(), &reported_, sizeof reported_) != sizeof reported_) reported_ = -1;
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process() { Kill(); }

  void Report(pid_t value) const {
    if (write(report_.get(), &value, sizeof value) != sizeof value) _exit(1);
    while (true) pause();
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  pid_t reported() const { return reported_; }

 private:
  UniqueFd report_;
  pid_t pid_ = -1;
  pid_t reported_ = -1;
};

class StateDirTest : public testing::Test {
 protected:
  TempDir dir_;
};

TEST_F(StateDirTest, KeepsItsIdAlsoWithoutTheFile) {
  auto store = OpenInventory(dir_.path());
  ASSERT_TRUE(store.ok()) << store.status();
  const std::string id = *InstanceId(dir_.path(), **store);
  EXPECT_EQ(id.size(), 8u);
  EXPECT_EQ(*InstanceId(dir_.path(), **store), id);
  ASSERT_EQ(unlink((dir_ / "instance-id").c_str()), 0);
  EXPECT_EQ(*InstanceId(dir_.path(), **store), id);
}

TEST_F(StateDirTest, AnInventoryThatIsGoneIsNotBegunAnew) {
  {
    auto store = OpenInventory(dir_.path());
    ASSERT_TRUE(InstanceId(dir_.path(), **store).ok());
  }
  ASSERT_EQ(truncate((dir_ / "vx.db").c_str(), 0), 0);
  EXPECT_EQ(ErrorReason(OpenInventory(dir_.path()).status()), "DATABASE_MISSING");
  ASSERT_EQ(unlink((dir_ / "vx.db").c_str()), 0);
  EXPECT_EQ(ErrorReason(OpenInventory(dir_.path()).status()), "DATABASE_MISSING");
  EXPECT_FALSE(PathExists(dir_ / "vx.db"));
}

TEST_F(StateDirTest, IsOfOneProcessWhichIsNamed) {
  Process holder([&](const Process& self) {
    auto lock = LockStateDir(dir_.path());
    self.Report(lock.ok() ? getpid() : -1);
  });
  ASSERT_EQ(holder.reported(), holder.pid());
  auto second = LockStateDir(dir_.path());
  EXPECT_EQ(ErrorReason(second.status()), "STATE_DIR_IN_USE");
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr(absl::StrCat("pid ", holder.pid())));
  holder.Kill();
  EXPECT_TRUE(LockStateDir(dir_.path()).ok());
}

TEST_F(StateDirTest, IsFreeWhenItsProcessIsKilledWithAChildBeforeItsExec) {
  Process holder([&](const Process& self) {
    auto lock = LockStateDir(dir_.path());
    const pid_t child = lock.ok() ? fork() : -1;
    if (child != 0) self.Report(child);
    while (true) pause();
  });
  ASSERT_GT(holder.reported(), 0);
  holder.Kill();
  EXPECT_TRUE(LockStateDir(dir_.path()).ok());
  kill(holder.reported(), SIGKILL);
}

}  // namespace
}  // namespace vx::core
