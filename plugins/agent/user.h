// Who the command runs as: "user[:group]" against a guest's own passwd and group
// files, as Docker reads it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace vx::agent {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  // Supplementary groups; none when the spec names a group.
  std::vector<gid_t> groups;
  // "/" for whom passwd does not list.
  std::string home = "/";
};

// `passwd` and `group` are the files' contents, empty when there are none. A
// number need not be listed; a name must be. Returns nullptr, or what is wrong
// with `spec`.
const char* ResolveUser(std::string_view spec, std::string_view passwd, std::string_view group,
                        Identity& identity);

}  // namespace vx::agent
