#include "client/cli/render/workload_table.h"

#include <google/protobuf/util/time_util.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/lib/tree.h"
#include "client/lib/units.h"

namespace vx::cli {
namespace {

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

Cell AgeCell(const google::protobuf::Timestamp& since, absl::Time now) {
  return {client::FormatAge(now - ToTime(since)),
          google::protobuf::util::TimeUtil::ToString(since)};
}

Color StateColor(v1::State state) {
  switch (state) {
    case v1::STATE_RUNNING:
      return Color::kGreen;
    case v1::STATE_FAILED:
      return Color::kRed;
    case v1::STATE_STOPPED:
    case v1::STATE_UNSPECIFIED:
      return Color::kNone;
    default:
      return Color::kYellow;
  }
}

// "0", "137 (oom)"; empty before the first end.
std::string ExitText(const v1::Workload& workload) {
  if (!workload.status().has_exit()) return "";
  const v1::Exit& exit = workload.status().exit();
  bool plain =
      exit.reason() == v1::EXIT_REASON_EXITED || exit.reason() == v1::EXIT_REASON_UNSPECIFIED;
  return plain ? absl::StrCat(exit.code())
               : absl::StrCat(exit.code(), " (", client::EnumText(exit.reason()), ")");
}

Cell ExitCell(const v1::Workload& workload) {
  std::string raw =
      workload.status().has_exit() ? absl::StrCat(workload.status().exit().code()) : "";
  return {ExitText(workload), raw};
}

Cell CpusCell(const v1::Resources& resources) {
  return resources.has_cpus() ? Cell(client::FormatNumber(resources.cpus())) : Cell();
}

Cell MemoryCell(const v1::Resources& resources) {
  if (!resources.has_memory_bytes()) return {};
  return {client::FormatSize(resources.memory_bytes()), absl::StrCat(resources.memory_bytes())};
}

Cell CountCell(int64_t count) { return count == 0 ? Cell() : Cell(absl::StrCat(count)); }

Row WorkloadRow(const v1::Workload& w, absl::Time now) {
  const v1::WorkloadStatus& status = w.status();
  return {w.name(),
          client::EnumText(w.kind()),
          StateCell(w, now),
          w.spec().image(),
          CpusCell(w.spec().resources()),
          MemoryCell(w.spec().resources()),
          AgeCell(w.create_time(), now),
          w.uid().substr(0, 12),
          CountCell(status.pid()),
          absl::StrCat(status.restarts()),
          ExitCell(w),
          absl::StrJoin(status.addresses(), " "),
          absl::StrJoin(w.spec().command(), " "),
          status.message()};
}

}  // namespace

Cell StateCell(const v1::Workload& workload, absl::Time now) {
  const v1::WorkloadStatus& status = workload.status();
  std::string state = client::EnumText(status.state());
  std::string more;
  if (status.state() == v1::STATE_RUNNING && status.has_start_time()) {
    more = absl::StrCat(" ", client::FormatAge(now - ToTime(status.start_time())));
  } else if (status.state() == v1::STATE_STOPPED && status.has_exit()) {
    const v1::Exit& exit = status.exit();
    bool oom = exit.reason() == v1::EXIT_REASON_OOM || exit.reason() == v1::EXIT_REASON_LOST;
    more = oom ? absl::StrCat(" (", client::EnumText(exit.reason()), ")")
               : absl::StrCat(" (", exit.code(), ")");
  }
  return {absl::StrCat(state, more), state, StateColor(status.state())};
}

Listing ListWorkloads(const std::vector<v1::Workload>& workloads, absl::Time now) {
  Listing listing;
  listing.type = v1::Workload::descriptor();
  listing.columns = {{"NAME"},          {"KIND"},           {"STATE"},      {"IMAGE"},
                     {"CPUS"},          {"MEMORY"},         {"AGE"},        {"UID", true},
                     {"PID", true},     {"RESTARTS", true}, {"EXIT", true}, {"ADDRESSES", true},
                     {"COMMAND", true}, {"MESSAGE", true}};
  for (const v1::Workload& workload : workloads) {
    listing.items.push_back(
        {workload.name(), std::make_shared<v1::Workload>(workload), WorkloadRow(workload, now)});
  }
  return listing;
}

}  // namespace vx::cli
