// What the shim tells whoever started it, once, on kReadyFd.
#pragma once

#include <cstddef>

namespace vx::shim {

// False when nobody is there to hear it.
bool ReportReady();

// All return false, for `return Report(...)`.
bool Report(const char* text, size_t size);
bool Report(const char* text);
// "can't WHAT: why errno says".
bool ReportErrno(const char* what);

}  // namespace vx::shim
