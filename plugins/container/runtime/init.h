// The container's first process, from its birth to the exec of the command.
#pragma once

#include "daemon/base/unique_fd.h"
#include "plugins/cgroup/cgroup.h"
#include "plugins/container/runtime/config.h"
#include "plugins/container/runtime/seccomp.h"

namespace vx::container {

// What the runtime hands to init. Descriptors are close-on-exec.
struct InitTask {
  const Config& config;
  const SeccompProgram& seccomp;
  const cgroup::CgroupDoors& doors;
  // One byte: the ids are mapped and the stage is filled.
  int go_fd = -1;
  // Init says "R" when it is ready to be started, or what is wrong.
  int report_fd = -1;
  // One byte: run the command.
  int start_fd = -1;
  // Where the master of the command's terminal is sent; -1 without one.
  int console_fd = -1;
  // errno as int32_t when the command can't be run; -1: none wants to know.
  int exec_fd = -1;
  // For warnings.
  int error_fd = 2;
  // Die when the parent does, as far as the kernel helps with that.
  bool die_with_parent = false;
  // The command is an init that answers to exec_fd.
  bool keep_exec_fd = false;
};

[[noreturn]] void RunInit(const InitTask& task);

}  // namespace vx::container
