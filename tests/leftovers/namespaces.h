// Other namespaces, looked at from inside.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "tests/leftovers/context.h"

namespace vx::leftovers {

// All namespaces of one type ("mnt" or "net") that a process is in or holds open,
// or that is bound to a path: "net:[4026531840]" to a path that leads there.
std::map<std::string, std::string> AllNamespaces(const Context& context, const std::string& type);

// Calls `look` in a thread that has entered the namespace of `type` (CLONE_NEW…).
// 0, or the errno that kept it out.
int InNamespace(const std::string& path, int type, const std::function<void()>& look);

}  // namespace vx::leftovers
