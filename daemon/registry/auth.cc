#include "daemon/registry/auth.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/status_macros.h"
#include "daemon/registry/errors.h"

namespace vx::registry {
namespace {

using Json = nlohmann::json;

constexpr char kClient[] = "vx";

bool IsTokenChar(char c) {
  return absl::ascii_isalnum(c) || absl::string_view("!#$%&'*+-.^_`|~").find(c) !=
                                       absl::string_view::npos;
}

absl::string_view TakeToken(absl::string_view& text) {
  size_t n = 0;
  while (n < text.size() && IsTokenChar(text[n])) ++n;
  absl::string_view token = text.substr(0, n);
  text.remove_prefix(n);
  return token;
}

void SkipBlanks(absl::string_view& text) {
  while (!text.empty() && (text[0] == ' ' || text[0] == '\t' || text[0] == ',')) {
    text.remove_prefix(1);
  }
}

// After the '"'.
std::string TakeQuoted(absl::string_view& text) {
  std::string value;
  while (!text.empty() && text[0] != '"') {
    if (text[0] == '\\' && text.size() > 1) text.remove_prefix(1);
    value.push_back(text[0]);
    text.remove_prefix(1);
  }
  if (!text.empty()) text.remove_prefix(1);
  return value;
}

// "name=value" or "name="value""; leaves `text` as it was when it is a new scheme.
bool TakeParameter(absl::string_view& text, Challenge& out) {
  absl::string_view rest = text;
  std::string name = absl::AsciiStrToLower(TakeToken(rest));
  if (name.empty() || rest.empty() || rest[0] != '=') return false;
  rest.remove_prefix(1);
  bool quoted = !rest.empty() && rest[0] == '"';
  if (quoted) rest.remove_prefix(1);
  out.parameters[name] = quoted ? TakeQuoted(rest) : std::string(TakeToken(rest));
  text = rest;
  return true;
}

std::string Escape(absl::string_view text) {
  std::string out;
  for (char c : text) {
    if (absl::ascii_isalnum(c) || absl::StrContains("-._~", absl::string_view(&c, 1))) {
      out.push_back(c);
    } else {
      absl::StrAppend(&out, "%", absl::AsciiStrToUpper(absl::BytesToHexString({&c, 1})));
    }
  }
  return out;
}

std::string Parameter(const Challenge& challenge, const char* name) {
  auto it = challenge.parameters.find(name);
  return it == challenge.parameters.end() ? "" : it->second;
}

// "a=b&c=d" of what is not empty.
std::string Form(const std::vector<std::pair<std::string, std::string>>& fields) {
  std::string form;
  for (const auto& [name, value] : fields) {
    if (value.empty()) continue;
    absl::StrAppend(&form, form.empty() ? "" : "&", name, "=", Escape(value));
  }
  return form;
}

HttpRequest TokenRequest(const Challenge& challenge, const std::string& scope,
                         const Credentials& credentials) {
  HttpRequest request;
  request.url = Parameter(challenge, "realm");
  std::string service = Parameter(challenge, "service");
  if (!credentials.identity_token.empty()) {
    request.method = "POST";
    request.body = Form({{"grant_type", "refresh_token"}, {"service", service},
                         {"client_id", kClient}, {"scope", scope},
                         {"refresh_token", credentials.identity_token}});
    request.headers.push_back("Content-Type: application/x-www-form-urlencoded");
    return request;
  }
  std::vector<std::pair<std::string, std::string>> fields = {
      {"service", service}, {"account", credentials.username}, {"client_id", kClient}};
  for (absl::string_view one : absl::StrSplit(scope, ' ')) fields.emplace_back("scope", one);
  std::string query = Form(fields);
  absl::StrAppend(&request.url, absl::StrContains(request.url, '?') ? "&" : "?", query);
  if (!credentials.empty()) request.headers.push_back(BasicHeader(credentials));
  return request;
}

std::string TokenIn(const std::string& body) {
  Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return "";
  for (const char* key : {"token", "access_token"}) {
    auto it = json.find(key);
    if (it != json.end() && it->is_string()) return it->get<std::string>();
  }
  return "";
}

bool IsHeaderText(absl::string_view text) {
  for (char c : text) {
    if (!absl::ascii_isgraph(c)) return false;
  }
  return !text.empty();
}

absl::StatusOr<std::string> GetToken(const Challenge& challenge, const std::string& scope,
                                     const Credentials& credentials, const std::string& host,
                                     bool plain, const DoHttp& http) {
  HttpRequest request = TokenRequest(challenge, scope, credentials);
  if (!absl::StartsWith(request.url, "https://") &&
      !(plain && absl::StartsWith(request.url, "http://"))) {
    return NotTrusted(host, "its token server is not to be spoken to by https");
  }
  VX_ASSIGN_OR_RETURN(HttpResponse response, http(request));
  if (response.code == 401 || response.code == 403 || response.code == 400) {
    return LoginNeeded(host, credentials.empty() ? "access without a login" : "the credentials",
                       MessageOf(response.body));
  }
  if (response.code != 200) {
    return Refused(host, "(its token server) the login", response.code, response.body);
  }
  std::string token = TokenIn(response.body);
  if (!IsHeaderText(token)) return Refused(host, "the login without a token", 200, response.body);
  return absl::StrCat("Authorization: Bearer ", token);
}

}  // namespace

Challenge ParseChallenge(absl::string_view header) {
  while (true) {
    SkipBlanks(header);
    Challenge challenge;
    challenge.scheme = absl::AsciiStrToLower(TakeToken(header));
    if (challenge.scheme.empty()) return {};
    SkipBlanks(header);
    while (TakeParameter(header, challenge)) SkipBlanks(header);
    if (challenge.scheme == "basic") return challenge;
    if (challenge.scheme == "bearer" && challenge.parameters.count("realm") > 0) return challenge;
  }
}

std::string BasicHeader(const Credentials& credentials) {
  return absl::StrCat(
      "Authorization: Basic ",
      absl::Base64Escape(absl::StrCat(credentials.username, ":", credentials.password)));
}

absl::StatusOr<std::string> Authenticate(const Challenge& challenge, const std::string& scope,
                                         const Credentials& credentials, const std::string& host,
                                         bool plain, const DoHttp& http) {
  if (challenge.scheme == "bearer") {
    return GetToken(challenge, scope, credentials, host, plain, http);
  }
  if (challenge.scheme != "basic") {
    return LoginNeeded(host, "access", "it asks for a login of a kind that vx doesn't know");
  }
  if (credentials.username.empty()) return LoginNeeded(host, "access without a login", "");
  return BasicHeader(credentials);
}

}  // namespace vx::registry
