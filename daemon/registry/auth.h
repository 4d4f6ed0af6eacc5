// How one shows a registry who one is: basic, or a token of its token server.
//
// https://distribution.github.io/distribution/spec/auth/token/ and .../oauth/.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/registry/http.h"

namespace vx::registry {

// Of a user; all empty: nobody.
struct Credentials {
  std::string username;
  std::string password;
  std::string identity_token;

  bool empty() const { return username.empty() && identity_token.empty(); }
};

// What a WWW-Authenticate header asks for.
struct Challenge {
  std::string scheme;  // lower case: "basic", "bearer"
  std::map<std::string, std::string> parameters;
};

// The first challenge that is understood; an empty scheme when there is none.
Challenge ParseChallenge(absl::string_view header);

// "Authorization: Basic …".
std::string BasicHeader(const Credentials& credentials);

using DoHttp = std::function<absl::StatusOr<HttpResponse>(const HttpRequest&)>;

// Gets a header that answers `challenge` for `scope` ("repository:a/b:pull"; several
// with blanks between; may be empty). `host` names the registry in errors; a password is sent to a token server in
// the clear only where `plain` allows it. UNAUTHENTICATED (REGISTRY_LOGIN).
absl::StatusOr<std::string> Authenticate(const Challenge& challenge, const std::string& scope,
                                         const Credentials& credentials, const std::string& host,
                                         bool plain, const DoHttp& http);

}  // namespace vx::registry
