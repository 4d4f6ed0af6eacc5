#include "plugins/libvirt/domain_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <set>

#include "daemon/base/file.h"
#include "daemon/base/subprocess.h"
#include "plugins/agent/boot_network.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

DomainSpec Spec() {
  return {.name = "vx-01234567-0123456789abcdef0123456789abcdef",
          .uid = "0123456789abcdef0123456789abcdef",
          .kvm = false,
          .emulator = "/usr/bin/qemu-system-x86_64",
          .kernel = "/var/lib/vx/boot/k.vmlinux",
          .initramfs = "/var/lib/vx/boot/i.initramfs",
          .memory_bytes = int64_t{512} << 20,
          .vcpus = 1,
          .disk = "/var/lib/vx/w/u/root.qcow2",
          .output_socket = "/run/vx/r/u/output",
          .console_socket = "/run/vx/r/u/console",
          .agent_socket = "/run/vx/r/u/agent",
          .user = {.uid = 524288, .gid = 107}};
}

// With VX_UPDATE_GOLDEN set, writes instead of comparing.
void ExpectGolden(const std::string& name, const std::string& xml) {
  const std::string path = std::string(VX_GOLDEN "/") + name;
  if (getenv("VX_UPDATE_GOLDEN") != nullptr) {
    ASSERT_TRUE(WriteFileAtomic(path, xml, 0644).ok());
  }
  auto golden = ReadFile(path);
  ASSERT_TRUE(golden.ok()) << golden.status();
  EXPECT_EQ(xml, *golden);
}

// Each is the plain guest but for one thing.
struct Feature {
  std::string name;
  void (*set)(DomainSpec& spec);
};

const Feature kFeatures[] = {
    {"plain", [](DomainSpec&) {}},
    {"on_hardware", [](DomainSpec& spec) { spec.kvm = true; }},
    {"cpus_to_plug_in",
     [](DomainSpec& spec) {
       spec.vcpus = 2;
       spec.most_vcpus = 8;
     }},
    {"memory_of_odd_size",
     [](DomainSpec& spec) { spec.memory_bytes = (int64_t{80} << 20) + 1023; }},
    {"disk_that_goes_with_it", [](DomainSpec& spec) { spec.disposable_disk = true; }},
    {"no_agent", [](DomainSpec& spec) { spec.agent_socket.clear(); }},
    {"network",
     [](DomainSpec& spec) {
       spec.nics = {{.host_link = "vxt0a1b2c3d0", .mac = "52:54:00:12:34:56", .mtu = 1450},
                    {.host_link = "vxt0a1b2c3d1", .mac = "52:54:00:12:34:57"}};
     }},
};

DomainSpec With(const Feature& feature) {
  DomainSpec spec = Spec();
  feature.set(spec);
  return spec;
}

class DomainXmlOf : public testing::TestWithParam<Feature> {};

TEST_P(DomainXmlOf, IsTheGoldenFile) {
  ExpectGolden(GetParam().name + ".xml", DomainXml(With(GetParam())));
}

INSTANTIATE_TEST_SUITE_P(Features, DomainXmlOf, testing::ValuesIn(kFeatures),
                         [](const auto& info) { return info.param.name; });

TEST(DomainXmlTest, OnlyEmulatedGuestsGetUnsafeSwitches) {
  EXPECT_THAT(KernelCommandLine(false), HasSubstr("mitigations=off"));
  EXPECT_THAT(KernelCommandLine(true), Not(HasSubstr("mitigations=off")));
  EXPECT_THAT(KernelCommandLine(true), HasSubstr("console=ttyS0"));
}

TEST(DomainXmlTest, AGuestWithFoldersHasMemoryThatOthersCanMap) {
  DomainSpec spec = Spec();
  EXPECT_THAT(DomainXml(spec), Not(HasSubstr("memoryBacking"))) << "it has a price";
  spec.shares = {{"vx0", "/run/vx/r/u/share-0.sock"}, {"vx2", "/run/vx/r/u/share-2.sock"}};
  const std::string xml = DomainXml(spec);
  EXPECT_THAT(xml, HasSubstr("<source type=\"memfd\" />"));
  EXPECT_THAT(xml, HasSubstr("<access mode=\"shared\" />"));
  EXPECT_THAT(xml, HasSubstr("<source socket=\"/run/vx/r/u/share-2.sock\" />"));
  EXPECT_THAT(xml, HasSubstr("<target dir=\"vx2\" />"));
}

TEST(DomainXmlTest, FoldersAndDisksShareSlotsThatNoNetworkCardHas) {
  DomainSpec spec = Spec();
  spec.nics.resize(agent::kMaxNics);
  spec.shares.resize(9);
  spec.disks.resize(kMostShares - spec.shares.size());
  const std::string xml = DomainXml(spec);
  std::set<std::string> places;
  int devices = 0;
  for (const char* slot = xml.c_str(); (slot = strstr(slot, "slot=\"")) != nullptr; ++devices) {
    places.insert(std::string(slot, 6 + 5 + strlen(" function=\"0x0")));
    ++slot;
  }
  EXPECT_EQ(places.size(), static_cast<size_t>(devices)) << xml;
  EXPECT_THAT(places, testing::Contains(HasSubstr("0x1d\" function=\"0x7")));
  EXPECT_THAT(places, testing::Contains(HasSubstr("0x1e\" function=\"0x7")));
  EXPECT_THAT(xml, HasSubstr("function=\"0x0\" multifunction=\"on\""));
}

TEST(DomainXmlTest, AUidIsTheUuid) {
  EXPECT_EQ(UuidOf("0123456789abcdef0123456789abcdef"), "01234567-89ab-cdef-0123-456789abcdef");
}

TEST(DomainXmlTest, MarkupInPathsIsQuoted) {
  DomainSpec spec = Spec();
  spec.disk = "/tmp/a'<b>&\"c";
  EXPECT_THAT(DomainXml(spec), Not(HasSubstr("<b>")));
}

TEST(DomainXmlTest, IsWhatLibvirtsSchemaSays) {
  if (FindProgram("virt-xml-validate").empty()) GTEST_SKIP() << "needs virt-xml-validate";
  TempDir dir;
  for (const Feature& feature : kFeatures) {
    SCOPED_TRACE(feature.name);
    dir.Write("domain.xml", DomainXml(With(feature)));
    auto result = RunCommand({"virt-xml-validate", dir.path("domain.xml"), "domain"});
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->exit_code, 0) << result->err;
  }
}

}  // namespace
}  // namespace vx::libvirt
