#include "tests/leftovers/leftovers.h"

#include <errno.h>
#include <stdio.h>

#include <map>
#include <thread>
#include <tuple>

#include "tests/leftovers/context.h"

namespace vx::leftovers {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause(20);

std::string SavedLine(const Finding& finding) {
  return finding.kind + "\t" + finding.name + "\t" + finding.detail + "\n";
}

}  // namespace

std::string Finding::ToString() const { return kind + " " + name + ": " + detail; }

bool Finding::operator==(const Finding& other) const { return (*this <=> other) == 0; }

std::strong_ordering Finding::operator<=>(const Finding& other) const {
  return std::tie(kind, name) <=> std::tie(other.kind, other.name);
}

std::vector<std::string> Report::Lines() const {
  std::vector<std::string> lines;
  for (const Finding& finding : findings) lines.push_back(finding.ToString());
  return lines;
}

Report Look(const Scope& scope) {
  Context context(scope);
  FindProcesses(context);
  FindFiles(context);
  FindMounts(context);
  FindCgroups(context);
  FindNetworks(context);
  FindClaims(context);
  FindSharedMemory(context);
  return std::move(context.report);
}

Report LookAfter(const Scope& scope, const std::set<Finding>& before,
                 std::chrono::milliseconds patience) {
  const Clock::time_point begin = Clock::now();
  std::map<Finding, Clock::time_point> since;
  for (Clock::time_point now = begin;; now = Clock::now()) {
    Report report = Look(scope);
    std::erase_if(report.findings, [&](const Finding& f) { return before.contains(f); });
    std::erase_if(since, [&](const auto& seen) { return !report.findings.contains(seen.first); });
    for (const Finding& finding : report.findings) since.emplace(finding, now);
    if (report.findings.empty()) return report;
    if (Clock::now() >= begin + patience) {
      const Clock::time_point half = begin + patience / 2;
      std::erase_if(report.findings, [&](const Finding& f) { return since.at(f) > half; });
      return report;
    }
    std::this_thread::sleep_for(kPause);
  }
}

int Save(const std::set<Finding>& findings, const std::string& path) {
  FILE* file = fopen(path.c_str(), "we");
  if (file == nullptr) return errno;
  bool written = true;
  for (const Finding& finding : findings) {
    written = fputs(SavedLine(finding).c_str(), file) >= 0 && written;
  }
  written = fflush(file) == 0 && written;
  const int error = errno;
  fclose(file);
  return written ? 0 : error;
}

std::optional<std::set<Finding>> Load(const std::string& path) {
  FILE* file = fopen(path.c_str(), "re");
  if (file == nullptr) return std::nullopt;
  fclose(file);
  std::set<Finding> findings;
  for (const std::string& line : Split(ReadAll(path), '\n')) {
    const std::vector<std::string> fields = Split(line, '\t');
    if (fields.size() != 3) return std::nullopt;
    findings.insert({fields[0], fields[1], fields[2]});
  }
  return findings;
}

}  // namespace vx::leftovers
