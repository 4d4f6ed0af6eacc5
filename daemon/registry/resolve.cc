#include "daemon/registry/resolve.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/digest.h"
#include "daemon/image/oci_json.h"
#include "daemon/registry/errors.h"

namespace vx::registry {
namespace {

using Json = nlohmann::json;
using image::Descriptor;
using image::Platform;

constexpr int kMaxIndexes = 4;
constexpr char kAccept[] =
    "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json";

absl::StatusOr<Platform> ParsePlatform(const std::string& text) {
  if (text.empty()) return image::HostPlatform();
  std::vector<std::string> parts = absl::StrSplit(text, '/');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || parts[1].empty()) {
    return InvalidFields({{"platform", absl::StrCat("\"", text, "\" is not like linux/amd64")}});
  }
  return Platform{parts[0], parts[1], parts.size() > 2 ? parts[2] : ""};
}

// `wanted` without a variant takes any.
bool Fits(const Platform& there, const Platform& wanted) {
  return there.os == wanted.os && there.architecture == wanted.architecture &&
         (wanted.variant.empty() || there.variant == wanted.variant);
}

absl::Status NoPlatform(const Reference& reference, const Platform& wanted,
                        const std::vector<std::string>& there) {
  std::string list = there.empty() ? "none that it names" : absl::StrJoin(there, ", ");
  return Error(absl::StatusCode::kNotFound, "NO_PLATFORM",
               absl::StrCat(reference.ToString(), " is not there for ", wanted.ToString(),
                            "; it is there for ", list));
}

absl::Status UnknownManifest(const std::string& host, const Reference& reference,
                             const std::string& said) {
  return Error(absl::StatusCode::kNotFound, "MANIFEST_UNKNOWN",
               absl::StrCat("the registry ", host, " has no ", reference.repository,
                            reference.digest.empty() ? ":" : "@", reference.version(),
                            said.empty() ? "" : ": ", said),
               "see whether name and tag are right");
}

// A document and what it is.
struct Document {
  Descriptor descriptor;
  std::string text;
};

class Resolver {
 public:
  Resolver(Client& client, const Reference& reference, Platform platform)
      : client_(client), reference_(reference), platform_(std::move(platform)) {}

  absl::StatusOr<Resolved> Run();

 private:
  absl::StatusOr<Document> Fetch(const std::string& version, int64_t size);
  absl::StatusOr<HttpResponse> Get(const std::string& version, int64_t size);
  absl::StatusOr<Document> Verify(const HttpResponse& answer, const std::string& digest) const;
  absl::StatusOr<Descriptor> Choose(const std::string& index) const;
  absl::StatusOr<std::string> FetchConfig(const Descriptor& config);
  absl::Status CheckPlatform(const image::Config& config) const;
  absl::Status TooBig() const;

  Client& client_;
  const Reference& reference_;
  const Platform platform_;
};

absl::Status Resolver::TooBig() const {
  return Error(absl::StatusCode::kResourceExhausted, "MANIFEST_TOO_BIG",
               absl::StrCat("the manifest or config of ", reference_.ToString(), " has more than ",
                            image::kMaxDocument, " bytes"));
}

absl::StatusOr<HttpResponse> Resolver::Get(const std::string& version, int64_t size) {
  HttpRequest request;
  request.url = absl::StrCat("/v2/", reference_.repository, "/manifests/", version);
  request.headers = {kAccept};
  request.max_body = size;
  absl::StatusOr<HttpResponse> answer = client_.Call(request);
  if (ErrorReason(answer.status()) == "ANSWER_TOO_BIG") return TooBig();
  return answer;
}

absl::StatusOr<Document> Resolver::Fetch(const std::string& version, int64_t size) {
  if (size > image::kMaxDocument) return TooBig();
  VX_ASSIGN_OR_RETURN(HttpResponse answer, Get(version, image::kMaxDocument));
  if (answer.code == 404) {
    return UnknownManifest(client_.host(), reference_, MessageOf(answer.body));
  }
  if (answer.code == 401 || answer.code == 403) {
    return LoginNeeded(client_.host(), absl::StrCat("access to ", reference_.repository),
                       MessageOf(answer.body));
  }
  if (answer.code != 200) {
    return Refused(client_.host(), absl::StrCat("the request for ", reference_.ToString()),
                   answer.code, answer.body);
  }
  return Verify(answer, image::IsDigest(version) ? version : "");
}

// What kind of document it is: by the header, or by what it says itself.
std::string MediaType(const HttpResponse& answer) {
  std::string type = answer.Header("content-type");
  type = type.substr(0, type.find(';'));
  Descriptor descriptor;
  descriptor.media_type = type;
  if (descriptor.IsIndex() || descriptor.IsManifest()) return type;
  Json json = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return type;
  auto own = json.find("mediaType");
  if (own != json.end() && own->is_string()) return own->get<std::string>();
  if (json.contains("manifests")) return image::kOciIndex;
  return json.contains("config") ? image::kOciManifest : type;
}

absl::StatusOr<Document> Resolver::Verify(const HttpResponse& answer,
                                          const std::string& digest) const {
  Document out;
  out.descriptor.digest = image::DigestOf(answer.body);
  std::string claimed = digest.empty() ? answer.Header("docker-content-digest") : digest;
  if (image::IsDigest(claimed) && claimed != out.descriptor.digest) {
    return Mismatch(client_.host(), absl::StrCat("another manifest for ", reference_.ToString(),
                                                 " than that of the digest ", claimed));
  }
  out.descriptor.size = answer.body.size();
  out.descriptor.media_type = MediaType(answer);
  out.text = answer.body;
  return out;
}

absl::StatusOr<Descriptor> Resolver::Choose(const std::string& index) const {
  VX_ASSIGN_OR_RETURN(std::vector<Descriptor> manifests,
                      image::ParseIndex(index, absl::StrCat("the index of ",
                                                            reference_.ToString())));
  std::vector<std::string> there;
  for (const Descriptor& manifest : manifests) {
    // Attestations that builders put beside the images.
    if (manifest.platform.os == "unknown") continue;
    if (!manifest.platform.known() || Fits(manifest.platform, platform_)) return manifest;
    there.push_back(manifest.platform.ToString());
  }
  return NoPlatform(reference_, platform_, there);
}

absl::StatusOr<std::string> Resolver::FetchConfig(const Descriptor& config) {
  if (config.size > image::kMaxDocument) return TooBig();
  HttpRequest request;
  request.url = absl::StrCat("/v2/", reference_.repository, "/blobs/", config.digest);
  request.max_body = image::kMaxDocument;
  absl::StatusOr<HttpResponse> answer = client_.Call(request);
  if (ErrorReason(answer.status()) == "ANSWER_TOO_BIG") return TooBig();
  VX_RETURN_IF_ERROR(answer.status());
  if (answer->code != 200) {
    return Refused(client_.host(), absl::StrCat("the request for the config of ",
                                                reference_.ToString()),
                   answer->code, answer->body);
  }
  if (image::DigestOf(answer->body) == config.digest) return answer->body;
  return Mismatch(client_.host(), absl::StrCat("a config of ", reference_.ToString(),
                                               " that has not the digest ", config.digest));
}

absl::Status Resolver::CheckPlatform(const image::Config& config) const {
  if (!config.platform.known()) return absl::OkStatus();
  Platform wanted = platform_;
  // Configs often leave the variant out.
  if (config.platform.variant.empty()) wanted.variant.clear();
  if (Fits(config.platform, wanted)) return absl::OkStatus();
  return NoPlatform(reference_, platform_, {config.platform.ToString()});
}

absl::StatusOr<Resolved> Resolver::Run() {
  VX_ASSIGN_OR_RETURN(Document document, Fetch(reference_.version(), 0));
  for (int i = 0; document.descriptor.IsIndex(); ++i) {
    if (i == kMaxIndexes) return Mismatch(client_.host(), "indexes that are nested too deeply");
    VX_ASSIGN_OR_RETURN(Descriptor chosen, Choose(document.text));
    VX_ASSIGN_OR_RETURN(document, Fetch(chosen.digest, chosen.size));
  }
  Resolved out;
  std::string what = absl::StrCat("the manifest of ", reference_.ToString());
  VX_ASSIGN_OR_RETURN(image::Manifest manifest, image::ParseManifest(document.text, what));
  VX_ASSIGN_OR_RETURN(out.config, FetchConfig(manifest.config));
  VX_ASSIGN_OR_RETURN(out.content,
                      image::Assemble(document.descriptor, document.text, out.config));
  VX_RETURN_IF_ERROR(CheckPlatform(out.content.config));
  out.manifest = std::move(document.text);
  return out;
}

}  // namespace

absl::StatusOr<Resolved> Resolve(Client& client, const Reference& reference,
                                 const std::string& platform) {
  VX_ASSIGN_OR_RETURN(Platform wanted, ParsePlatform(platform));
  return Resolver(client, reference, std::move(wanted)).Run();
}

}  // namespace vx::registry
