// Fields of a JSON object that may be missing, with errors that name them. No
// exception leaves these.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace vx::container {

using Json = nlohmann::json;

// INVALID_ARGUMENT (BAD_CONFIG): "config.json: FIELD WHAT".
absl::Status BadConfig(absl::string_view field, absl::string_view what);

// The member `key` of an object, or null.
const Json& Member(const Json& object, const char* key);

// At most `max_bytes` of JSON, lists and objects nested at most 64 deep. `what` is its
// name in errors.
absl::StatusOr<Json> ParseJson(absl::string_view text, size_t max_bytes, absl::string_view what);

// INVALID_ARGUMENT unless the member is an object, missing or null.
absl::Status CheckObject(const Json& object, const char* key, absl::string_view where);

// Each leaves `value` as it is when the member is missing or null, and fails when
// it is of another type. `where` is the object's own name.
absl::Status GetString(const Json& object, const char* key, absl::string_view where,
                       std::string& value);
absl::Status GetBool(const Json& object, const char* key, absl::string_view where, bool& value);
absl::Status GetInt(const Json& object, const char* key, absl::string_view where, int64_t& value);
absl::Status GetId(const Json& object, const char* key, absl::string_view where, uint32_t& value);
absl::Status GetStrings(const Json& object, const char* key, absl::string_view where,
                        std::vector<std::string>& value);

// Calls `visit` with each element of a list and its name ("mounts[2]").
template <typename Visitor>
absl::Status ForEach(const Json& object, const char* key, absl::string_view where, Visitor visit) {
  const Json& list = Member(object, key);
  const std::string name = where.empty() ? std::string(key) : std::string(where) + "." + key;
  if (list.is_null()) return absl::OkStatus();
  if (!list.is_array()) return BadConfig(name, "is not a list");
  for (size_t i = 0; i < list.size(); ++i) {
    absl::Status status = visit(list[i], name + "[" + std::to_string(i) + "]");
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace vx::container
