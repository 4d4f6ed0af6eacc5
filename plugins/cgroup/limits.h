// What a group may use: linux.resources of the OCI runtime-spec 1.1, in its words
// and units.
//
// What is left out stays as it is and needs no controller. What is given and can't
// be had is an error (see cgroup.h), never ignored.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugins/cgroup/device_rules.h"

namespace vx::cgroup {

// Both numbers of a block device.
struct BlockDevice {
  int64_t major = 0;
  int64_t minor = 0;
};

struct BlockWeight {
  BlockDevice device;
  std::optional<int64_t> weight;
  std::optional<int64_t> leaf_weight;
};

// Bytes or operations a second; 0 lifts the limit.
struct BlockRate {
  BlockDevice device;
  uint64_t rate = 0;
};

// 10 to 1000. Empty lists change nothing.
struct BlockLimits {
  std::optional<int64_t> weight;
  std::optional<int64_t> leaf_weight;
  std::vector<BlockWeight> weights;
  std::vector<BlockRate> read_bps;
  std::vector<BlockRate> write_bps;
  std::vector<BlockRate> read_iops;
  std::vector<BlockRate> write_iops;
};

struct RdmaLimit {
  std::optional<uint32_t> handles;
  std::optional<uint32_t> objects;
};

struct CgroupLimits {
  // Bytes; -1 lifts a limit.
  std::optional<int64_t> memory_bytes;
  // Microseconds of processor time in each period; -1 lifts the limit.
  std::optional<int64_t> cpu_quota;
  std::optional<int64_t> cpu_period;
  // v1's unit, 2 to 262144; 1024 is the default.
  std::optional<int64_t> cpu_shares;
  // -1 lifts the limit.
  std::optional<int64_t> pids;

  // Memory and swap together. When left out and memory_bytes is given, it is the
  // same: a limit on memory is one, swap is no way out.
  std::optional<int64_t> memory_swap_bytes;
  std::optional<int64_t> memory_reservation_bytes;
  // v1 only: 0 to 100.
  std::optional<int64_t> swappiness;
  // v1 only, as far as true.
  std::optional<bool> disable_oom_killer;
  // Refuse a limit below what is in use, where the kernel would kill for it.
  bool memory_check_before_update = false;
  // Not recommended by OCI, and mostly refused by kernels.
  std::optional<int64_t> kernel_memory_bytes;
  std::optional<int64_t> kernel_tcp_memory_bytes;
  std::optional<bool> use_hierarchy;

  // Microseconds that may be saved up for a burst over the quota.
  std::optional<int64_t> cpu_burst;
  std::optional<int64_t> cpu_rt_runtime;
  std::optional<int64_t> cpu_rt_period;
  // 1: runs only when nothing else wants to; 0: not so.
  std::optional<int64_t> cpu_idle;
  // Lists ("0-2,7"); empty: not given.
  std::string cpus;
  std::string mems;

  BlockLimits block;
  // By page size, as in hugetlb's file names ("2MB").
  std::map<std::string, uint64_t> hugepages;
  // Empty: everything is allowed, or what was. Otherwise all that is not allowed by
  // the list is denied.
  std::vector<DeviceRule> devices;
  // v1 only.
  std::optional<uint32_t> network_class;
  std::map<std::string, uint32_t> network_priorities;
  // By device ("mlx5_1").
  std::map<std::string, RdmaLimit> rdma;
  // v2 only: file to what is written to it, after all else.
  std::map<std::string, std::string> unified;
};

}  // namespace vx::cgroup
