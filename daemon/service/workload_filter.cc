#include "daemon/service/workload_filter.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/driver_set.h"
#include "daemon/core/images.h"

namespace vx::service {
namespace {

using Filter = WorkloadFilter;

std::vector<std::string> StateWords() {
  std::vector<std::string> words;
  const auto* states = v1::State_descriptor();
  for (int i = 0; i < states->value_count(); ++i) {
    const auto state = static_cast<v1::State>(states->value(i)->number());
    if (state != v1::STATE_UNSPECIFIED) words.push_back(StateWord(state));
  }
  return words;
}

absl::Status BadFilter(absl::string_view text, absl::string_view why) {
  return InvalidFields({{"filters", absl::StrCat("\"", text, "\": ", why)}});
}

absl::Status CheckStateWord(const std::string& text, const std::string& word) {
  const std::vector<std::string> words = StateWords();
  if (std::find(words.begin(), words.end(), word) != words.end()) return absl::OkStatus();
  return BadFilter(text, absl::StrCat("a state is one of ", absl::StrJoin(words, ", ")));
}

bool HasLabel(const v1::Workload& workload, const std::string& key,
              const std::optional<std::string>& value) {
  auto it = workload.labels().find(key);
  return it != workload.labels().end() && (!value || it->second == *value);
}

Filter LabelFilter(const std::string& text) {
  const size_t equals = text.find('=');
  const std::string key = text.substr(0, equals);
  std::optional<std::string> value;
  if (equals != std::string::npos) value = text.substr(equals + 1);
  return [key, value](const v1::Workload& w) { return HasLabel(w, key, value); };
}

absl::StatusOr<Filter> ParseFilter(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) return BadFilter(text, "write it as key=value");
  const std::string key = text.substr(0, equals);
  const std::string value = text.substr(equals + 1);
  if (key == "kind") {
    if (value != "container" && value != "vm") return BadFilter(text, "a kind is container or vm");
    return Filter([value](const v1::Workload& w) { return core::KindName(w.kind()) == value; });
  }
  if (key == "state") {
    VX_RETURN_IF_ERROR(CheckStateWord(text, value));
    return Filter(
        [value](const v1::Workload& w) { return StateWord(w.status().state()) == value; });
  }
  if (key == "name") {
    return Filter(
        [value](const v1::Workload& w) { return w.name().find(value) != std::string::npos; });
  }
  if (key == "image") {
    VX_ASSIGN_OR_RETURN(std::string name, core::Images::FullName(value));
    return Filter([name](const v1::Workload& w) { return w.spec().image() == name; });
  }
  if (key == "label") return LabelFilter(value);
  return BadFilter(text, "the keys are kind, state, name, image and label");
}

}  // namespace

std::string StateWord(v1::State state) {
  return absl::AsciiStrToLower(v1::State_Name(state).substr(sizeof "STATE_" - 1));
}

absl::StatusOr<WorkloadFilter> ParseFilters(
    const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<Filter> filters;
  for (const std::string& text : texts) {
    VX_ASSIGN_OR_RETURN(Filter filter, ParseFilter(text));
    filters.push_back(std::move(filter));
  }
  return Filter([filters = std::move(filters)](const v1::Workload& workload) {
    for (const Filter& filter : filters) {
      if (!filter(workload)) return false;
    }
    return true;
  });
}

}  // namespace vx::service
