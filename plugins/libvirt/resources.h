// What a spec's resources mean for a guest, and for the QEMU around it.
#pragma once

#include <cstdint>

#include "plugins/cgroup/cgroup.h"
#include "vx/v1/workload.pb.h"

namespace vx::libvirt {

inline constexpr int64_t kMinMemory = int64_t{80} << 20;
inline constexpr int64_t kDefaultMemory = int64_t{512} << 20;
inline constexpr double kMinCpus = 0.01;

// What QEMU may take beside its guest's memory. Under emulation it takes about 200 MiB
// whatever the guest's size (code and heap, 64 MiB of translated code and what
// describes it); the rest is for moments, as a disk's queue that is full. Page tables
// of the guest's memory come on top: a 64th, of which a 512th is used. Whoever goes
// over that is broken or broken into.
inline constexpr int64_t kQemuOverhead = int64_t{512} << 20;
inline constexpr int64_t kOverheadShare = 64;

// Threads of QEMU beside the guest's processors: up to 64 for disks, and some.
inline constexpr int64_t kQemuThreads = 256;

// Bytes.
int64_t GuestMemory(const v1::Resources& resources);
// Of all that QEMU allocates.
int64_t MemoryBound(int64_t guest_memory);
int VirtualCpus(const v1::Resources& resources);

// The limits of QEMU's group that come from vxd; a host may lack their controllers.
cgroup::CgroupLimits OwnLimits(const v1::Resources& resources);
// Those that the user asked for, but for the quota; what is left out is lifted, but
// for the cpuset, which stays.
cgroup::CgroupLimits AskedLimits(const v1::Resources& resources, cgroup::CgroupMode mode);
// That holds a guest of `vcpus` processors to the cpus of `resources`, or lifts that
// when its processors are as many.
cgroup::CgroupLimits TimeLimit(const v1::Resources& resources, int vcpus);

}  // namespace vx::libvirt
