#include "daemon/image/oci_json.h"

#include <sys/utsname.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/archive.h"
#include "daemon/image/digest.h"

namespace vx::image {
namespace {

using Json = nlohmann::json;

constexpr char kDockerList[] = "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr char kDockerManifest[] = "application/vnd.docker.distribution.manifest.v2+json";
constexpr char kDockerConfig[] = "application/vnd.docker.container.image.v1+json";
// An image of more layers or platforms than this is none that anybody made.
constexpr size_t kMaxParts = 1024;

absl::StatusOr<Json> ParseObject(const std::string& text, absl::string_view what) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return BadArchive(absl::StrCat(what, " is not JSON"));
  if (!json.is_object()) return BadArchive(absl::StrCat(what, " is not a JSON object"));
  return json;
}

// The member `key`, or null when it is not there.
const Json& Member(const Json& object, const char* key) {
  static const Json null;
  if (!object.is_object()) return null;
  auto it = object.find(key);
  return it == object.end() ? null : *it;
}

std::string Text(const Json& object, const char* key) {
  const Json& value = Member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

std::vector<std::string> Texts(const Json& object, const char* key) {
  std::vector<std::string> texts;
  const Json& array = Member(object, key);
  if (!array.is_array()) return texts;
  for (const Json& value : array) {
    if (value.is_string()) texts.push_back(value.get<std::string>());
  }
  return texts;
}

std::map<std::string, std::string> TextMap(const Json& object, const char* key) {
  std::map<std::string, std::string> map;
  const Json& members = Member(object, key);
  if (!members.is_object()) return map;
  for (const auto& [name, value] : members.items()) {
    if (value.is_string()) map[name] = value.get<std::string>();
  }
  return map;
}

Platform ToPlatform(const Json& object) {
  return {Text(object, "os"), Text(object, "architecture"), Text(object, "variant")};
}

absl::StatusOr<Descriptor> ToDescriptor(const Json& object, absl::string_view what) {
  Descriptor descriptor;
  descriptor.media_type = Text(object, "mediaType");
  descriptor.digest = Text(object, "digest");
  if (!IsDigest(descriptor.digest)) {
    return BadArchive(
        absl::StrCat(what, " has the digest \"", descriptor.digest, "\": only sha256 is taken"));
  }
  const Json& size = Member(object, "size");
  if (!size.is_number_unsigned() || size.get<uint64_t>() > uint64_t{1} << 60) {
    return BadArchive(absl::StrCat(what, " has no size for ", descriptor.digest));
  }
  descriptor.size = size.get<int64_t>();
  descriptor.annotations = TextMap(object, "annotations");
  descriptor.platform = ToPlatform(Member(object, "platform"));
  return descriptor;
}

absl::StatusOr<std::vector<Descriptor>> ToDescriptors(const Json& object, const char* key,
                                                      absl::string_view what) {
  const Json& array = Member(object, key);
  if (!array.is_array()) return BadArchive(absl::StrCat(what, " has no \"", key, "\""));
  if (array.size() > kMaxParts) {
    return BadArchive(absl::StrCat(what, " lists ", array.size(), " ", key));
  }
  std::vector<Descriptor> descriptors;
  for (const Json& value : array) {
    VX_ASSIGN_OR_RETURN(Descriptor descriptor, ToDescriptor(value, what));
    descriptors.push_back(std::move(descriptor));
  }
  return descriptors;
}

// The keys of an object, as "ExposedPorts" has them.
std::vector<std::string> Keys(const Json& object, const char* key) {
  std::vector<std::string> keys;
  const Json& members = Member(object, key);
  if (!members.is_object()) return keys;
  for (const auto& [name, value] : members.items()) keys.push_back(name);
  return keys;
}

v1::ImageConfig ToImageConfig(const Json& object) {
  v1::ImageConfig config;
  for (std::string& text : Texts(object, "Entrypoint")) config.add_entrypoint(std::move(text));
  for (std::string& text : Texts(object, "Cmd")) config.add_command(std::move(text));
  for (std::string& text : Texts(object, "Env")) config.add_env(std::move(text));
  config.set_working_dir(Text(object, "WorkingDir"));
  config.set_user(Text(object, "User"));
  config.set_stop_signal(Text(object, "StopSignal"));
  for (std::string& port : Keys(object, "ExposedPorts")) config.add_exposed_ports(std::move(port));
  for (std::string& path : Keys(object, "Volumes")) config.add_volumes(std::move(path));
  for (auto& [key, value] : TextMap(object, "Labels")) (*config.mutable_labels())[key] = value;
  return config;
}

v1::ImageHistory ToHistory(const Json& object) {
  v1::ImageHistory step;
  step.set_created_by(Text(object, "created_by"));
  step.set_comment(Text(object, "comment"));
  const Json& empty = Member(object, "empty_layer");
  step.set_empty_layer(empty.is_boolean() && empty.get<bool>());
  absl::Time created;
  if (absl::ParseTime(absl::RFC3339_full, Text(object, "created"), &created, nullptr)) {
    step.mutable_create_time()->set_seconds(absl::ToUnixSeconds(created));
  }
  return step;
}

std::vector<v1::ImageHistory> ToHistories(const Json& array) {
  std::vector<v1::ImageHistory> steps;
  if (!array.is_array()) return steps;
  for (const Json& step : array) {
    if (steps.size() == kMaxParts) break;
    steps.push_back(ToHistory(step));
  }
  return steps;
}

Json FromDescriptor(const Descriptor& descriptor) {
  Json json = {{"mediaType", descriptor.media_type},
               {"digest", descriptor.digest},
               {"size", descriptor.size}};
  if (!descriptor.annotations.empty()) json["annotations"] = descriptor.annotations;
  const Platform& platform = descriptor.platform;
  if (platform.known()) {
    json["platform"] = {{"os", platform.os}, {"architecture", platform.architecture}};
    if (!platform.variant.empty()) json["platform"]["variant"] = platform.variant;
  }
  return json;
}

template <typename Field>
void PutTexts(Json& json, const char* key, const Field& texts) {
  if (!texts.empty()) json[key] = std::vector<std::string>(texts.begin(), texts.end());
}

// Never throws: what is no UTF-8 is replaced.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string Platform::ToString() const {
  std::string text = absl::StrCat(os, "/", architecture);
  if (!variant.empty()) absl::StrAppend(&text, "/", variant);
  return text;
}

Platform HostPlatform() {
  utsname host;
  uname(&host);
  std::string machine = host.machine;
  if (machine == "x86_64") return {"linux", "amd64", ""};
  if (machine == "aarch64") return {"linux", "arm64", ""};
  if (machine == "i686" || machine == "i386") return {"linux", "386", ""};
  if (absl::StartsWith(machine, "armv")) return {"linux", "arm", ""};
  return {"linux", machine, ""};
}

bool Descriptor::IsIndex() const { return media_type == kOciIndex || media_type == kDockerList; }

bool Descriptor::IsManifest() const {
  return media_type == kOciManifest || media_type == kDockerManifest;
}

std::string Descriptor::Name() const {
  for (const char* key : {kContainerdName, kRefName}) {
    auto it = annotations.find(key);
    if (it != annotations.end()) return it->second;
  }
  return "";
}

absl::StatusOr<std::vector<Descriptor>> ParseIndex(const std::string& text,
                                                   absl::string_view what) {
  VX_ASSIGN_OR_RETURN(Json json, ParseObject(text, what));
  return ToDescriptors(json, "manifests", what);
}

absl::StatusOr<Manifest> ParseManifest(const std::string& text, absl::string_view what) {
  VX_ASSIGN_OR_RETURN(Json json, ParseObject(text, what));
  const Json& version = Member(json, "schemaVersion");
  if (!version.is_number_integer() || version.get<int64_t>() != 2) {
    return BadArchive(absl::StrCat(what, " is not of schema version 2"));
  }
  Manifest manifest;
  VX_ASSIGN_OR_RETURN(manifest.config, ToDescriptor(Member(json, "config"), what));
  const std::string& type = manifest.config.media_type;
  if (type != kOciConfig && type != kDockerConfig) {
    return BadArchive(absl::StrCat(what, " is no image: its config is \"", type, "\""));
  }
  VX_ASSIGN_OR_RETURN(manifest.layers, ToDescriptors(json, "layers", what));
  return manifest;
}

absl::StatusOr<Config> ParseConfig(const std::string& text, absl::string_view what) {
  VX_ASSIGN_OR_RETURN(Json json, ParseObject(text, what));
  Config config;
  config.platform = ToPlatform(json);
  config.created = Text(json, "created");
  config.config = ToImageConfig(Member(json, "config"));
  config.diff_ids = Texts(Member(json, "rootfs"), "diff_ids");
  config.history = ToHistories(Member(json, "history"));
  for (const std::string& diff_id : config.diff_ids) {
    if (!IsDigest(diff_id)) {
      return BadArchive(absl::StrCat(what, " has the diff_id \"", diff_id, "\""));
    }
  }
  return config;
}

std::string IndexJson(const std::vector<Descriptor>& manifests) {
  Json json = {{"schemaVersion", 2}, {"mediaType", kOciIndex}, {"manifests", Json::array()}};
  for (const Descriptor& manifest : manifests)
    json["manifests"].push_back(FromDescriptor(manifest));
  return Dump(json);
}

std::string ManifestJson(const Manifest& manifest) {
  Json json = {{"schemaVersion", 2},
               {"mediaType", kOciManifest},
               {"config", FromDescriptor(manifest.config)},
               {"layers", Json::array()}};
  for (const Descriptor& layer : manifest.layers) json["layers"].push_back(FromDescriptor(layer));
  return Dump(json);
}

std::string ConfigJson(const Config& config) {
  Json run = Json::object();
  PutTexts(run, "Entrypoint", config.config.entrypoint());
  PutTexts(run, "Cmd", config.config.command());
  PutTexts(run, "Env", config.config.env());
  if (!config.config.working_dir().empty()) run["WorkingDir"] = config.config.working_dir();
  if (!config.config.user().empty()) run["User"] = config.config.user();
  if (!config.config.stop_signal().empty()) run["StopSignal"] = config.config.stop_signal();
  for (const auto& [key, value] : config.config.labels()) run["Labels"][key] = value;
  Json json = {{"os", config.platform.os},
               {"architecture", config.platform.architecture},
               {"config", run},
               {"rootfs", {{"type", "layers"}, {"diff_ids", config.diff_ids}}}};
  if (!config.created.empty()) json["created"] = config.created;
  return Dump(json);
}

}  // namespace vx::image
