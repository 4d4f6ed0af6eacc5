#include "plugins/agent/boot_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace vx::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsNull;
using ::testing::NotNull;

BootConfig Typical() {
  return {.argv = {"sh", "-c", "echo \"$X\"\n"},
          .env = {"PATH=/bin", "X=", "Y=a=b"},
          .working_dir = "/srv",
          .user = "bob:wheel",
          .hostname = "web-1",
          .tty = true,
          .read_only = true,
          .tmpfs = {{.target = "/t with space", .size_bytes = 4096, .mode = 0700, .exec = true},
                    {.target = "/u"}},
          .shares = {{.number = 3, .target = "/d ata", .read_only = true},
                     {.number = 0, .disk = true, .target = "/e", .copy_up = true}},
          .nics = {{.mac = "52:54:00:12:34:56",
                    .link = "eth0",
                    .mtu = 1500,
                    .addresses = {"10.0.0.2/24", "fd00::2/64"},
                    .gateways = {"10.0.0.1", "fd00::1"}},
                   {.mac = "52:54:00:12:34:57", .link = "eth1"}},
          .resolver = "search vx\nnameserver 10.0.0.1\n",
          .hosts = "127.0.0.1\tlocalhost\n"};
}

// A field as it stands in a blob.
std::string Field(uint8_t tag, const std::string& value) {
  const auto length = static_cast<uint32_t>(value.size());
  std::string field(1, static_cast<char>(tag));
  field.append(reinterpret_cast<const char*>(&length), sizeof length);
  return field + value;
}

std::string Complaint(const std::string& blob) {
  BootConfig config;
  const char* error = DecodeBootConfig(blob, config);
  return error == nullptr ? "" : error;
}

TEST(BootConfigTest, ComesBackAsItWasEncoded) {
  for (const BootConfig& config : {Typical(), BootConfig{.argv = {"true"}}}) {
    BootConfig decoded;
    ASSERT_THAT(DecodeBootConfig(EncodeBootConfig(config), decoded), IsNull());
    EXPECT_EQ(decoded, config);
  }
}

TEST(BootConfigTest, KeepsEveryByteOfAnArgument) {
  BootConfig config = Typical();
  config.argv.emplace_back();
  config.argv.push_back("\x01\x7f\xff\xfe \t\r\n");
  BootConfig decoded;
  ASSERT_THAT(DecodeBootConfig(EncodeBootConfig(config), decoded), IsNull());
  EXPECT_EQ(decoded.argv, config.argv);
}

TEST(BootConfigTest, RefusesEveryShorterBlob) {
  const std::string blob = EncodeBootConfig(Typical());
  for (size_t size = 0; size < blob.size(); ++size) {
    EXPECT_NE(Complaint(blob.substr(0, size)), "") << size;
  }
}

TEST(BootConfigTest, RefusesWhatFollowsTheEnd) {
  EXPECT_THAT(Complaint(EncodeBootConfig(Typical()) + "x"), HasSubstr("follows"));
}

TEST(BootConfigTest, RefusesAnotherFormatAndUnknownFields) {
  EXPECT_THAT(Complaint(""), HasSubstr("format"));
  EXPECT_THAT(Complaint("VXB2" + Field(1, "sh") + Field(0, "")), HasSubstr("format"));
  EXPECT_THAT(Complaint("VXB1" + Field(99, "sh") + Field(0, "")), HasSubstr("unknown"));
  EXPECT_THAT(Complaint("VXB1" + Field(1, "sh") + Field(0, "x")), HasSubstr("end"));
}

TEST(BootConfigTest, RefusesALengthPastTheEnd) {
  std::string blob = "VXB1" + Field(1, "sh");
  blob[5] = blob[6] = blob[7] = blob[8] = '\xff';
  EXPECT_THAT(Complaint(blob), HasSubstr("short"));
}

TEST(BootConfigTest, RefusesMoreItemsThanItsBound) {
  std::string blob = "VXB1";
  for (uint32_t i = 0; i <= kMaxBootItems; ++i) blob += Field(1, "a");
  EXPECT_THAT(Complaint(blob + Field(0, "")), HasSubstr("too many"));
}

TEST(BootConfigTest, RefusesABlobThatIsTooLong) {
  BootConfig config = Typical();
  config.argv.push_back(std::string(kMaxBootConfig, 'a'));
  EXPECT_THAT(CheckBootConfig(config), NotNull());
  EXPECT_THAT(Complaint(EncodeBootConfig(config)), HasSubstr("too long"));
}

TEST(BootConfigTest, RefusesWhatAGuestCannotBeGiven) {
  BootConfig config = Typical();
  config.argv.clear();
  EXPECT_STREQ(CheckBootConfig(config), "no command");
  config = Typical();
  config.working_dir = "srv";
  EXPECT_THAT(CheckBootConfig(config), HasSubstr("absolute"));
  config = Typical();
  config.hostname = std::string(65, 'h');
  EXPECT_THAT(CheckBootConfig(config), HasSubstr("64"));
  config = Typical();
  config.env.push_back(std::string("A=\0b", 4));
  EXPECT_THAT(CheckBootConfig(config), HasSubstr("NUL"));
  config = Typical();
  config.nics[1].link = "a/b";
  EXPECT_THAT(CheckBootConfig(config), HasSubstr("name of a link"));
  config = Typical();
  config.nics.resize(kMaxNics + 1, config.nics[0]);
  EXPECT_THAT(CheckBootConfig(config), HasSubstr("too many networks"));
  EXPECT_THAT(CheckBootConfig(Typical()), IsNull());
}

TEST(BootConfigTest, SurvivesBytesThatWereTamperedWith) {
  std::mt19937 random(7);
  const std::string good = EncodeBootConfig(Typical());
  for (int round = 0; round < 20000; ++round) {
    std::string blob = good;
    for (int i = 0; i < 3; ++i) blob[random() % blob.size()] = static_cast<char>(random());
    BootConfig config;
    // Whatever is taken must keep the rules.
    if (DecodeBootConfig(blob, config) == nullptr) {
      EXPECT_THAT(CheckBootConfig(config), IsNull());
    }
  }
}

}  // namespace
}  // namespace vx::agent
