#include "plugins/cgroup/stats.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"

namespace vx::cgroup {
namespace {

// v1's "no limit" is the greatest number of bytes in whole pages.
constexpr int64_t kNoLimit = INT64_MAX - (1 << 20);

using Pair = std::pair<absl::string_view, absl::string_view>;

Pair Halves(absl::string_view text, char separator) {
  return absl::StrSplit(text, absl::MaxSplits(separator, 1));
}

std::vector<absl::string_view> Words(absl::string_view line) {
  return absl::StrSplit(line, ' ', absl::SkipEmpty());
}

bool ParseDevice(absl::string_view text, BlockDevice& device) {
  const Pair numbers = Halves(text, ':');
  return absl::SimpleAtoi(numbers.first, &device.major) &&
         absl::SimpleAtoi(numbers.second, &device.minor);
}

PressureLine ParsePressureLine(const std::vector<absl::string_view>& words) {
  PressureLine line;
  int64_t total = 0;
  for (absl::string_view word : words) {
    const Pair pair = Halves(word, '=');
    for (auto [name, value] : {std::pair("avg10", &line.avg10), std::pair("avg60", &line.avg60),
                               std::pair("avg300", &line.avg300)}) {
      if (pair.first == name && !absl::SimpleAtod(pair.second, value)) *value = 0;
    }
    if (pair.first == "total" && absl::SimpleAtoi(pair.second, &total)) {
      line.total = absl::Microseconds(total);
    }
  }
  return line;
}

IoStats& StatsOf(const BlockDevice& device, std::vector<IoStats>& all) {
  for (IoStats& known : all) {
    if (known.device.major == device.major && known.device.minor == device.minor) return known;
  }
  all.emplace_back().device = device;
  return all.back();
}

void AddBlkio(absl::string_view text, int64_t IoStats::* read, int64_t IoStats::* write,
              std::vector<IoStats>& all) {
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = Words(line);
    BlockDevice device;
    int64_t value = 0;
    if (words.size() != 3 || !ParseDevice(words[0], device) || !absl::SimpleAtoi(words[2], &value))
      continue;
    if (words[1] == "Read") StatsOf(device, all).*read = value;
    if (words[1] == "Write") StatsOf(device, all).*write = value;
  }
}

void SetIoValue(absl::string_view word, IoStats& stats) {
  const Pair pair = Halves(word, '=');
  const std::pair<absl::string_view, int64_t*> fields[] = {{"rbytes", &stats.read_bytes},
                                                           {"wbytes", &stats.written_bytes},
                                                           {"rios", &stats.reads},
                                                           {"wios", &stats.writes}};
  for (const auto& [name, value] : fields) {
    if (pair.first == name && !absl::SimpleAtoi(pair.second, value)) *value = 0;
  }
}

}  // namespace

Pressure ParsePressure(absl::string_view text) {
  Pressure pressure;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = Words(line);
    if (words.empty()) continue;
    if (words[0] == "some") pressure.some = ParsePressureLine(words);
    if (words[0] == "full") pressure.full = ParsePressureLine(words);
  }
  return pressure;
}

std::vector<IoStats> ParseIoStat(absl::string_view text) {
  std::vector<IoStats> all;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> words = Words(line);
    IoStats stats;
    if (words.size() < 2 || !ParseDevice(words[0], stats.device)) continue;
    for (absl::string_view word : words) SetIoValue(word, stats);
    all.push_back(stats);
  }
  return all;
}

std::vector<IoStats> ParseBlkio(absl::string_view bytes, absl::string_view operations) {
  std::vector<IoStats> all;
  AddBlkio(bytes, &IoStats::read_bytes, &IoStats::written_bytes, all);
  AddBlkio(operations, &IoStats::reads, &IoStats::writes, all);
  return all;
}

void ReadPressures(const std::string& group, CgroupStats& stats) {
  const std::pair<const char*, std::optional<Pressure>*> files[] = {
      {"/cpu.pressure", &stats.cpu_pressure},
      {"/memory.pressure", &stats.memory_pressure},
      {"/io.pressure", &stats.io_pressure}};
  for (const auto& [name, pressure] : files) {
    auto text = ReadFile(absl::StrCat(group, name));
    // Where PSI is off the file is there and can't be read.
    if (text.ok()) *pressure = ParsePressure(*text);
  }
}

std::optional<int64_t> ReadFigure(const std::string& path) {
  auto text = ReadFile(path);
  int64_t value = 0;
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &value)) {
    return std::nullopt;
  }
  return value >= kNoLimit ? std::nullopt : std::optional(value);
}

KeyedFile::KeyedFile(const std::string& path) : text_(ReadFile(path).value_or("")) {}

std::optional<int64_t> KeyedFile::Find(absl::string_view key) const {
  for (absl::string_view line : absl::StrSplit(text_, '\n', absl::SkipEmpty())) {
    const Pair pair = Halves(line, ' ');
    int64_t value = 0;
    if (pair.first == key && absl::SimpleAtoi(pair.second, &value)) return value;
  }
  return std::nullopt;
}

}  // namespace vx::cgroup
