#include "client/cli/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "client/cli/errors.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "vx/v1/workload.pb.h"

namespace vx::cli {
namespace {

using testing::HasSubstr;

TEST(ParsePort, TakesAllParts) {
  v1::PortMapping port = *ParsePort("8080:80");
  EXPECT_EQ(port.host_port(), 8080);
  EXPECT_EQ(port.guest_port(), 80);
  EXPECT_EQ(port.protocol(), "tcp");
  EXPECT_EQ(port.host_ip(), "");
  port = *ParsePort("127.0.0.1:53:5353/udp");
  EXPECT_EQ(port.host_ip(), "127.0.0.1");
  EXPECT_EQ(port.host_port(), 53);
  EXPECT_EQ(port.protocol(), "udp");
  EXPECT_EQ(ParsePort("[::1]:80:81")->host_ip(), "::1");
  port = *ParsePort("8000-8009:80-89");
  EXPECT_EQ(port.host_port(), 8000);
  EXPECT_EQ(port.guest_port(), 80);
  EXPECT_EQ(port.count(), 10);
}

TEST(ParsePort, RefusesWhatIsNone) {
  for (const char* text : {"", "80", "80:", ":80", "0:80", "80:0", "65536:80", "a:b", "80:80/icmp",
                           "80:80/", "80-89:80", "89-80:80-89", "80-89:80-88", "80-:80-", "[::1]80:80", "::1:80:80", ":80:80", "-1:80", "80 :80"}) {
    EXPECT_EQ(ErrorReason(ParsePort(text).status()), "BAD_PORT") << text;
  }
}

TEST(ParseMount, TakesVolumesAndPaths) {
  EXPECT_EQ(ParseMount("data:/mnt")->source(), "data");
  EXPECT_FALSE(ParseMount("/data:/mnt:rw")->read_only());
  EXPECT_TRUE(ParseMount("/data:/mnt:ro")->read_only());
  EXPECT_TRUE(ParseMount("data:/mnt:nocopy,ro")->no_copy());
  EXPECT_TRUE(ParseMount("data:/mnt:nocopy,ro")->read_only());
  EXPECT_EQ(ParseMount("data:/mnt:subpath=a/b")->subpath(), "a/b");
  for (const char* text : {"", "/data", "data:", ":/mnt", "a:b", "a:/b:c", "a:/b:ro:x"}) {
    EXPECT_EQ(ErrorReason(ParseMount(text).status()), "BAD_VOLUME") << text;
  }
}

TEST(AddEnv, TakesValuesAndTheEnvironment) {
  StringMap env;
  setenv("VX_PARSE_TEST", "own", 1);
  EXPECT_TRUE(AddEnv("A=", &env).ok());
  EXPECT_TRUE(AddEnv("B=x=y", &env).ok());
  EXPECT_TRUE(AddEnv("VX_PARSE_TEST", &env).ok());
  unsetenv("VX_PARSE_TEST");
  EXPECT_EQ(env.at("A"), "");
  EXPECT_EQ(env.at("B"), "x=y");
  EXPECT_EQ(env.at("VX_PARSE_TEST"), "own");
  EXPECT_EQ(ErrorReason(AddEnv("VX_PARSE_TEST", &env)), "BAD_ENV");
  EXPECT_EQ(ErrorReason(AddEnv("=x", &env)), "BAD_ENV");
}

TEST(CheckText, TakesUtf8Only) {
  for (const char* text : {"", "plain", "Zoë", "\xF0\x9F\x90\xB3"})
    EXPECT_TRUE(CheckText(text).ok());
  for (const char* text : {"\xFF", "a\xC3", "\xC0\x80", "\xED\xA0\x80"}) {
    EXPECT_EQ(ErrorReason(CheckText(text)), "BAD_TEXT") << text;
  }
  StringMap env;
  EXPECT_EQ(ErrorReason(AddEnv("A=\xFF", &env)), "BAD_TEXT");
}

TEST(AddEnvFile, ReadsLinesAndNamesTheBadOne) {
  std::string file = testing::TempDir() + "vx-parse-test.env";
  ASSERT_TRUE(WriteFileAtomic(file, "# comment\n\nA=1\r\n  B=two words \n", 0600).ok());
  StringMap env;
  EXPECT_TRUE(AddEnvFile(file, &env).ok());
  EXPECT_EQ(env.at("A"), "1");
  EXPECT_EQ(env.at("B"), "two words ");
  ASSERT_TRUE(WriteFileAtomic(file, "A=1\n=2\n", 0600).ok());
  absl::Status status = AddEnvFile(file, &env);
  EXPECT_EQ(std::string(status.message()).substr(0, file.size() + 2), file + ":2");
  unlink(file.c_str());
  EXPECT_EQ(AddEnvFile(file, &env).code(), absl::StatusCode::kNotFound);
}

TEST(AddLabel, TakesKeysWithAndWithoutValue) {
  StringMap labels;
  EXPECT_TRUE(AddLabel("a=b", &labels).ok());
  EXPECT_TRUE(AddLabel("c", &labels).ok());
  EXPECT_EQ(labels.at("a"), "b");
  EXPECT_EQ(labels.at("c"), "");
  EXPECT_EQ(ErrorReason(AddLabel("=b", &labels)), "BAD_LABEL");
}

TEST(ParseKind, KnowsTwoAndSaysSo) {
  EXPECT_EQ(*ParseKind("vm"), v1::KIND_VM);
  EXPECT_EQ(*ParseKind("container"), v1::KIND_CONTAINER);
  EXPECT_EQ(ErrorReason(ParseKind("VM").status()), "UNKNOWN_KIND");
  EXPECT_EQ(ErrorReason(ParseKind("").status()), "UNKNOWN_KIND");
  EXPECT_EQ(ErrorReason(ParseKind("auto").status()), "NOT_YET");
}

TEST(ParseRestart, KnowsThePolicies) {
  EXPECT_EQ(*ParseRestart("no"), v1::RESTART_POLICY_NO);
  EXPECT_EQ(*ParseRestart("unless-stopped"), v1::RESTART_POLICY_UNLESS_STOPPED);
  EXPECT_EQ(ErrorReason(ParseRestart("on-failure:3").status()), "NOT_YET");
  EXPECT_EQ(ErrorReason(ParseRestart("maybe").status()), "BAD_RESTART");
}

TEST(Describe, HasReasonAndHint) {
  EXPECT_EQ(Describe(Error(absl::StatusCode::kNotFound, "X", "no a", "make one")),
            "vxctl: no a (X)\nhint: make one\n");
  EXPECT_EQ(Describe(absl::UnknownError("odd")), "vxctl: odd (UNKNOWN)\n");
}

TEST(Describe, NamesRefusedFieldsByTheirFlags) {
  EXPECT_EQ(Describe(InvalidFields({{"spec.resources.cpus", "0 is too little"}})),
            "vxctl: --cpus: 0 is too little (INVALID_FIELDS)\n");
  EXPECT_EQ(Describe(InvalidFields({{"spec.mounts[0].source", "not yet"}, {"page_size", "odd"}})),
            "vxctl: 2 things are refused (INVALID_FIELDS)\n"
            "  --volume: not yet\n"
            "  page_size: odd\n");
}

// Of a message of the spec, and below it.
void ExpectFlags(const google::protobuf::Descriptor& message, const std::string& path) {
  for (int i = 0; i < message.field_count(); ++i) {
    const std::string field = path + "." + message.field(i)->name();
    const std::string text = Describe(InvalidFields({{field, "odd"}}));
    const bool is_message = message.field(i)->message_type() == v1::Resources::descriptor() ||
                            message.field(i)->message_type() == v1::Security::descriptor();
    if (is_message) {
      ExpectFlags(*message.field(i)->message_type(), field);
    } else {
      EXPECT_THAT(text, testing::Not(HasSubstr(field)));
    }
  }
}

TEST(Describe, KnowsTheFlagOfEachFieldOfASpec) {
  ExpectFlags(*v1::WorkloadSpec::descriptor(), "spec");
}

TEST(ExitStatus, Is2ForMisuseOnly) {
  EXPECT_EQ(ExitStatus(absl::OkStatus()), 0);
  EXPECT_EQ(ExitStatus(absl::UnknownError("")), 1);
  EXPECT_EQ(ExitStatus(UsageError("x")), 2);
  EXPECT_EQ(ExitStatus(Annotate(NotYetError("x"), "y")), 2);
}

}  // namespace
}  // namespace vx::cli
