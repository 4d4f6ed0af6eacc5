#include "daemon/memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <sstream>
#include <string>

#include "daemon/base/file.h"

namespace vx {
namespace {

constexpr int kHeaps = 2;
// Larger blocks are given back when they are freed. malloc would raise this by
// itself, and keep what lies on top of a heap for good.
constexpr int kLargeBlock = 256 * 1024;
// What a heap keeps to spare: messages of a stream come and go, and pages that are given
// back and taken again for each cost more than they carry.
constexpr int kSpare = 512 * 1024;

}  // namespace

void LimitHeaps() {
  mallopt(M_ARENA_MAX, kHeaps);
  mallopt(M_MMAP_THRESHOLD, kLargeBlock);
  mallopt(M_TRIM_THRESHOLD, kLargeBlock);
  mallopt(M_TOP_PAD, kSpare);
}

void ReleaseStartupMemory() {
  malloc_trim(0);
  auto maps = ReadFile("/proc/self/maps");
  if (!maps.ok()) return;
  std::istringstream lines(*maps);
  for (std::string line; std::getline(lines, line);) {
    uintptr_t begin = 0, end = 0;
    char mode[5] = "";
    if (sscanf(line.c_str(), "%lx-%lx %4s", &begin, &end, mode) != 3) continue;
    // Code only: it is never written to, so the file holds all of it.
    const bool code = std::string(mode) == "r-xp" && line.find(" /") != std::string::npos;
    if (code) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
  }
}

}  // namespace vx
