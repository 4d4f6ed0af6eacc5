// What a tree takes on the disk, by looking at it.
#pragma once

#include <cstdint>
#include <string>

namespace vx::volume {

// Bytes of blocks of all that is below `dir`, links not followed, files with several
// names once; -1 where there are more than `most` entries or the tree can't be read.
int64_t CountBytes(const std::string& dir, int most);

}  // namespace vx::volume
