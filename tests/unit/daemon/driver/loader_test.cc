// The modules are made by CMakeLists.txt from modules/.
#include "daemon/driver/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::driver {
namespace {

using testing::HasSubstr;

absl::Status LoadError(const std::string& path) { return LoadDriver(path, {}).status(); }

void ExpectRefusal(const std::string& path, const char* reason, const char* words) {
  const absl::Status status = LoadError(path);
  EXPECT_EQ(ErrorReason(status), reason) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  EXPECT_THAT(std::string(status.message()), HasSubstr(words));
  EXPECT_NE(ErrorHint(status), "");
}

TEST(LoaderTest, AMissingModuleIsNotFound) {
  ExpectRefusal("/tmp/no such/module.so", "MODULE_MISSING", "is not there");
  EXPECT_TRUE(absl::IsNotFound(LoadError("/tmp/no such/module.so")));
}

TEST(LoaderTest, AFileThatIsNoLibraryIsBroken) {
  TempDir dir;
  ASSERT_TRUE(WriteFileAtomic(dir / "text.so", "no library", 0600).ok());
  ExpectRefusal(dir / "text.so", "MODULE_BROKEN", "can't be loaded");
  ExpectRefusal(dir.path(), "MODULE_BROKEN", "can't be loaded");
}

TEST(LoaderTest, ALibraryThatIsNoModuleIsBroken) {
  ExpectRefusal(VX_TEST_MODULES "/no_driver.so", "MODULE_BROKEN", "no vx driver");
}

TEST(LoaderTest, AModuleThatLacksALibraryIsBrokenAndSaysWhich) {
  ExpectRefusal(VX_TEST_MODULES "/unresolved.so", "MODULE_BROKEN", "vx_test_nobody_has_this");
}

TEST(LoaderTest, AModuleOfAnotherBuildIsRefusedWithBothIds) {
  ExpectRefusal(VX_TEST_MODULES "/other_build.so", "MODULE_MISMATCH", "0123456789abcdef");
  ExpectRefusal(VX_TEST_MODULES "/other_build.so", "MODULE_MISMATCH", VX_BUILD_ID);
}

TEST(LoaderTest, AModuleOfAnotherContractIsRefusedBeforeItsCodeRuns) {
  ExpectRefusal(VX_TEST_MODULES "/other_contract.so", "MODULE_MISMATCH", "contract 999");
}

TEST(LoaderTest, AModuleThatMakesNoDriverIsBroken) {
  ExpectRefusal(VX_TEST_MODULES "/null_driver.so", "MODULE_BROKEN", "makes no driver");
}

TEST(LoaderTest, AModuleOfThisBuildMakesItsDriver) {
  TempDir dir;
  auto driver = LoadDriver(
      VX_TEST_FAKE_MODULE,
      {.state_dir = dir.path(), .runtime_dir = dir.path(), .options = {{"fake.kind", "vm"}}});
  ASSERT_TRUE(driver.ok()) << driver.status();
  EXPECT_EQ((*driver)->name(), "fake");
  EXPECT_EQ((*driver)->kind(), v1::KIND_VM) << "the environment did not reach it";
}

}  // namespace
}  // namespace vx::driver
