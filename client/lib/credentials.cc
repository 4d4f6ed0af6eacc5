#include "client/lib/credentials.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::client {
namespace {

using Json = nlohmann::json;

constexpr char kDockerHub[] = "docker.io";

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

std::string Home() {
  std::string home = Environment("HOME");
  if (!home.empty()) return home;
  const passwd* user = getpwuid(getuid());
  return user == nullptr ? "/" : user->pw_dir;
}

std::string ConfigDir() {
  std::string dir = Environment("XDG_CONFIG_HOME");
  return dir.empty() ? Home() + "/.config" : dir;
}

std::vector<std::string> Files() {
  std::vector<std::string> files = {CredentialsFile(), Environment("REGISTRY_AUTH_FILE")};
  std::string runtime = Environment("XDG_RUNTIME_DIR");
  if (!runtime.empty()) files.push_back(runtime + "/containers/auth.json");
  files.push_back(ConfigDir() + "/containers/auth.json");
  std::string docker = Environment("DOCKER_CONFIG");
  files.push_back((docker.empty() ? Home() + "/.docker" : docker) + "/config.json");
  return files;
}

// The name of an entry as vx writes it: Docker has "https://index.docker.io/v1/".
std::string KeyOf(absl::string_view key) {
  bool url = absl::ConsumePrefix(&key, "https://") || absl::ConsumePrefix(&key, "http://");
  if (url) key = key.substr(0, key.find('/'));
  return key == "index.docker.io" || key == "registry-1.docker.io" ? kDockerHub : std::string(key);
}

std::string Text(const Json& object, const char* key) {
  auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::optional<v1::RegistryAuth> ToAuth(const Json& entry) {
  if (!entry.is_object()) return std::nullopt;
  v1::RegistryAuth auth;
  std::string plain;
  if (absl::Base64Unescape(Text(entry, "auth"), &plain)) {
    size_t colon = plain.find(':');
    if (colon != std::string::npos) {
      auth.set_username(plain.substr(0, colon));
      auth.set_password(plain.substr(colon + 1));
    }
  }
  auth.set_identity_token(Text(entry, "identitytoken"));
  if (auth.username().empty() && auth.identity_token().empty()) return std::nullopt;
  return auth;
}

// The file's document; an empty one where there is no such file.
absl::StatusOr<Json> Read(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (absl::IsNotFound(text.status())) return Json::object();
  VX_RETURN_IF_ERROR(text.status());
  Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && (!json.contains("auths") || json["auths"].is_object())) return json;
  return Error(absl::StatusCode::kFailedPrecondition, "BAD_AUTH_FILE",
               absl::StrCat(path, " is no file of credentials"), "repair it or remove it");
}

// The entry for the longest beginning of "registry/repository" that has one.
std::optional<v1::RegistryAuth> Lookup(const Json& file, std::string key) {
  auto auths = file.find("auths");
  if (auths == file.end()) return std::nullopt;
  while (true) {
    for (const auto& [name, entry] : auths->items()) {
      if (KeyOf(name) != key) continue;
      if (auto auth = ToAuth(entry)) return auth;
    }
    size_t slash = key.rfind('/');
    if (slash == std::string::npos) return std::nullopt;
    key.resize(slash);
  }
}

absl::Status Write(const Json& json) {
  std::string path = CredentialsFile();
  VX_RETURN_IF_ERROR(MakeDirs(ParentOf(path), 0700));
  return WriteFileAtomic(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
                         0600, Durability::kDurable);
}

}  // namespace

std::string CredentialsFile() { return ConfigDir() + "/vx/auth.json"; }

std::string RegistryOf(const std::string& reference) {
  size_t slash = reference.find('/');
  std::string first = reference.substr(0, slash);
  bool registry = slash != std::string::npos &&
                  (first == "localhost" || first.find_first_of(".:") != std::string::npos);
  return registry ? KeyOf(first) : kDockerHub;
}

absl::StatusOr<v1::RegistryAuth> FindCredentials(const std::string& reference) {
  std::string registry = RegistryOf(reference);
  std::string path(absl::StripPrefix(reference, absl::StrCat(registry, "/")));
  std::string key = absl::StrCat(registry, "/", path.substr(0, path.find_first_of(":@")));
  std::vector<std::string> files = Files();
  for (const std::string& file : files) {
    absl::StatusOr<Json> json = Read(file);
    if (!json.ok() && file == files.front()) return json.status();
    if (!json.ok()) continue;
    if (auto auth = Lookup(*json, key)) return *auth;
  }
  return v1::RegistryAuth();
}

absl::Status SaveCredentials(const std::string& registry, const v1::RegistryAuth& auth) {
  VX_ASSIGN_OR_RETURN(Json json, Read(CredentialsFile()));
  Json entry;
  entry["auth"] = absl::Base64Escape(absl::StrCat(auth.username(), ":", auth.password()));
  json["auths"][KeyOf(registry)] = entry;
  return Write(json);
}

absl::StatusOr<bool> RemoveCredentials(const std::string& registry) {
  VX_ASSIGN_OR_RETURN(Json json, Read(CredentialsFile()));
  if (!json.contains("auths") || json["auths"].erase(KeyOf(registry)) == 0) return false;
  VX_RETURN_IF_ERROR(Write(json));
  return true;
}

}  // namespace vx::client
