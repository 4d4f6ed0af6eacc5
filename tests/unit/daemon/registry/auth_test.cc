#include "daemon/registry/auth.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "daemon/base/error.h"

namespace vx::registry {
namespace {

constexpr char kBearer[] =
    R"(Bearer realm="https://auth.example/token",service="reg, one",scope="repository:a:pull")";

TEST(Challenge, ParametersMayHoldCommasAndEscapes) {
  Challenge challenge = ParseChallenge(kBearer);
  EXPECT_EQ(challenge.scheme, "bearer");
  EXPECT_EQ(challenge.parameters["realm"], "https://auth.example/token");
  EXPECT_EQ(challenge.parameters["service"], "reg, one");
  EXPECT_EQ(ParseChallenge(R"(basic realm="a\"b")").parameters["realm"], "a\"b");
}

TEST(Challenge, TheFirstThatIsKnownCounts) {
  EXPECT_EQ(ParseChallenge(R"(Negotiate, Basic realm="x")").scheme, "basic");
  EXPECT_EQ(ParseChallenge(R"(Digest a="1", b=2, Bearer realm="r")").scheme, "bearer");
}

TEST(Challenge, NonsenseIsNone) {
  for (const char* text : {"", "===", "\"", "Bearer", "Bearer realm", "Negotiate", ",,,", "a=\""}) {
    EXPECT_EQ(ParseChallenge(text).scheme, "") << text;
  }
}

// A token server that keeps what it was asked.
struct TokenServer {
  HttpRequest asked;
  HttpResponse answer{200, {}, R"({"token":"t0k"})"};
  absl::StatusOr<std::string> Ask(const Credentials& credentials, const std::string& header = kBearer,
                                  bool plain = false) {
    return Authenticate(ParseChallenge(header), "repository:a:pull repository:b:pull", credentials,
                        "reg", plain, [this](const HttpRequest& request) {
                          asked = request;
                          return absl::StatusOr<HttpResponse>(answer);
                        });
  }
};

TEST(Token, IsAskedForWithTheUsersNameAndEachScope) {
  TokenServer server;
  EXPECT_EQ(*server.Ask({"me", "pw", ""}), "Authorization: Bearer t0k");
  EXPECT_EQ(server.asked.url,
            "https://auth.example/token?service=reg%2C%20one&account=me&client_id=vx&"
            "scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull");
  ASSERT_EQ(server.asked.headers.size(), 1u);
  EXPECT_EQ(server.asked.headers[0], "Authorization: Basic bWU6cHc=");
}

TEST(Token, OfAnIdentityIsAskedForByPost) {
  TokenServer server;
  ASSERT_TRUE(server.Ask({"", "", "re fresh"}).ok());
  EXPECT_EQ(server.asked.method, "POST");
  EXPECT_TRUE(absl::StrContains(server.asked.body, "refresh_token=re%20fresh"));
}

TEST(Token, IsNotAskedForInTheClear) {
  TokenServer server;
  constexpr char kPlain[] = R"(Bearer realm="http://auth.example/token")";
  EXPECT_EQ(ErrorReason(server.Ask({"me", "pw", ""}, kPlain).status()), "REGISTRY_TLS");
  EXPECT_EQ(server.asked.url, "");
  EXPECT_TRUE(server.Ask({"me", "pw", ""}, kPlain, true).ok());
}

TEST(Token, ThatWouldAddAHeaderIsNone) {
  TokenServer server;
  for (const char* body : {R"({"token":"a\r\nX: y"})", R"({"token":""})", "{}", "[]", "x"}) {
    server.answer.body = body;
    EXPECT_FALSE(server.Ask({}).ok()) << body;
  }
}

TEST(Token, RefusedIsALoginThatIsNeeded) {
  TokenServer server;
  server.answer.code = 401;
  absl::Status status = server.Ask({"me", "pw", ""}).status();
  EXPECT_EQ(ErrorReason(status), "REGISTRY_LOGIN");
  EXPECT_TRUE(absl::StrContains(ErrorHint(status), "vxctl login reg")) << ErrorHint(status);
}

TEST(Basic, NeedsAName) {
  TokenServer server;
  EXPECT_EQ(*server.Ask({"me", "pw", ""}, "Basic realm=x"), "Authorization: Basic bWU6cHc=");
  EXPECT_EQ(ErrorReason(server.Ask({}, "Basic realm=x").status()), "REGISTRY_LOGIN");
}

}  // namespace
}  // namespace vx::registry
