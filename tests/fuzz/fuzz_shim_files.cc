// The files that a shim leaves: its exit record and its log. The first byte says which.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "daemon/base/file.h"
#include "plugins/shim/client.h"
#include "plugins/shim/protocol.h"

namespace {

// Removed at the end of the program.
struct Folder {
  Folder() {
    char name[] = "/tmp/vx-fuzz-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { vx::RemoveTree(path).IgnoreError(); }
  std::string path;
};

void ReadLog(const std::string& path, const vx::driver::LogPosition& position) {
  auto reader = vx::shim::OpenLog(path, position);
  if (!reader.ok()) return;
  vx::driver::LogEntry entry;
  while (true) {
    const auto more = (*reader)->Next(entry);
    if (!more.ok() || !*more) return;
    if (entry.stream != 1 && entry.stream != 2) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  if (size == 0) return 0;
  const bool is_log = (data[0] & 1) != 0;
  const std::string path = absl::StrCat(folder.path, "/", is_log ? "log" : vx::shim::kExitRecord);
  const absl::string_view content(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (!vx::WriteFileAtomic(path, content, 0600).ok()) return 0;
  if (!is_log) {
    vx::shim::ReadExitRecord(folder.path).IgnoreError();
    return 0;
  }
  vx::driver::LogPosition tail;
  tail.tail = data[0] >> 1;
  ReadLog(path, {});
  ReadLog(path, tail);
  return 0;
}
