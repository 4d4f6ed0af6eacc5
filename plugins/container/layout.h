// Where the driver keeps what, by workload.
//
//   STATE/UID/root/{upper,work}  the writable layer
//   STATE/UID/{layers,image}     the base: folders, one a line; an ImageConfig
//   STATE/UID/log                output of all its runs
//   STATE/UID/seccomp/           a profile of its own, and its compiled form
//   STATE/.trash/                what is being removed
//   STATE/.seccomp/              the profile and its compiled form
//   RUNTIME/UID/                 one run: the OCI bundle (config.json), the shim's
//                                folder and vx-runtime's state, all in one; and
//        run                     what the driver wants to know of it again
//        started                 when, in nanoseconds since 1970
//        shim-died               the shim did not end by itself
#pragma once

#include <string>

#include "absl/strings/str_cat.h"

namespace vx::container {

struct Layout {
  std::string state_dir;
  std::string runtime_dir;
  std::string instance_id;
  // Of the groups below; empty: the root.
  std::string cgroup_parent;

  std::string State(const std::string& uid) const { return absl::StrCat(state_dir, "/", uid); }
  std::string Root(const std::string& uid) const { return absl::StrCat(State(uid), "/root"); }
  std::string Layers(const std::string& uid) const { return absl::StrCat(State(uid), "/layers"); }
  std::string Image(const std::string& uid) const { return absl::StrCat(State(uid), "/image"); }
  std::string Log(const std::string& uid) const { return absl::StrCat(State(uid), "/log"); }
  std::string OwnSeccomp(const std::string& uid) const {
    return absl::StrCat(State(uid), "/seccomp");
  }
  std::string Trash() const { return absl::StrCat(state_dir, "/.trash"); }
  std::string Seccomp() const { return absl::StrCat(state_dir, "/.seccomp"); }

  std::string Run(const std::string& uid) const { return absl::StrCat(runtime_dir, "/", uid); }
  std::string CgroupParent() const { return absl::StrCat(cgroup_parent, "/vx-", instance_id); }
  std::string Cgroup(const std::string& uid) const {
    return absl::StrCat(CgroupParent(), "/", uid);
  }
};

}  // namespace vx::container
