// blockIO in the unified hierarchy.
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/v2.h"

namespace vx::cgroup {
namespace {

// From OCI's scale (10 to 1000) to v2's (1 to 10000).
int64_t BlockWeightToIo(int64_t weight) { return 1 + (weight - 10) * 9999 / 990; }

std::string RateText(uint64_t rate) { return rate == 0 ? "max" : absl::StrCat(rate); }

}  // namespace

// BFQ, where it is loaded, has weights of its own; else they are for io.cost.
absl::Status CgroupV2::ApplyBlockWeights(const BlockLimits& block) const {
  const bool bfq = PathExists(File("io.bfq.weight"));
  const char* name = bfq ? "io.bfq.weight" : "io.weight";
  auto text = [&](int64_t weight) { return absl::StrCat(bfq ? weight : BlockWeightToIo(weight)); };
  bool leaf = block.leaf_weight.has_value();
  for (const BlockWeight& entry : block.weights) leaf = leaf || entry.leaf_weight;
  if (leaf) {
    return LimitRefused({"blockIO.leafWeight", "io", ""}, "cgroup v2 has no such limit",
                        "leave it out");
  }
  if (block.weight) {
    VX_RETURN_IF_ERROR(WriteLimit(Limit("blockIO.weight", "io", name), text(*block.weight)));
  }
  for (const BlockWeight& entry : block.weights) {
    if (!entry.weight) continue;
    VX_RETURN_IF_ERROR(
        WriteLimit(Limit("blockIO.weightDevice", "io", name),
                   absl::StrCat(DeviceName(entry.device), " ", text(*entry.weight))));
  }
  return absl::OkStatus();
}

absl::Status CgroupV2::ApplyBlock(const BlockLimits& block) const {
  VX_RETURN_IF_ERROR(ApplyBlockWeights(block));
  struct Throttle {
    const std::vector<BlockRate>& rates;
    const char* limit;
    const char* key;
  };
  const Throttle throttles[] = {{block.read_bps, "blockIO.throttleReadBpsDevice", "rbps"},
                                {block.write_bps, "blockIO.throttleWriteBpsDevice", "wbps"},
                                {block.read_iops, "blockIO.throttleReadIOPSDevice", "riops"},
                                {block.write_iops, "blockIO.throttleWriteIOPSDevice", "wiops"}};
  for (const Throttle& throttle : throttles) {
    for (const BlockRate& rate : throttle.rates) {
      VX_RETURN_IF_ERROR(WriteLimit(
          Limit(throttle.limit, "io", "io.max"),
          absl::StrCat(DeviceName(rate.device), " ", throttle.key, "=", RateText(rate.rate))));
    }
  }
  return absl::OkStatus();
}

}  // namespace vx::cgroup
