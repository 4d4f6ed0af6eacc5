// What the tests of networks have in common.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {

// Serves its name at port 80.
inline std::string Serving(const std::string& text) {
  return absl::StrCat("mkdir -p /tmp/www; echo ", text,
                      " >/tmp/www/index.html; echo ready; exec httpd -f -p 80 -h /tmp/www");
}

inline constexpr char kRequest[] = "GET / HTTP/1.0\\r\\n\\r\\n";

// The last line of an answer.
inline std::string Page(absl::string_view answer) {
  answer = absl::StripSuffix(answer, "\n");
  return std::string(answer.substr(answer.rfind('\n') + 1));
}

// What the host gets; `address` is one of IPv4, or of IPv6 without brackets. Empty when it gets nothing within some seconds.
inline std::string FromHost(const std::string& address, int port) {
  const std::string script = absl::StrCat("exec 3<>/dev/tcp/", address, "/", port, " && printf '",
                                          kRequest, "' >&3 && cat <&3");
  return Page(RunProgram({"timeout", "5", "bash", "-c", script}).out);
}

// The same once the server, which has just been started, listens: it tells nobody.
inline std::string FromHostSoon(const std::string& address, int port) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  std::string page;
  while ((page = FromHost(address, port)).empty() && absl::Now() < deadline) {
  }
  return page;
}

// Every setting of the kernel's networks but those that vxd is there to make: forwarding,
// and what goes with it.
inline constexpr char kSettings[] =
    "find /proc/sys/net -type f ! -name '*forward*' ! -name accept_ra ! -name '*secret' "
    "! -name '*_count' ! -name flush | sort | xargs grep -s ''";

// What the kernel says of things that are not ours.
inline std::string HostState() {
  std::string state;
  for (const Words& command : {Words{"ip", "-4", "route"}, Words{"ip", "-6", "route"},
                               Words{"nft", "list", "ruleset"}, Words{"ip", "-br", "link"},
                               Words{"sh", "-c", kSettings}}) {
    absl::StrAppend(&state, RunProgram(command).out);
  }
  return state;
}

class NetworksTest : public EachKindTest {
 protected:
  void TearDown() override {
    vx().RemoveWorkloads();
    EXPECT_EQ(vx().RemoveNetworks(), "");
    EachKindTest::TearDown();
  }

  void Serve(const std::string& name, const Words& flags) {
    RunDetached(name, Serving(name), flags);
    ASSERT_TRUE(vx().WaitForLog(name, "ready"));
    // It listens a moment later.
    Inside(name, "while ! nc -w 1 127.0.0.1 80 </dev/null; do :; done");
  }
  std::string AddressOf(const std::string& name, int index = 0) {
    const Json status = vx().Inspect(name)["status"];
    return status["addresses"].size() > static_cast<size_t>(index)
               ? status["addresses"][index].get<std::string>()
               : "";
  }
  // What a command inside prints.
  std::string Inside(const std::string& name, const std::string& script) {
    Result result = Vxctl({"exec", name, "--", "sh", "-c", script});
    return std::string(absl::StripSuffix(result.out, "\n"));
  }
  std::string Get(const std::string& name, const std::string& host, int port = 80) {
    return Page(Inside(name, absl::StrCat("(printf '", kRequest, "'; sleep 1) | nc -w 5 ", host, " ",
                                          port)));
  }
};

}  // namespace vx::system_test
