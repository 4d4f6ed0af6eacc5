// Fault points: the boundaries between the steps of changes, at which a test makes
// the process die, fail or hang to see that nothing half-made stays.
//
// VX_FAULT="NAME=ACTION[:N]" in the environment arms one point: at the Nth time
// (the first) that it is reached, ACTION happens:
//   kill   the process ends by SIGKILL
//   fail   the step fails with INTERNAL (FAULT)
//   hang   the thread stays there for ever, and stderr says that the point "is
//          reached"
// A point that is not armed costs a comparison of two pointers.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace vx {

struct FaultPoint {
  // "VERB.WHERE", or "VERB.KIND.WHERE" in a driver; VERB is "any" where every verb
  // comes by.
  std::string_view name;
  // False where what was done can't be told apart from success any more.
  bool can_fail = true;
};

inline constexpr FaultPoint kFaultPoints[] = {
    // Every change: recorded and not begun; done and its end not recorded; recorded.
    {"any.recorded", false},
    {"any.ending", false},
    {"any.ended", false},
    // create: the image's base is leased; the writable root is made.
    {"create.leased"},
    {"create.prepared"},
    {"create.container.folder"},
    {"create.container.root"},
    {"create.vm.folder"},
    {"create.vm.disk"},
    {"create.vm.log"},
    // start: noted as starting; the run is made; the command runs.
    {"start.noted"},
    {"start.created"},
    {"start.started"},
    {"start.container.folder"},
    {"start.container.bundle"},
    {"start.container.shim"},
    {"start.container.time"},
    {"start.vm.shim"},
    {"start.vm.workload"},
    {"start.vm.group"},
    {"start.vm.user"},
    {"start.vm.domain"},
    {"start.vm.marked"},
    {"start.vm.resumed"},
    // stop: noted as stopping; the run has ended; it is removed.
    {"stop.noted"},
    {"stop.ended"},
    {"stop.closed", false},
    {"stop.container.signalled"},
    {"stop.container.cgroup"},
    {"stop.container.ids"},
    {"stop.vm.signalled"},
    {"stop.vm.ended"},
    // update: the limits are applied.
    {"update.applied"},
    // delete: noted as deleting; the driver has let go; the image too.
    {"delete.noted"},
    {"delete.released"},
    {"delete.unleased"},
    // import: the archive is read; its layers are unpacked; its blobs are in place;
    // it has its name.
    {"import.staged"},
    {"import.layers"},
    {"import.blobs"},
    {"import.named", false},
};

// OK, unless it is armed. `point` is an entry of kFaultPoints.
absl::Status AtFaultPoint(const FaultPoint& point);

namespace internal {

// Does not compile for a name that is not listed.
consteval const FaultPoint& FindFaultPoint(std::string_view name) {
  for (const FaultPoint& point : kFaultPoints) {
    if (point.name == name) return point;
  }
  throw "no such fault point";
}

}  // namespace internal

// In a function that returns an absl::Status or StatusOr.
#define VX_FAULT_POINT(name)                                    \
  static_assert(::vx::internal::FindFaultPoint(name).can_fail); \
  VX_RETURN_IF_ERROR(::vx::AtFaultPoint(::vx::internal::FindFaultPoint(name)))
// Where nothing can fail any more.
#define VX_FAULT_POINT_NO_FAIL(name)                             \
  static_assert(!::vx::internal::FindFaultPoint(name).can_fail); \
  ::vx::AtFaultPoint(::vx::internal::FindFaultPoint(name)).IgnoreError()

}  // namespace vx
