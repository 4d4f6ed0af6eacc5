#include "plugins/libvirt/kernel_image.h"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "daemon/base/subprocess.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

// One segment, which is a note with the PVH entry.
std::string Elf() {
  struct {
    Elf64_Ehdr header = {};
    Elf64_Phdr program = {};
    Elf64_Nhdr note = {};
    char name[4] = {'X', 'e', 'n', 0};
    uint64_t entry = 0x1000850;
  } image;
  memcpy(image.header.e_ident, ELFMAG, SELFMAG);
  image.header.e_machine = EM_X86_64;
  image.header.e_phoff = sizeof image.header;
  image.header.e_phentsize = sizeof image.program;
  image.header.e_phnum = 1;
  image.program.p_type = PT_NOTE;
  image.program.p_offset = sizeof image.header + sizeof image.program;
  image.program.p_filesz = sizeof image.note + sizeof image.name + sizeof image.entry;
  image.note = {.n_namesz = 4, .n_descsz = 8, .n_type = 18};
  return std::string(reinterpret_cast<const char*>(&image), sizeof image);
}

// A bzImage around a payload.
std::string BzImage(const std::string& payload) {
  std::string image(1024, '\0');
  image[0x1f1] = 1;  // sectors of setup
  memcpy(&image[0x202], "HdrS", 4);
  const uint16_t version = 0x20f;
  memcpy(&image[0x206], &version, sizeof version);
  const uint32_t offset = 16, size = static_cast<uint32_t>(payload.size());
  memcpy(&image[0x248], &offset, sizeof offset);
  memcpy(&image[0x24c], &size, sizeof size);
  return image + std::string(offset, 'x') + payload + "more";
}

std::string Compressed(const std::string& tool, const std::string& content) {
  TempDir dir;
  dir.Write("f", content);
  auto out = RunCommandOk({tool, "-c", dir.path("f")});
  EXPECT_TRUE(out.ok()) << out.status();
  return out.ok() ? *out : "";
}

TEST(KernelImageTest, TakesTheKernelOutOfABzImage) {
  if (FindProgram("xz").empty()) GTEST_SKIP() << "needs xz";
  // The kernel's build appends the unpacked size to all but gzip's.
  auto kernel = UnpackKernel(BzImage(Compressed("xz", Elf()) + std::string(4, '\x11')));
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  EXPECT_EQ(*kernel, Elf());
  EXPECT_EQ(*UnpackKernel(BzImage(Compressed("gzip", Elf()))), Elf());
}

TEST(KernelImageTest, RefusesAKernelWithoutThatEntry) {
  std::string elf = Elf();
  elf[elf.size() - 12 - 4] = 17;
  EXPECT_FALSE(HasPvhEntry(elf));
  EXPECT_FALSE(UnpackKernel(BzImage(Compressed("gzip", elf))).ok());
  EXPECT_FALSE(UnpackKernel(BzImage(Compressed("gzip", "no kernel"))).ok());
}

TEST(KernelImageTest, RefusesWhatIsNoBzImage) {
  for (const std::string& image : {std::string(), std::string(10, 'x'), std::string(4096, '\0'),
                                   BzImage("").substr(0, 0x249)}) {
    EXPECT_FALSE(UnpackKernel(image).ok()) << image.size();
  }
}

TEST(KernelImageTest, RefusesEveryShorterElf) {
  const std::string elf = Elf();
  ASSERT_TRUE(HasPvhEntry(elf));
  for (size_t size = 0; size < elf.size(); ++size) {
    EXPECT_FALSE(HasPvhEntry(absl::string_view(elf).substr(0, size))) << size;
  }
}

TEST(KernelImageTest, SurvivesBytesThatWereTamperedWith) {
  std::mt19937 random(3);
  const std::string good = BzImage(Compressed("gzip", Elf()));
  for (int round = 0; round < 5000; ++round) {
    std::string elf = Elf(), image = good;
    for (int i = 0; i < 3; ++i) {
      elf[random() % elf.size()] = static_cast<char>(random());
      image[random() % image.size()] = static_cast<char>(random());
    }
    HasPvhEntry(elf);
    UnpackKernel(image).status().IgnoreError();
  }
}

TEST(KernelImageTest, UnpackingHasABound) {
  const std::string packed = Compressed("gzip", std::string(100000, 'a'));
  EXPECT_TRUE(Decompress(packed, 100000).ok());
  EXPECT_EQ(Decompress(packed, 99999).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace vx::libvirt
