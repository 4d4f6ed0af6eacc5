#include "daemon/config.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

#include <toml++/toml.h>

namespace vx {
namespace {

enum class Type { kString, kPath, kBool, kInt, kList, kTable };

struct Key {
  const char* name;
  Type type;
  const char* fallback;
  // The words that it may be, with commas between; null: any.
  const char* words = nullptr;
};

constexpr Key kKeys[] = {
    {"daemon.state_dir", Type::kPath, "/var/lib/vx"},
    {"daemon.runtime_dir", Type::kPath, "/run/vx"},
    {"daemon.socket", Type::kPath, ""},
    {"daemon.group", Type::kString, "vx"},
    {"daemon.listen", Type::kString, ""},
    {"daemon.cgroup_parent", Type::kPath, ""},
    {"tls.cert", Type::kPath, ""},
    {"tls.key", Type::kPath, ""},
    {"tls.client_ca", Type::kPath, ""},
    {"auth.operator_host_access", Type::kBool, "false"},
    {"network.bridge", Type::kString, ""},
    {"network.subnet", Type::kString, "10.117.0.0/16"},
    {"network.ipv6", Type::kString, ""},
    {"network.default", Type::kString, "default"},
    {"network.dns", Type::kString, ""},
    {"container.subuid", Type::kString, "auto"},
    {"container.subuid_claims_file", Type::kPath, ""},
    {"container.seccomp_profile", Type::kPath, ""},
    {"vm.uri", Type::kString, "qemu:///embed"},
    {"vm.accel", Type::kString, "auto"},
    {"vm.kernel", Type::kPath, ""},
    {"vm.emulator", Type::kPath, ""},
    {"vm.embed_cache", Type::kPath, ""},
    {"logs.max_bytes", Type::kInt, "16777216"},
    {"logs.max_files", Type::kInt, "4"},
    {"images.insecure_registries", Type::kList, ""},
    {"images.mirrors", Type::kTable, ""},
    {"images.ca_file", Type::kPath, ""},
    {"images.max_layer_bytes", Type::kInt, "10737418240"},
    {"images.max_unpacked_bytes", Type::kInt, "42949672960"},
    {"volumes.dir", Type::kPath, ""},
    {"drivers.dir", Type::kPath, ""},
    {"drivers.enabled", Type::kList, "container,libvirt"},
    {"log.level", Type::kString, "info", "debug,info,warn,error"},
    {"log.format", Type::kString, "text", "text,journal"},
};

const Key* FindKey(const std::string& name) {
  for (const Key& key : kKeys) {
    if (name == key.name) return &key;
  }
  return nullptr;
}

absl::Status BadConfig(const std::string& where, const std::string& what,
                       const std::string& hint = "") {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_CONFIG", absl::StrCat(where, ": ", what),
               hint);
}

// The keys that a user may have meant.
std::string KnownKeys(const std::string& wrong) {
  const std::string section = wrong.substr(0, wrong.find('.') + 1);
  std::vector<std::string> names;
  for (const Key& key : kKeys) {
    if (section.empty() || absl::StartsWith(key.name, section)) names.push_back(key.name);
  }
  if (names.empty()) return "the sections are daemon, tls, auth, network, container, vm, images, volumes, drivers and "
           "log";
  return absl::StrCat("the keys are ", absl::StrJoin(names, ", "));
}

bool Fits(Type type, const std::string& value) {
  int64_t number = 0;
  if (type == Type::kBool) return value == "true" || value == "false";
  if (type == Type::kInt) return absl::SimpleAtoi(value, &number) && number > 0;
  if (type == Type::kPath) return value.empty() || value[0] == '/';
  return true;
}

const char* TypeWord(Type type) {
  switch (type) {
    case Type::kPath: return "an absolute path";
    case Type::kBool: return "true or false";
    case Type::kInt: return "a number above 0";
    case Type::kList: return "a list of strings";
    case Type::kTable: return "a table of strings";
    default: return "a string";
  }
}

// The value as Config keeps it; nothing when it is of another type.
std::optional<std::string> Flatten(const toml::node& node, Type type) {
  const bool text = type == Type::kString || type == Type::kPath;
  if (text && node.is_string()) return node.as_string()->get();
  if (type == Type::kBool && node.is_boolean()) return node.as_boolean()->get() ? "true" : "false";
  if (type == Type::kInt && node.is_integer()) return absl::StrCat(node.as_integer()->get());
  std::vector<std::string> parts;
  if (type == Type::kList && node.is_array()) {
    for (const toml::node& element : *node.as_array()) {
      if (!element.is_string()) return std::nullopt;
      parts.push_back(element.as_string()->get());
    }
    return absl::StrJoin(parts, ",");
  }
  if (type == Type::kTable && node.is_table()) {
    for (const auto& [key, element] : *node.as_table()) {
      if (!element.is_string()) return std::nullopt;
      parts.push_back(absl::StrCat(std::string(key.str()), "=", element.as_string()->get()));
    }
    return absl::StrJoin(parts, ",");
  }
  return std::nullopt;
}

std::string EnvironmentName(const Key& key) {
  return absl::StrCat("VX_", absl::AsciiStrToUpper(absl::StrReplaceAll(key.name, {{".", "_"}})));
}

}  // namespace

Config::Config() {
  for (const Key& key : kKeys) values_[key.name] = key.fallback;
}

int64_t Config::GetInt(const std::string& key) const {
  int64_t number = 0;
  (void)absl::SimpleAtoi(values_.at(key), &number);
  return number;
}

std::vector<std::string> Config::GetList(const std::string& key) const {
  return absl::StrSplit(values_.at(key), ',', absl::SkipEmpty());
}

absl::Status Config::Set(const std::string& key, const std::string& value,
                         const std::string& where) {
  // Keys of the fake driver are for tests and go to it as they are.
  if (absl::StartsWith(key, "fake.")) {
    values_[key] = value;
    return absl::OkStatus();
  }
  const Key* known = FindKey(key);
  if (known == nullptr) return BadConfig(where, absl::StrCat("unknown key ", key), KnownKeys(key));
  if (!Fits(known->type, value)) {
    return BadConfig(where, absl::StrCat(key, " is \"", value, "\" and should be ",
                                         TypeWord(known->type)));
  }
  if (known->words != nullptr) {
    const std::vector<std::string> words = absl::StrSplit(known->words, ',');
    if (std::find(words.begin(), words.end(), value) == words.end()) {
      return BadConfig(where, absl::StrCat(key, " is \"", value, "\""),
                       absl::StrCat("it is one of ", absl::StrJoin(words, ", ")));
    }
  }
  values_[key] = value;
  return absl::OkStatus();
}

absl::Status Config::Set(const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos) {
    return BadConfig("--set", absl::StrCat("\"", assignment, "\" is not section.key=value"));
  }
  return Set(assignment.substr(0, equals), assignment.substr(equals + 1), "--set");
}

absl::Status Config::ReadEnvironment() {
  for (const Key& key : kKeys) {
    const std::string name = EnvironmentName(key);
    const char* value = getenv(name.c_str());
    if (value != nullptr) VX_RETURN_IF_ERROR(Set(key.name, value, name));
  }
  return absl::OkStatus();
}

absl::Status Config::ReadFiles(const std::string& path, bool required) {
  VX_RETURN_IF_ERROR(ReadFile(path, required));
  const std::string dir = path + ".d";
  absl::StatusOr<std::vector<std::string>> names = ListDir(dir);
  if (!names.ok()) return absl::OkStatus();
  for (const std::string& name : *names) {
    if (absl::EndsWith(name, ".toml")) VX_RETURN_IF_ERROR(ReadFile(dir + "/" + name, true));
  }
  return absl::OkStatus();
}

absl::Status Config::ReadFile(const std::string& path, bool required) {
  absl::StatusOr<std::string> text = vx::ReadFile(path);
  if (absl::IsNotFound(text.status()) && !required) return absl::OkStatus();
  if (!text.ok()) return BadConfig(path, std::string(text.status().message()));
  auto at = [&](const toml::source_region& source) {
    return absl::StrCat(path, ":", source.begin.line);
  };
  toml::table parsed;
  // Debian's library is built with exceptions; they go no further than this.
  try {
    parsed = toml::parse(*text, path);
  } catch (const toml::parse_error& error) {
    return BadConfig(at(error.source()), std::string(error.description()));
  }
  for (const auto& [section, content] : parsed) {
    const std::string prefix(section.str());
    if (!content.is_table()) {
      return BadConfig(at(content.source()), absl::StrCat("unknown key ", prefix), KnownKeys(""));
    }
    for (const auto& [name, node] : *content.as_table()) {
      const std::string full = absl::StrCat(prefix, ".", std::string(name.str()));
      const Key* known = FindKey(full);
      if (known == nullptr) {
        return BadConfig(at(name.source()), absl::StrCat("unknown key ", full), KnownKeys(full));
      }
      std::optional<std::string> value = Flatten(node, known->type);
      if (!value) {
        return BadConfig(at(node.source()),
                         absl::StrCat(full, " should be ", TypeWord(known->type)));
      }
      VX_RETURN_IF_ERROR(Set(full, *value, at(node.source())));
    }
  }
  return absl::OkStatus();
}

}  // namespace vx
