// A vxd with folders of its own, run as a user runs it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "tests/leftovers/leftovers.h"
#include "tests/system/harness/child.h"

namespace vx::system_test {

using Json = nlohmann::json;
using Words = std::vector<std::string>;

class Daemon {
 public:
  // Makes its folders; starts nothing.
  Daemon();
  // Ends workloads and daemon, and removes the folders.
  ~Daemon();

  // `args` are added to vxd's command line; `wrapper` comes before it (a program
  // that execs its arguments).
  struct Options {
    Words args;
    Words wrapper;
  };
  // Returns when vxd says READY=1 to its service manager. Fails the test when it
  // ends or says nothing for 30 s.
  void Start(const Options& options = {});
  // The same without the wait: returns as soon as there is a process.
  void Begin(const Options& options = {});
  // For a vxd that must refuse to start.
  Result RunToEnd(const Options& options = {});

  // SIGTERM; the exit status.
  int Stop();
  // SIGKILL; workloads go on.
  void Kill();
  // Waits for an end that the test brought about; false when none comes for 60 s.
  bool WaitEnd();
  bool running() const { return child_ != nullptr; }
  pid_t pid() const { return child_ ? child_->pid() : -1; }

  // vxctl against this daemon.
  Result Vxctl(const Words& args, absl::Duration timeout = absl::Seconds(120)) const;
  // As another user: in no group but `gid`.
  Result VxctlAs(int uid, int gid, const Words& args) const;
  std::unique_ptr<Child> VxctlInBackground(const Words& args) const;
  // `vxctl ARGS -o json`, parsed; discarded (Json::is_discarded) when it failed.
  Json VxctlJson(Words args) const;

  // One workload, as `inspect` shows it; null when there is none.
  Json Inspect(const std::string& name) const;
  std::string State(const std::string& name) const;
  // One driver of `info`.
  Json Driver(const std::string& name) const;
  // All that the workload wrote to stdout.
  std::string Logs(const std::string& name) const { return Vxctl({"logs", name}).out; }
  // Waits until its log holds `text`; false when it does not come.
  bool WaitForLog(const std::string& name, const std::string& text) const;
  // Waits for an event of the last hour or to come about the workload whose JSON holds
  // `text`; false when it does not come, or there is no such workload any more.
  bool WaitForEvent(const std::string& workload, const std::string& text) const;

  // Removes every workload; what it says on failure, or nothing.
  std::string RemoveWorkloads() const;
  // The same of networks, of which no workload is a member any more.
  std::string RemoveNetworks() const;
  // What is on the host and should not be: while vxd runs, what is of no workload
  // in its inventory; else, whatever is of this vxd. One line each, and each is told
  // once. What is on its way out is waited for.
  std::vector<std::string> Leftovers(absl::Duration patience = absl::Seconds(10));
  // Ends everything and returns what is left on the host all the same. The
  // folders stay until the destructor.
  std::vector<std::string> ShutDown();

  const std::string& dir() const { return dir_; }
  std::string state_dir() const { return dir_ + "/s"; }
  std::string runtime_dir() const { return dir_ + "/r"; }
  std::string socket() const { return runtime_dir() + "/vxd.sock"; }
  std::string log() const;
  void ClearLog();

 private:
  Words CommandLine(const Options& options) const;
  bool WaitReady(int notify_socket);

  std::string dir_;
  std::string instance_id_;
  std::set<leftovers::Finding> told_;
  std::unique_ptr<Child> child_;
};

// Path of a program that the build made.
std::string Program(const std::string& name);

}  // namespace vx::system_test
