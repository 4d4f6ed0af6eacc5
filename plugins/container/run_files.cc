#include "plugins/container/run_files.h"

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "plugins/shim/protocol.h"

namespace vx::container {
namespace {

// How long a killed init may take to be gone.
constexpr absl::Duration kInitEnd = absl::Seconds(5);

// Between fields: what no argument and no path can hold.
constexpr absl::string_view kEnd("\0", 1);

std::string NotesFile(const std::string& dir) { return absl::StrCat(dir, "/run"); }
std::string StartedFile(const std::string& dir) { return absl::StrCat(dir, "/started"); }
std::string DiedFile(const std::string& dir) { return absl::StrCat(dir, "/shim-died"); }

}  // namespace

absl::Status WriteRunNotes(const std::string& dir, const RunNotes& notes) {
  const std::string number = absl::StrCat(notes.stop_signal);
  return WriteFileAtomic(NotesFile(dir),
                         absl::StrJoin({number, notes.user, notes.working_dir, notes.argv0}, kEnd),
                         0600);
}

absl::StatusOr<RunNotes> ReadRunNotes(const std::string& dir) {
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(NotesFile(dir)));
  const std::vector<std::string> fields = absl::StrSplit(text, kEnd);
  RunNotes notes;
  if (fields.size() != 4 || !absl::SimpleAtoi(fields[0], &notes.stop_signal)) {
    return absl::DataLossError(absl::StrCat(NotesFile(dir), " is broken"));
  }
  notes.user = fields[1];
  notes.working_dir = fields[2];
  notes.argv0 = fields[3];
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

void ReapInit(const std::string& dir) {
  auto text = ReadFile(absl::StrCat(dir, "/state.json"));
  if (!text.ok()) return;
  const auto state = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object()) return;
  const pid_t pid = state.value("pid", 0);
  auto pidfd = OpenPidfd(pid);
  // Not a later process of the same number.
  if (!pidfd.ok() || ProcessStartTicks(pid) != state.value("startTicks", uint64_t{0})) return;
  WaitPidfd(pidfd->get(), kInitEnd);
  ReapPidfd(pidfd->get());
}

absl::Status WriteShimDied(const std::string& dir) {
  const std::string record = absl::StrCat(
      "code=-1 signal=0 oom=0 exec_errno=0 time_ns=", absl::GetCurrentTimeNanos(), " lost=1\n");
  VX_RETURN_IF_ERROR(WriteFileAtomic(DiedFile(dir), "", 0600));
  return WriteFileAtomic(absl::StrCat(dir, "/", shim::kExitRecord), record, 0600);
}

bool ShimDied(const std::string& dir) { return PathExists(DiedFile(dir)); }

}  // namespace vx::container
