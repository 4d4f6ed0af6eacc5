// "linux.resources" of config.json.
#include <cctype>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/config_parts.h"

namespace vx::container {
namespace {

constexpr char kResources[] = "linux.resources";
constexpr char kMemory[] = "linux.resources.memory";
constexpr char kCpu[] = "linux.resources.cpu";
constexpr char kBlockIo[] = "linux.resources.blockIO";

// -1 is "no limit" in OCI where a limit may be signed.
constexpr int64_t kUnlimited = -1;

absl::Status GetLimit(const Json& json, const char* key, absl::string_view where, int64_t least,
                      int64_t most, std::optional<int64_t>& limit) {
  if (Member(json, key).is_null()) return absl::OkStatus();
  int64_t value = 0;
  VX_RETURN_IF_ERROR(GetInt(json, key, where, value));
  if (value < least || value > most) {
    return BadConfig(absl::StrCat(where, ".", key), absl::StrCat("is ", value, ", out of range"));
  }
  limit = value;
  return absl::OkStatus();
}

struct Field {
  const char* key;
  int64_t least;
  int64_t most;
  std::optional<int64_t>& limit;
};

template <size_t N>
absl::Status GetLimits(const Json& json, absl::string_view where, const Field (&fields)[N]) {
  for (const Field& field : fields) {
    VX_RETURN_IF_ERROR(GetLimit(json, field.key, where, field.least, field.most, field.limit));
  }
  return absl::OkStatus();
}

absl::Status GetFlag(const Json& json, const char* key, absl::string_view where,
                     std::optional<bool>& flag) {
  if (Member(json, key).is_null()) return absl::OkStatus();
  bool value = false;
  VX_RETURN_IF_ERROR(GetBool(json, key, where, value));
  flag = value;
  return absl::OkStatus();
}

absl::Status GetUnsigned(const Json& json, const char* key, const std::string& where,
                         uint64_t& value) {
  const Json& member = Member(json, key);
  if (!member.is_number_unsigned()) {
    return BadConfig(absl::StrCat(where, ".", key), "is missing or not a number from 0 up");
  }
  value = member.get<uint64_t>();
  return absl::OkStatus();
}

absl::Status CheckObject(const Json& json, absl::string_view where) {
  if (json.is_null() || json.is_object()) return absl::OkStatus();
  return BadConfig(where, "is not an object");
}

// What becomes a word of a line that the kernel takes apart.
absl::Status CheckWord(const std::string& word, const std::string& where) {
  bool plain = !word.empty();
  for (char c : word) plain = plain && absl::ascii_isgraph(static_cast<unsigned char>(c));
  return plain ? absl::OkStatus() : BadConfig(where, "is missing or holds more than one word");
}

absl::Status ParseMemory(const Json& json, cgroup::CgroupLimits& limits) {
  VX_RETURN_IF_ERROR(CheckObject(json, kMemory));
  const Field fields[] = {{"limit", kUnlimited, INT64_MAX, limits.memory_bytes},
                          {"reservation", kUnlimited, INT64_MAX, limits.memory_reservation_bytes},
                          {"swap", kUnlimited, INT64_MAX, limits.memory_swap_bytes},
                          {"kernel", kUnlimited, INT64_MAX, limits.kernel_memory_bytes},
                          {"kernelTCP", kUnlimited, INT64_MAX, limits.kernel_tcp_memory_bytes},
                          {"swappiness", 0, 100, limits.swappiness}};
  VX_RETURN_IF_ERROR(GetLimits(json, kMemory, fields));
  VX_RETURN_IF_ERROR(GetFlag(json, "disableOOMKiller", kMemory, limits.disable_oom_killer));
  VX_RETURN_IF_ERROR(GetFlag(json, "useHierarchy", kMemory, limits.use_hierarchy));
  return GetBool(json, "checkBeforeUpdate", kMemory, limits.memory_check_before_update);
}

absl::Status ParseCpu(const Json& json, cgroup::CgroupLimits& limits) {
  VX_RETURN_IF_ERROR(CheckObject(json, kCpu));
  const Field fields[] = {{"shares", 0, INT64_MAX, limits.cpu_shares},
                          {"quota", kUnlimited, INT64_MAX, limits.cpu_quota},
                          {"period", 0, INT64_MAX, limits.cpu_period},
                          {"burst", 0, INT64_MAX, limits.cpu_burst},
                          {"realtimeRuntime", kUnlimited, INT64_MAX, limits.cpu_rt_runtime},
                          {"realtimePeriod", 0, INT64_MAX, limits.cpu_rt_period},
                          {"idle", 0, 1, limits.cpu_idle}};
  VX_RETURN_IF_ERROR(GetLimits(json, kCpu, fields));
  VX_RETURN_IF_ERROR(GetString(json, "cpus", kCpu, limits.cpus));
  return GetString(json, "mems", kCpu, limits.mems);
}

absl::Status ParsePids(const Json& json, cgroup::CgroupLimits& limits) {
  const std::string where = absl::StrCat(kResources, ".pids");
  VX_RETURN_IF_ERROR(CheckObject(json, where));
  VX_RETURN_IF_ERROR(GetLimit(json, "limit", where, INT64_MIN, INT64_MAX, limits.pids));
  // 0 and less mean "none" in OCI.
  if (limits.pids && *limits.pids <= 0) limits.pids = kUnlimited;
  return absl::OkStatus();
}

absl::Status ParseBlockDevice(const Json& json, const std::string& where,
                              cgroup::BlockDevice& device) {
  std::optional<int64_t> major, minor;
  VX_RETURN_IF_ERROR(GetLimit(json, "major", where, 0, UINT32_MAX, major));
  VX_RETURN_IF_ERROR(GetLimit(json, "minor", where, 0, UINT32_MAX, minor));
  if (!major || !minor) return BadConfig(where, "lacks major or minor");
  device = {*major, *minor};
  return absl::OkStatus();
}

absl::Status GetWeights(const Json& json, absl::string_view where, std::optional<int64_t>& weight,
                        std::optional<int64_t>& leaf_weight) {
  VX_RETURN_IF_ERROR(GetLimit(json, "weight", where, 10, 1000, weight));
  return GetLimit(json, "leafWeight", where, 10, 1000, leaf_weight);
}

absl::Status ParseRates(const Json& json, const char* key, std::vector<cgroup::BlockRate>& rates) {
  return ForEach(json, key, kBlockIo, [&](const Json& element, const std::string& where) {
    cgroup::BlockRate rate;
    VX_RETURN_IF_ERROR(ParseBlockDevice(element, where, rate.device));
    VX_RETURN_IF_ERROR(GetUnsigned(element, "rate", where, rate.rate));
    rates.push_back(rate);
    return absl::OkStatus();
  });
}

absl::Status ParseBlockIo(const Json& json, cgroup::BlockLimits& block) {
  VX_RETURN_IF_ERROR(CheckObject(json, kBlockIo));
  VX_RETURN_IF_ERROR(GetWeights(json, kBlockIo, block.weight, block.leaf_weight));
  auto parse_weight = [&](const Json& element, const std::string& where) {
    cgroup::BlockWeight entry;
    VX_RETURN_IF_ERROR(ParseBlockDevice(element, where, entry.device));
    VX_RETURN_IF_ERROR(GetWeights(element, where, entry.weight, entry.leaf_weight));
    block.weights.push_back(entry);
    return absl::OkStatus();
  };
  VX_RETURN_IF_ERROR(ForEach(json, "weightDevice", kBlockIo, parse_weight));
  VX_RETURN_IF_ERROR(ParseRates(json, "throttleReadBpsDevice", block.read_bps));
  VX_RETURN_IF_ERROR(ParseRates(json, "throttleWriteBpsDevice", block.write_bps));
  VX_RETURN_IF_ERROR(ParseRates(json, "throttleReadIOPSDevice", block.read_iops));
  return ParseRates(json, "throttleWriteIOPSDevice", block.write_iops);
}

// "2MB": digits and K, M or G before a B, as the kernel's files are named.
bool IsPageSize(const std::string& text) {
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits == 0 || digits == std::string::npos) return false;
  const std::string unit = text.substr(digits);
  return unit == "KB" || unit == "MB" || unit == "GB";
}

absl::Status ParseHugepages(const Json& json, cgroup::CgroupLimits& limits) {
  auto parse = [&](const Json& element, const std::string& where) {
    std::string size;
    uint64_t bytes = 0;
    VX_RETURN_IF_ERROR(GetString(element, "pageSize", where, size));
    if (!IsPageSize(size)) return BadConfig(where + ".pageSize", "is not a size like 2MB");
    VX_RETURN_IF_ERROR(GetUnsigned(element, "limit", where, bytes));
    limits.hugepages[size] = bytes;
    return absl::OkStatus();
  };
  return ForEach(json, "hugepageLimits", kResources, parse);
}

absl::Status ParseAccess(const std::string& text, const std::string& where, unsigned& access) {
  if (text.empty()) return absl::OkStatus();
  access = 0;
  for (char c : text) {
    const unsigned bit = c == 'r'   ? cgroup::kRead
                         : c == 'w' ? cgroup::kWrite
                         : c == 'm' ? cgroup::kMknod
                                    : 0u;
    if (bit == 0) return BadConfig(where + ".access", "is not made of r, w and m");
    access |= bit;
  }
  return absl::OkStatus();
}

// -1 is every number, as in runc.
absl::Status GetDeviceNumber(const Json& json, const char* key, const std::string& where,
                             int64_t& number) {
  std::optional<int64_t> given;
  VX_RETURN_IF_ERROR(GetLimit(json, key, where, -1, INT32_MAX, given));
  number = given.value_or(-1);
  return absl::OkStatus();
}

absl::Status ParseDeviceRule(const Json& json, const std::string& where, cgroup::DeviceRule& rule) {
  std::string type = "a", access;
  if (!Member(json, "allow").is_boolean()) {
    return BadConfig(where + ".allow", "is missing or neither true nor false");
  }
  VX_RETURN_IF_ERROR(GetBool(json, "allow", where, rule.allow));
  VX_RETURN_IF_ERROR(GetString(json, "type", where, type));
  VX_RETURN_IF_ERROR(GetString(json, "access", where, access));
  if (type != "a" && type != "b" && type != "c") {
    return BadConfig(where + ".type", "is none of a, b and c");
  }
  rule.type = type[0];
  VX_RETURN_IF_ERROR(GetDeviceNumber(json, "major", where, rule.major));
  VX_RETURN_IF_ERROR(GetDeviceNumber(json, "minor", where, rule.minor));
  return ParseAccess(access, where, rule.access);
}

absl::Status ParseNetwork(const Json& json, cgroup::CgroupLimits& limits) {
  const std::string where = absl::StrCat(kResources, ".network");
  VX_RETURN_IF_ERROR(CheckObject(json, where));
  if (!Member(json, "classID").is_null()) {
    uint32_t id = 0;
    VX_RETURN_IF_ERROR(GetId(json, "classID", where, id));
    limits.network_class = id;
  }
  auto parse = [&](const Json& element, const std::string& name) {
    std::string interface;
    uint32_t priority = 0;
    VX_RETURN_IF_ERROR(GetString(element, "name", name, interface));
    VX_RETURN_IF_ERROR(CheckWord(interface, name + ".name"));
    VX_RETURN_IF_ERROR(GetId(element, "priority", name, priority));
    limits.network_priorities[interface] = priority;
    return absl::OkStatus();
  };
  return ForEach(json, "priorities", where, parse);
}

absl::Status ParseRdma(const Json& json, cgroup::CgroupLimits& limits) {
  const std::string where = absl::StrCat(kResources, ".rdma");
  VX_RETURN_IF_ERROR(CheckObject(json, where));
  if (json.is_null()) return absl::OkStatus();
  for (const auto& [device, entry] : json.items()) {
    const std::string name = absl::StrCat(where, ".", device);
    std::optional<int64_t> handles, objects;
    VX_RETURN_IF_ERROR(CheckWord(device, name));
    VX_RETURN_IF_ERROR(GetLimit(entry, "hcaHandles", name, 0, UINT32_MAX, handles));
    VX_RETURN_IF_ERROR(GetLimit(entry, "hcaObjects", name, 0, UINT32_MAX, objects));
    if (!handles && !objects) return BadConfig(name, "has neither hcaHandles nor hcaObjects");
    cgroup::RdmaLimit& limit = limits.rdma[device];
    if (handles) limit.handles = static_cast<uint32_t>(*handles);
    if (objects) limit.objects = static_cast<uint32_t>(*objects);
  }
  return absl::OkStatus();
}

absl::Status ParseUnified(const Json& json, cgroup::CgroupLimits& limits) {
  const std::string where = absl::StrCat(kResources, ".unified");
  VX_RETURN_IF_ERROR(CheckObject(json, where));
  if (json.is_null()) return absl::OkStatus();
  for (const auto& [file, value] : json.items()) {
    const std::string name = absl::StrCat(where, ".", file);
    VX_RETURN_IF_ERROR(CheckWord(file, name));
    if (file.find('/') != std::string::npos) return BadConfig(name, "holds a slash");
    if (!value.is_string()) return BadConfig(name, "is not a string");
    limits.unified[file] = value.get<std::string>();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseResources(const Json& json, cgroup::CgroupLimits& limits) {
  VX_RETURN_IF_ERROR(CheckObject(json, kResources));
  VX_RETURN_IF_ERROR(ParseMemory(Member(json, "memory"), limits));
  VX_RETURN_IF_ERROR(ParseCpu(Member(json, "cpu"), limits));
  VX_RETURN_IF_ERROR(ParsePids(Member(json, "pids"), limits));
  VX_RETURN_IF_ERROR(ParseBlockIo(Member(json, "blockIO"), limits.block));
  VX_RETURN_IF_ERROR(ParseHugepages(json, limits));
  auto parse_rule = [&](const Json& element, const std::string& where) {
    return ParseDeviceRule(element, where, limits.devices.emplace_back());
  };
  VX_RETURN_IF_ERROR(ForEach(json, "devices", kResources, parse_rule));
  VX_RETURN_IF_ERROR(ParseNetwork(Member(json, "network"), limits));
  VX_RETURN_IF_ERROR(ParseRdma(Member(json, "rdma"), limits));
  return ParseUnified(Member(json, "unified"), limits);
}

}  // namespace vx::container
