#include "plugins/container/run_files.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/shim/protocol.h"

namespace vx::container {
namespace {

std::string NotesFile(const std::string& dir) { return absl::StrCat(dir, "/run"); }
std::string StartedFile(const std::string& dir) { return absl::StrCat(dir, "/started"); }
std::string DiedFile(const std::string& dir) { return absl::StrCat(dir, "/shim-died"); }

}  // namespace

absl::Status WriteRunNotes(const std::string& dir, const RunNotes& notes) {
  return WriteFileAtomic(NotesFile(dir), absl::StrCat(notes.stop_signal, " ", notes.argv0), 0600);
}

absl::StatusOr<RunNotes> ReadRunNotes(const std::string& dir) {
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(NotesFile(dir)));
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(' ', 1));
  RunNotes notes;
  if (!absl::SimpleAtoi(parts.first, &notes.stop_signal)) {
    return absl::DataLossError(absl::StrCat(NotesFile(dir), " is broken"));
  }
  notes.argv0 = parts.second;
  return notes;
}

absl::Status WriteStartTime(const std::string& dir, absl::Time time) {
  return WriteFileAtomic(StartedFile(dir), absl::StrCat(absl::ToUnixNanos(time)), 0600);
}

absl::Time ReadStartTime(const std::string& dir) {
  auto text = ReadFile(StartedFile(dir));
  int64_t nanos = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &nanos)) return absl::InfinitePast();
  return absl::FromUnixNanos(nanos);
}

absl::Status WriteShimDied(const std::string& dir) {
  const std::string record = absl::StrCat(
      "code=-1 signal=0 oom=0 exec_errno=0 time_ns=", absl::GetCurrentTimeNanos(), " lost=1\n");
  VX_RETURN_IF_ERROR(WriteFileAtomic(DiedFile(dir), "", 0600));
  return WriteFileAtomic(absl::StrCat(dir, "/", shim::kExitRecord), record, 0600);
}

bool ShimDied(const std::string& dir) { return PathExists(DiedFile(dir)); }

}  // namespace vx::container
