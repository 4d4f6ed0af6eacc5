// What the tests of the judge share: an instance with folders of its own, and
// processes to find.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/leftovers/leftovers.h"

namespace vx::leftovers {

// A copy of this process that has done `work` and waits. Killed and reaped with
// the object.
class Forked {
 public:
  // Fails the test when `work` returns false.
  explicit Forked(const std::function<bool()>& work);
  ~Forked();
  Forked(const Forked&) = delete;
  Forked& operator=(const Forked&) = delete;

  pid_t pid() const { return pid_; }
  std::string proc(const std::string& file) const;
  // It ends, and is not reaped yet.
  void End();

 private:
  pid_t pid_ = -1;
};

struct Command {
  std::vector<std::string> argv;
  std::string program = "";  // its whole path; empty: as argv[0] says
  std::vector<std::string> env;
  std::string cwd = "/";
};

// Another program, which runs when the constructor returns. Killed and reaped with
// the object.
class Spawned {
 public:
  explicit Spawned(const Command& command);
  ~Spawned();
  Spawned(const Spawned&) = delete;
  Spawned& operator=(const Spawned&) = delete;

  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

// Sleeps for longer than a test.
inline constexpr char kSleep[] = "/bin/sleep";

// An instance that has state and runtime directory, an id, and nothing else.
class LeftoversTest : public testing::Test {
 protected:
  LeftoversTest();
  ~LeftoversTest() override;

  std::string state() const { return dir_ + "/s"; }
  std::string runtime() const { return dir_ + "/r"; }
  // A folder that has nothing to do with the instance.
  std::string elsewhere() const { return dir_ + "/e"; }
  const std::string& id() const { return id_; }
  // "vx-ID".
  std::string name() const { return "vx-" + id_; }

  Instance& instance() { return *scope_.instance; }
  Scope& scope() { return scope_; }
  std::vector<std::string> Found() const { return Look(scope_).Lines(); }

  // With its parents.
  static void MakeDir(const std::string& path);
  static void MakeFile(const std::string& path, const std::string& content = "");

 private:
  std::string dir_;
  std::string id_;
  Scope scope_;
};

// Matches a finding as a line, whose kind is `kind` and which holds `text`.
testing::Matcher<const std::string&> Is(const std::string& kind, const std::string& text);

// 32 hex digits, never the same.
std::string NewUid();

}  // namespace vx::leftovers
