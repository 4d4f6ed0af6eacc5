// The way of a process inside a container, from root of its namespaces to the exec of
// its command: the same for init and for what exec adds.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugins/container/runtime/config.h"
#include "plugins/container/runtime/identity.h"
#include "plugins/container/runtime/seccomp.h"

namespace vx::container {

// Makes those of 0, 1 and 2 that are pipes or sockets `uid`'s and `gid`'s, so
// that it can open /dev/stdout again.
void GiveStreams(uid_t uid, gid_t gid);

// Closes all but 0, 1, 2 and these (-1: none). Nothing of the runtime's may be open when
// paths of the image are walked: what it has open is the host's.
void CloseAllBut(std::vector<int> kept);

class Command {
 public:
  struct Options {
    // errno as int32_t when the command can't be run; -1: none wants to know.
    int exec_fd = -1;
    // For warnings.
    int error_fd = 2;
    // Die when the parent does, as far as the kernel helps with that.
    bool die_with_parent = false;
    // A working directory that is not there is made.
    bool make_working_dir = true;
  };

  // Borrows all.
  Command(const ProcessConfig& process, const SeccompProgram& seccomp, const Options& options)
      : process_(process), seccomp_(seccomp), options_(options) {}

  // In the container's root: becomes who the command is, with its limits and rights
  // alone. What spec and image are to blame for (no such user, a bad working
  // directory) is left for Run to tell, where somebody wants to know.
  absl::Status Prepare(const absl::StatusOr<Identity>& identity);

  // After Prepare: execs the command, or says why not and ends with 126 or 127.
  [[noreturn]] void Run();

 private:
  absl::Status BecomeUser(const Identity& identity);
  void ApplyRlimit(const Rlimit& wanted) const;
  void Warn(const std::string& text) const;
  int CauseOf(const absl::Status& status) const;
  [[noreturn]] void Fail(int error) const;

  const ProcessConfig& process_;
  const SeccompProgram& seccomp_;
  const Options options_;
  std::string home_;
  // errno for exec_fd; 0: all is well.
  int cause_ = 0;
};

}  // namespace vx::container
