#include "plugins/libvirt/kernel_image.h"

#include <archive.h>
#include <archive_entry.h>
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"

namespace vx::libvirt {
namespace {

constexpr size_t kMaxKernel = 512 << 20;

// Offsets in a bzImage's first sector.
constexpr size_t kSetupSectors = 0x1f1, kMagic = 0x202, kVersion = 0x206;
constexpr size_t kPayloadOffset = 0x248, kPayloadLength = 0x24c, kHeaderEnd = 0x250;
constexpr uint16_t kFirstVersionWithPayload = 0x208;
constexpr size_t kSector = 512;

// xen/interface/elfnote.h
constexpr char kXen[] = "Xen";
constexpr uint32_t kPhys32Entry = 18;

using Archive = std::unique_ptr<archive, int (*)(archive*)>;

template <typename T>
T Load(absl::string_view data, size_t offset) {
  T value;
  memcpy(&value, data.data() + offset, sizeof value);
  return value;
}

// The part of `data`, or nothing when it is not all there.
std::optional<absl::string_view> Part(absl::string_view data, uint64_t offset, uint64_t size) {
  if (offset > data.size() || size > data.size() - offset) return std::nullopt;
  return data.substr(offset, size);
}

std::optional<absl::string_view> Payload(absl::string_view image) {
  if (image.size() < kHeaderEnd || !absl::StartsWith(image.substr(kMagic), "HdrS") ||
      Load<uint16_t>(image, kVersion) < kFirstVersionWithPayload) {
    return std::nullopt;
  }
  uint64_t sectors = Load<uint8_t>(image, kSetupSectors);
  if (sectors == 0) sectors = 4;
  return Part(image, (sectors + 1) * kSector + Load<uint32_t>(image, kPayloadOffset),
              Load<uint32_t>(image, kPayloadLength));
}

size_t RoundUp4(size_t n) { return (n + 3) & ~size_t{3}; }

bool HasPvhNote(absl::string_view notes) {
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    const auto header = Load<Elf64_Nhdr>(notes, 0);
    notes.remove_prefix(sizeof header);
    const size_t name = RoundUp4(header.n_namesz), content = RoundUp4(header.n_descsz);
    if (name > notes.size() || content > notes.size() - name) return false;
    if (header.n_type == kPhys32Entry && header.n_namesz == sizeof kXen &&
        notes.substr(0, sizeof kXen) == absl::string_view(kXen, sizeof kXen)) {
      return true;
    }
    notes.remove_prefix(name + content);
  }
  return false;
}

}  // namespace

bool HasPvhEntry(absl::string_view elf) {
  if (elf.size() < sizeof(Elf64_Ehdr) || !absl::StartsWith(elf, ELFMAG)) return false;
  const auto header = Load<Elf64_Ehdr>(elf, 0);
  if (header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(Elf64_Phdr)) return false;
  const auto table = Part(elf, header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr));
  if (!table) return false;
  bool found = false;
  for (int i = 0; i < header.e_phnum; ++i) {
    const auto program = Load<Elf64_Phdr>(*table, i * sizeof(Elf64_Phdr));
    const auto content = Part(elf, program.p_offset, program.p_filesz);
    if (!content) return false;
    found |= program.p_type == PT_NOTE && HasPvhNote(*content);
  }
  return found;
}

absl::StatusOr<std::string> Decompress(absl::string_view packed, size_t limit) {
  Archive reader(archive_read_new(), archive_read_free);
  archive_read_support_filter_all(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_entry* entry;
  const auto failure = [&] {
    const char* why = archive_error_string(reader.get());
    return absl::DataLossError(absl::StrCat("cannot decompress: ", why == nullptr ? "?" : why));
  };
  if (archive_read_open_memory(reader.get(), packed.data(), packed.size()) != ARCHIVE_OK ||
      archive_read_next_header(reader.get(), &entry) != ARCHIVE_OK) {
    return failure();
  }
  std::string content;
  auto buffer = std::make_unique<char[]>(1 << 20);
  la_ssize_t n;
  while ((n = archive_read_data(reader.get(), buffer.get(), 1 << 20)) > 0) {
    if (content.size() + n > limit) return absl::ResourceExhaustedError("it is too large unpacked");
    content.append(buffer.get(), n);
  }
  if (n < 0) return failure();
  return content;
}

absl::StatusOr<std::string> UnpackKernel(absl::string_view bzimage) {
  std::optional<absl::string_view> payload = Payload(bzimage);
  if (!payload) return absl::FailedPreconditionError("it is no bzImage");
  // Its unpacked size follows, in 4 bytes, except where the format has it anyway.
  const bool gzip = absl::StartsWith(*payload, "\x1f\x8b");
  if (!gzip) payload->remove_suffix(std::min<size_t>(4, payload->size()));
  auto kernel = Decompress(*payload, kMaxKernel);
  if (kernel.ok() && HasPvhEntry(*kernel)) return kernel;
  return absl::FailedPreconditionError("it can't be booted unpacked");
}

}  // namespace vx::libvirt
