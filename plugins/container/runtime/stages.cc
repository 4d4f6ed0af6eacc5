#include "plugins/container/runtime/stages.h"

#include <sys/mman.h>
#include <time.h>

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"

namespace vx::container {
namespace {

constexpr int kMostMarks = 32;

struct Mark {
  const char* name;
  int64_t nanoseconds;
};

struct Marks {
  int count;
  Mark marks[kMostMarks];
};

Marks* g_marks = nullptr;

int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

void KeepStages() {
  void* memory = mmap(nullptr, sizeof(Marks), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
                      -1, 0);
  if (memory == MAP_FAILED) return;
  g_marks = static_cast<Marks*>(memory);
  EndStage("begin");
}

void EndStage(const char* name) {
  if (g_marks == nullptr || g_marks->count == kMostMarks) return;
  g_marks->marks[g_marks->count++] = {name, Now()};
}

absl::Status WriteStages(const std::string& file) {
  std::string text;
  for (int i = 1; g_marks != nullptr && i < g_marks->count; ++i) {
    const Mark& mark = g_marks->marks[i];
    const int64_t took = mark.nanoseconds - g_marks->marks[i - 1].nanoseconds;
    absl::StrAppend(&text, mark.name, " ", took / 1000, "\n");
  }
  return WriteFileAtomic(file, text, 0600);
}

}  // namespace vx::container
