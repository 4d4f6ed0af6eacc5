// Linux's bzImage, and the ELF kernel packed in it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vx::libvirt {

// The uncompressed kernel inside a bzImage (Documentation/arch/x86/boot.rst), when
// it can be booted as it is, by its PVH entry. Booted so, an emulated guest is
// spared the unpacking. FAILED_PRECONDITION when it can't.
absl::StatusOr<std::string> UnpackKernel(absl::string_view bzimage);

// Whether QEMU can boot an ELF file: x86-64, segments that are all there, and a
// note with the PVH entry.
bool HasPvhEntry(absl::string_view elf);

// Decompresses what libarchive knows: gzip, xz, zstd, lz4, bzip2, lzma.
// DATA_LOSS; RESOURCE_EXHAUSTED for more than `limit` bytes.
absl::StatusOr<std::string> Decompress(absl::string_view packed, size_t limit);

}  // namespace vx::libvirt
