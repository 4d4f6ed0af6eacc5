#include "client/cli/render/stats_table.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/lib/tree.h"
#include "client/lib/units.h"

namespace vx::cli {
namespace {

Cell PercentCell(double percent) {
  return {absl::StrFormat("%.1f%%", percent), absl::StrFormat("%.3f", percent)};
}

Cell SizeCell(int64_t bytes) { return {client::FormatSize(bytes), absl::StrCat(bytes)}; }

Cell SizeCell(bool known, int64_t bytes) { return known ? SizeCell(bytes) : Cell(); }

Cell CountCell(bool known, int64_t count) { return known ? Cell(absl::StrCat(count)) : Cell(); }

Cell WaitCell(bool known, const v1::Pressure& pressure) {
  return known ? PercentCell(pressure.some_avg10()) : Cell();
}

Cell ShareCell(const v1::Usage& usage) {
  if (usage.memory_limit_bytes() <= 0) return {};
  return PercentCell(100.0 * static_cast<double>(usage.memory_bytes()) /
                     static_cast<double>(usage.memory_limit_bytes()));
}

Cell GuestMemoryCell(const v1::Usage& usage) {
  const v1::GuestUsage& guest = usage.guest();
  return SizeCell(usage.has_guest(), guest.memory_total_bytes() - guest.memory_available_bytes());
}

Cell CpuTimeCell(const v1::Usage& usage) {
  const double seconds = static_cast<double>(usage.cpu_time().seconds()) +
                         static_cast<double>(usage.cpu_time().nanos()) * 1e-9;
  return {absl::StrFormat("%.1fs", seconds), absl::StrFormat("%.6f", seconds)};
}

Row StatsRow(const v1::WorkloadStats& stats) {
  const v1::Usage& usage = stats.usage();
  return {stats.name(),
          client::EnumText(stats.kind()),
          PercentCell(100 * stats.cpus()),
          SizeCell(usage.memory_bytes()),
          SizeCell(usage.has_memory_limit_bytes(), usage.memory_limit_bytes()),
          ShareCell(usage),
          CountCell(usage.has_pids(), usage.pids()),
          SizeCell(usage.has_read_bytes(), usage.read_bytes()),
          SizeCell(usage.has_written_bytes(), usage.written_bytes()),
          stats.uid().substr(0, 12),
          CpuTimeCell(usage),
          CountCell(usage.has_pids_limit(), usage.pids_limit()),
          WaitCell(usage.has_cpu_pressure(), usage.cpu_pressure()),
          WaitCell(usage.has_memory_pressure(), usage.memory_pressure()),
          WaitCell(usage.has_io_pressure(), usage.io_pressure()),
          GuestMemoryCell(usage)};
}

}  // namespace

Listing ListStats(const v1::StreamStatsResponse& round) {
  Listing listing;
  listing.type = v1::WorkloadStats::descriptor();
  listing.columns = {
      {"NAME"},           {"KIND"},           {"CPU%"},           {"MEM"},
      {"LIMIT"},          {"MEM%"},           {"PIDS"},           {"READ"},
      {"WRITTEN"},        {"UID", true},      {"CPU-TIME", true}, {"PIDS-LIMIT", true},
      {"CPU-WAIT", true}, {"MEM-WAIT", true}, {"IO-WAIT", true},  {"GUEST-MEM", true}};
  for (const v1::WorkloadStats& stats : round.stats()) {
    listing.items.push_back(
        {stats.name(), std::make_shared<v1::WorkloadStats>(stats), StatsRow(stats)});
  }
  return listing;
}

}  // namespace vx::cli
