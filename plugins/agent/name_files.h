// Files in memory in the place of an image's: by which a guest finds names.
#pragma once

#include <string>
#include <vector>

namespace vx::agent {

struct NameFile {
  // Absolute.
  std::string target;
  std::string content;
};

// Mounts each over its target, which is made where the root lacks it and left as it is
// otherwise; a link is followed. The root may be sealed afterwards: the files can still be
// written to, and are gone with the run. `scratch` is a folder that is made meanwhile. One
// sentence for each that could not be had.
std::vector<std::string> PutNameFiles(const std::vector<NameFile>& files,
                                      const std::string& scratch);

}  // namespace vx::agent
