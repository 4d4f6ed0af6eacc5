// Random identifiers.
#pragma once

#include <string>

namespace vx {

// `digits` lower-case hexadecimal digits (an even number) from the kernel's
// random source.
std::string RandomHex(int digits);

}  // namespace vx
