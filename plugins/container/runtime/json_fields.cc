#include "plugins/container/runtime/json_fields.h"

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::container {
namespace {

constexpr int kMaxDepth = 64;

std::string Name(absl::string_view where, const char* key) {
  return where.empty() ? std::string(key) : absl::StrCat(where, ".", key);
}

}  // namespace

absl::Status BadConfig(absl::string_view field, absl::string_view what) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_CONFIG",
               absl::StrCat("config.json: ", field, " ", what));
}

absl::StatusOr<Json> ParseJson(absl::string_view text, size_t max_bytes, absl::string_view what) {
  bool too_deep = false;
  if (text.size() > max_bytes) {
    return BadConfig(what, absl::StrCat("is larger than ", max_bytes >> 20, " MiB"));
  }
  const auto check = [&](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  Json json = Json::parse(text.begin(), text.end(), check, /*allow_exceptions=*/false);
  if (too_deep) return BadConfig(what, absl::StrCat("is nested deeper than ", kMaxDepth));
  if (json.is_discarded()) return BadConfig(what, "is not JSON");
  return json;
}

absl::Status CheckObject(const Json& object, const char* key, absl::string_view where) {
  const Json& member = Member(object, key);
  if (member.is_null() || member.is_object()) return absl::OkStatus();
  return BadConfig(Name(where, key), "is not an object");
}

const Json& Member(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  auto it = object.find(key);
  return it == object.end() ? null : *it;
}

absl::Status GetString(const Json& object, const char* key, absl::string_view where,
                       std::string& value) {
  const Json& member = Member(object, key);
  if (member.is_null()) return absl::OkStatus();
  if (!member.is_string()) return BadConfig(Name(where, key), "is not a string");
  value = member.get<std::string>();
  // It becomes a C string sooner or later.
  if (value.find('\0') != std::string::npos)
    return BadConfig(Name(where, key), "holds a zero byte");
  return absl::OkStatus();
}

absl::Status GetBool(const Json& object, const char* key, absl::string_view where, bool& value) {
  const Json& member = Member(object, key);
  if (member.is_null()) return absl::OkStatus();
  if (!member.is_boolean()) return BadConfig(Name(where, key), "is neither true nor false");
  value = member.get<bool>();
  return absl::OkStatus();
}

absl::Status GetInt(const Json& object, const char* key, absl::string_view where, int64_t& value) {
  const Json& member = Member(object, key);
  if (member.is_null()) return absl::OkStatus();
  if (!member.is_number_integer()) return BadConfig(Name(where, key), "is not a whole number");
  value = member.get<int64_t>();
  return absl::OkStatus();
}

absl::Status GetId(const Json& object, const char* key, absl::string_view where, uint32_t& value) {
  int64_t number = value;
  VX_RETURN_IF_ERROR(GetInt(object, key, where, number));
  if (number < 0 || number > UINT32_MAX) return BadConfig(Name(where, key), "is out of range");
  value = static_cast<uint32_t>(number);
  return absl::OkStatus();
}

absl::Status GetStrings(const Json& object, const char* key, absl::string_view where,
                        std::vector<std::string>& value) {
  return ForEach(object, key, where, [&](const Json& element, const std::string& name) {
    if (!element.is_string()) return BadConfig(name, "is not a string");
    value.push_back(element.get<std::string>());
    if (value.back().find('\0') != std::string::npos) return BadConfig(name, "holds a zero byte");
    return absl::OkStatus();
  });
}

}  // namespace vx::container
