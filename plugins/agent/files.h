// Files as tar archives, in a process of their own: from and to its streams.
#pragma once

#include <string>

namespace vx::agent {

// Writes the file or tree `path` to stdout, names relative to its folder. The exit
// status: 1 when something could not be read, which stderr says.
int SendTree(const std::string& path);

// Unpacks stdin into the folder `path`; what exists is replaced. Nothing is written
// outside of it, whatever names and links the archive or the folder hold.
int ReceiveTree(const std::string& path);

}  // namespace vx::agent
