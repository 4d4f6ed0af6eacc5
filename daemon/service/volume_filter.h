// Filters of ListVolumes: "key=value".
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/repeated_field.h"
#include "vx/v1/volume.pb.h"

namespace vx::service {

using VolumeFilter = std::function<bool(const v1::Volume&)>;

// A volume passes when every one holds: name (a part of it), type, used and label
// (ListVolumesRequest.filters). INVALID_ARGUMENT names an unknown key or word.
absl::StatusOr<VolumeFilter> ParseVolumeFilters(
    const google::protobuf::RepeatedPtrField<std::string>& texts);

}  // namespace vx::service
