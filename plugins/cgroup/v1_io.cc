// blockIO in the hierarchy of version 1.
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/shared_limits.h"
#include "plugins/cgroup/v1.h"

namespace vx::cgroup {

// BFQ's, which came when CFQ's, without "bfq", went away.
LimitFile CgroupV1::WeightFile(absl::string_view limit, absl::string_view suffix) const {
  LimitFile file = Limit(limit, "blkio", absl::StrCat("blkio.bfq.", suffix));
  const std::string old = File("blkio", absl::StrCat("blkio.", suffix));
  if (PathExists(old)) file.path = old;
  return file;
}

absl::Status CgroupV1::ApplyBlockWeights(const BlockLimits& block) const {
  if (block.weight) {
    VX_RETURN_IF_ERROR(
        WriteLimit(WeightFile("blockIO.weight", "weight"), absl::StrCat(*block.weight)));
  }
  if (block.leaf_weight) {
    VX_RETURN_IF_ERROR(WriteLimit(WeightFile("blockIO.leafWeight", "leaf_weight"),
                                  absl::StrCat(*block.leaf_weight)));
  }
  for (const BlockWeight& entry : block.weights) {
    const std::string device = DeviceName(entry.device);
    if (entry.weight) {
      VX_RETURN_IF_ERROR(WriteLimit(WeightFile("blockIO.weightDevice", "weight_device"),
                                    absl::StrCat(device, " ", *entry.weight)));
    }
    if (entry.leaf_weight) {
      VX_RETURN_IF_ERROR(WriteLimit(WeightFile("blockIO.weightDevice", "leaf_weight_device"),
                                    absl::StrCat(device, " ", *entry.leaf_weight)));
    }
  }
  return absl::OkStatus();
}

absl::Status CgroupV1::ApplyBlock(const BlockLimits& block) const {
  VX_RETURN_IF_ERROR(ApplyBlockWeights(block));
  struct Throttle {
    const std::vector<BlockRate>& rates;
    const char* limit;
    const char* file;
  };
  const Throttle throttles[] = {
      {block.read_bps, "blockIO.throttleReadBpsDevice", "blkio.throttle.read_bps_device"},
      {block.write_bps, "blockIO.throttleWriteBpsDevice", "blkio.throttle.write_bps_device"},
      {block.read_iops, "blockIO.throttleReadIOPSDevice", "blkio.throttle.read_iops_device"},
      {block.write_iops, "blockIO.throttleWriteIOPSDevice", "blkio.throttle.write_iops_device"}};
  for (const Throttle& throttle : throttles) {
    for (const BlockRate& rate : throttle.rates) {
      VX_RETURN_IF_ERROR(WriteLimit(Limit(throttle.limit, "blkio", throttle.file),
                                    absl::StrCat(DeviceName(rate.device), " ", rate.rate)));
    }
  }
  return absl::OkStatus();
}

}  // namespace vx::cgroup
