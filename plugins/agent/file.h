// Small files, and descriptors.
#pragma once

#include <string>

namespace vx::agent {

// Up to 1 MiB of the file; empty when it can't be read.
std::string ReadSmallFile(const char* path);

// mkdir -p. False with errno set.
bool MakeDirs(const std::string& path);

void SetNonBlocking(int fd, bool on);

}  // namespace vx::agent
