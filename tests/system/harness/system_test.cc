#include "tests/system/harness/system_test.h"

namespace vx::system_test {

using testing::AllOf;
using testing::AllOfArray;
using testing::Field;
using testing::HasSubstr;

std::unique_ptr<Daemon> SharedDaemonTest::daemon_;

void SharedDaemonTest::SetUpTestSuite() {
  daemon_ = std::make_unique<Daemon>();
  daemon_->Start();
}

void SharedDaemonTest::TearDownTestSuite() {
  if (!daemon_->running()) return;
  for (const std::string& left : daemon_->ShutDown()) ADD_FAILURE() << "left behind: " << left;
  if (testing::UnitTest::GetInstance()->Failed()) std::cerr << "vxd's log:\n" << daemon_->log();
  daemon_.reset();
}

void SharedDaemonTest::SetUp() { ASSERT_TRUE(daemon_->running()) << daemon_->log(); }

void SharedDaemonTest::TearDown() {
  if (!daemon_->running()) return;
  EXPECT_EQ(daemon_->RemoveWorkloads(), "");
  for (const std::string& left : daemon_->Leftovers()) ADD_FAILURE() << "left behind: " << left;
}

void EachKindTest::RunDetached(const std::string& name, const std::string& script,
                               const Words& flags) {
  Words line = {"run", "-d", "--name", name, kind_flag()};
  line.insert(line.end(), flags.begin(), flags.end());
  line.insert(line.end(), {"busybox", "--", "sh", "-c", script});
  Result result = Vxctl(line);
  ASSERT_EQ(result.code, 0) << result;
}

Result EachKindTest::RunScript(const std::string& script, const Words& flags) {
  Words line = {"run", "--rm", kind_flag()};
  line.insert(line.end(), flags.begin(), flags.end());
  line.insert(line.end(), {"busybox", "--", "sh", "-c", script});
  return Vxctl(line);
}

void OwnDaemonTest::TearDown() {
  for (const std::string& left : vx_.ShutDown()) ADD_FAILURE() << "left behind: " << left;
  if (HasFailure()) std::cerr << "vxd's log:\n" << vx_.log();
}

testing::Matcher<const Result&> FailsSaying(int code, const Words& words) {
  std::vector<testing::Matcher<const std::string&>> said;
  for (const std::string& word : words) said.push_back(HasSubstr(word));
  return AllOf(Field("code", &Result::code, code), Field("err", &Result::err, AllOfArray(said)));
}

testing::Matcher<const Result&> Succeeds() { return Field("code", &Result::code, 0); }

}  // namespace vx::system_test
