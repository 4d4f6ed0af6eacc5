#include "daemon/service/volume_filter.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::service {
namespace {

absl::Status BadFilter(const std::string& text, const char* why) {
  return InvalidFields({{"filters", absl::StrCat("\"", text, "\": ", why)}});
}

VolumeFilter LabelFilter(const std::string& text) {
  const size_t equals = text.find('=');
  const bool any = equals == std::string::npos;
  return [any, key = text.substr(0, equals),
          value = any ? "" : text.substr(equals + 1)](const v1::Volume& volume) {
    auto it = volume.labels().find(key);
    return it != volume.labels().end() && (any || it->second == value);
  };
}

absl::StatusOr<VolumeFilter> ParseFilter(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return BadFilter(text, "write it as key=value");
  const std::string key = text.substr(0, equals);
  const std::string value = text.substr(equals + 1);
  if (key == "name") {
    return VolumeFilter(
        [value](const v1::Volume& v) { return v.name().find(value) != std::string::npos; });
  }
  if (key == "type") {
    const bool block = value == "block";
    if (!block && value != "directory") return BadFilter(text, "a type is directory or block");
    return VolumeFilter([block](const v1::Volume& v) {
      return (v.spec().type() == v1::VOLUME_TYPE_BLOCK) == block;
    });
  }
  if (key == "used") {
    const bool used = value == "true";
    if (!used && value != "false") return BadFilter(text, "write true or false");
    return VolumeFilter(
        [used](const v1::Volume& v) { return (v.status().used_by_size() > 0) == used; });
  }
  if (key == "label") return LabelFilter(value);
  return BadFilter(text, "the keys are name, type, used and label");
}

}  // namespace

absl::StatusOr<VolumeFilter> ParseVolumeFilters(
    const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<VolumeFilter> filters;
  for (const std::string& text : texts) {
    VX_ASSIGN_OR_RETURN(VolumeFilter filter, ParseFilter(text));
    filters.push_back(std::move(filter));
  }
  return VolumeFilter([filters = std::move(filters)](const v1::Volume& volume) {
    for (const VolumeFilter& filter : filters) {
      if (!filter(volume)) return false;
    }
    return true;
  });
}

}  // namespace vx::service
