// Small operations on the files of a cgroup that both backends share.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace vx::cgroup {

// A file that holds one number; `fallback` when it isn't there or says "max".
int64_t ReadNumber(const std::string& path, int64_t fallback = 0);

// The value after `key` in a file of "KEY VALUE" lines; 0 when there is none.
int64_t ReadKey(const std::string& path, absl::string_view key);

absl::Status WriteNumber(const std::string& path, int64_t value);

// Makes `path` (one level below `parent`), and `parent` where it went away.
absl::Status MakeGroup(const std::string& parent, const std::string& path);

// rmdir of a group and, if that leaves it empty, of its parent. Waits a little
// for processes that are just ending.
absl::Status RemoveGroup(const std::string& path);

// The processes in the group whose folder that is; none when it is not there.
std::vector<pid_t> ReadProcesses(const std::string& path);

// Of a v2 group: waits until cgroup.events says `key` `value`.
absl::Status WaitEvent(const std::string& group, absl::string_view key, int64_t value,
                       absl::Duration timeout);

// The v2 group's half of Cgroup::Freeze and Cgroup::Kill.
absl::Status FreezeUnified(const std::string& group, bool frozen);
absl::Status KillUnified(const std::string& group, absl::Duration timeout);

}  // namespace vx::cgroup
