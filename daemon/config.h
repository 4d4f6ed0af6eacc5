// The daemon's configuration: flags over environment over drop-ins over file over
// defaults. The keys are those of config/vxd.toml, which is their manual.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vx {

class Config {
 public:
  // All keys at their defaults.
  Config();

  // Reads `path`, then `path`.d/*.toml in order of name. Files that are not there
  // are skipped unless `required`. INVALID_ARGUMENT (BAD_CONFIG) names file and
  // line.
  absl::Status ReadFiles(const std::string& path, bool required);
  // VX_SECTION_KEY of every known key, e.g. VX_VM_URI.
  absl::Status ReadEnvironment();
  // "section.key=value", as of --set.
  absl::Status Set(const std::string& assignment);
  absl::Status Set(const std::string& key, const std::string& value, const std::string& where);

  std::string Get(const std::string& key) const { return values_.at(key); }
  bool GetBool(const std::string& key) const { return values_.at(key) == "true"; }
  int64_t GetInt(const std::string& key) const;
  std::vector<std::string> GetList(const std::string& key) const;
  // Lists joined by commas, tables as "key=value" joined by commas.
  const std::map<std::string, std::string>& values() const { return values_; }

 private:
  absl::Status ReadFile(const std::string& path, bool required);

  std::map<std::string, std::string> values_;
};

}  // namespace vx
