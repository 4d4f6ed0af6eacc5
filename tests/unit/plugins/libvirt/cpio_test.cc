#include "plugins/libvirt/cpio.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <memory>
#include <vector>

namespace vx::libvirt {
namespace {

using ::testing::ElementsAre;
using ::testing::FieldsAre;

struct Entry {
  std::string path;
  mode_t mode;
  std::string content;
};

// Read by somebody else's reader.
std::vector<Entry> Read(const std::string& cpio) {
  std::unique_ptr<archive, int (*)(archive*)> reader(archive_read_new(), archive_read_free);
  archive_read_support_format_cpio(reader.get());
  EXPECT_EQ(archive_read_open_memory(reader.get(), cpio.data(), cpio.size()), ARCHIVE_OK);
  std::vector<Entry> entries;
  archive_entry* entry;
  while (archive_read_next_header(reader.get(), &entry) == ARCHIVE_OK) {
    std::string content(archive_entry_size(entry), '\0');
    EXPECT_EQ(archive_read_data(reader.get(), content.data(), content.size()),
              static_cast<la_ssize_t>(content.size()));
    entries.push_back({archive_entry_pathname(entry), archive_entry_mode(entry), content});
    if (S_ISCHR(archive_entry_mode(entry))) {
      EXPECT_EQ(archive_entry_rdevmajor(entry), 5);
      EXPECT_EQ(archive_entry_rdevminor(entry), 1);
    }
  }
  return entries;
}

std::string Sample() {
  CpioWriter writer;
  writer.AddDirectory("dev", 0755);
  writer.AddCharDevice("dev/console", 0600, 5, 1);
  writer.AddFile("init", 0755, std::string("a\0b", 3));
  writer.AddFile("empty", 0644, "");
  return writer.Finish();
}

TEST(CpioTest, IsReadByOthers) {
  EXPECT_THAT(Read(Sample()), ElementsAre(FieldsAre("dev", S_IFDIR | 0755, ""),
                                          FieldsAre("dev/console", S_IFCHR | 0600, ""),
                                          FieldsAre("init", S_IFREG | 0755, std::string("a\0b", 3)),
                                          FieldsAre("empty", S_IFREG | 0644, "")));
}

TEST(CpioTest, HoldsContentsOfEveryAlignment) {
  for (size_t size = 0; size < 9; ++size) {
    CpioWriter writer;
    writer.AddFile("f" + std::string(size, 'x'), 0644, std::string(size, 'y'));
    writer.AddFile("next", 0644, "z");
    const std::string archive = writer.Finish();
    EXPECT_EQ(archive.size() % 4, 0u);
    EXPECT_THAT(Read(archive), ElementsAre(FieldsAre("f" + std::string(size, 'x'), S_IFREG | 0644,
                                                     std::string(size, 'y')),
                                           FieldsAre("next", S_IFREG | 0644, "z")));
  }
}

TEST(CpioTest, TheSameCallsGiveTheSameBytes) { EXPECT_EQ(Sample(), Sample()); }

}  // namespace
}  // namespace vx::libvirt
