#include "plugins/libvirt/qemu_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

TEST(QemuProcessTest, ADomainIsDroppedWhenItsPidFileGoes) {
  TempDir dir;
  dir.Write("vm.pid", "1\n");
  EXPECT_FALSE(WaitDropped(dir.path(), "vm", absl::Milliseconds(20)));
  std::thread libvirt([&] { EXPECT_EQ(unlink(dir.path("vm.pid").c_str()), 0); });
  EXPECT_TRUE(WaitDropped(dir.path(), "vm", absl::Seconds(20)));
  libvirt.join();
  EXPECT_TRUE(WaitDropped(dir.path(), "vm", absl::ZeroDuration()));
}

TEST(QemuProcessTest, AProcessHasAParent) {
  EXPECT_EQ(ParentOf(getpid()).value_or(0), getppid());
  EXPECT_FALSE(ParentOf(-1).ok());
}

TEST(QemuProcessTest, APidOfSomethingElseIsNotTakenForQemu) {
  TempDir dir;
  dir.Write("vm.pid", std::to_string(getpid()));
  EXPECT_TRUE(absl::IsNotFound(FindQemu(dir.path(), "vm").status()));
  EXPECT_TRUE(absl::IsNotFound(FindQemu(dir.path(), "other").status()));
}

}  // namespace
}  // namespace vx::libvirt
