#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/lib/credentials.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct LoginFlags {
  std::string registry;
  std::string username;
  std::string password;
  bool password_stdin = false;
};

// A line from stdin; on a terminal after `question`, unseen where it is a `secret`.
absl::StatusOr<std::string> Ask(const char* question, bool secret) {
  struct termios before = {};
  bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
  if (terminal) fputs(question, stderr);
  if (terminal && secret) {
    struct termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  absl::Cleanup restore = [&] {
    if (!terminal || !secret) return;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputs("\n", stderr);
  };
  std::string line;
  if (!std::getline(std::cin, line) || line.empty()) {
    return UsageError("there is no user name or password",
                      "vxctl login -u USER --password-stdin REGISTRY <FILE");
  }
  if (line.back() == '\r') line.pop_back();
  return line;
}

absl::StatusOr<v1::RegistryAuth> AskFor(const LoginFlags& flags) {
  if (flags.password_stdin && flags.username.empty()) {
    return UsageError("--password-stdin goes with -u USER");
  }
  v1::RegistryAuth auth;
  auth.set_username(flags.username);
  auth.set_password(flags.password);
  if (auth.username().empty()) {
    VX_ASSIGN_OR_RETURN(*auth.mutable_username(), Ask("User name: ", /*secret=*/false));
  }
  if (auth.password().empty()) {
    VX_ASSIGN_OR_RETURN(*auth.mutable_password(), Ask("Password: ", /*secret=*/true));
  }
  if (auth.username().find(':') != std::string::npos) {
    return UsageError("a user name has no colon");
  }
  return auth;
}

absl::Status LogIn(Context& context, const LoginFlags& flags) {
  VX_ASSIGN_OR_RETURN(v1::RegistryAuth auth, AskFor(flags));
  VX_ASSIGN_OR_RETURN(client::Connection * connection, context.Connect());
  v1::CheckRegistryLoginRequest request;
  request.set_registry(flags.registry);
  *request.mutable_auth() = auth;
  VX_RETURN_IF_ERROR(connection->CheckRegistryLogin(request).status());
  return client::SaveCredentials(flags.registry, auth);
}

int Login(Context& context, const LoginFlags& flags) {
  if (absl::Status status = LogIn(context, flags); !status.ok()) return Report(status);
  return Print(absl::StrCat(flags.registry, "\n"));
}

int Logout(const LoginFlags& flags) {
  absl::StatusOr<bool> removed = client::RemoveCredentials(flags.registry);
  if (!removed.ok()) return Report(removed.status());
  if (*removed) return Print(absl::StrCat(flags.registry, "\n"));
  return Report(Error(absl::StatusCode::kNotFound, "NO_LOGIN",
                      absl::StrCat(client::CredentialsFile(), " has no login for ",
                                   flags.registry)));
}

}  // namespace

Action DeclareLogin(Arguments& arguments) {
  auto flags = std::make_shared<LoginFlags>();
  flags->registry = "docker.io";
  arguments.OptionalWord("REGISTRY", &flags->registry, "HOST[:PORT]; docker.io when left out");
  arguments.Option("-u,--username", &flags->username, "USER", "Asked for when left out");
  arguments.Option("-p,--password", &flags->password, "PASSWORD",
                   "Others on this host can see it: rather leave it out");
  arguments.Flag("--password-stdin", &flags->password_stdin, "Take the password from stdin");
  arguments.Example("vxctl login registry.example:5000\n"
                    "vxctl login -u me --password-stdin ghcr.io <token");
  return [flags](Context& context) { return Login(context, *flags); };
}

Action DeclareLogout(Arguments& arguments) {
  auto flags = std::make_shared<LoginFlags>();
  flags->registry = "docker.io";
  arguments.OptionalWord("REGISTRY", &flags->registry, "HOST[:PORT]; docker.io when left out");
  arguments.Example("vxctl logout registry.example:5000");
  return [flags](Context&) { return Logout(*flags); };
}

}  // namespace vx::cli
