// The folder in which libvirt's embedded QEMU driver lives.
//
//   RUNTIME/embed/etc/qemu.conf   ours
//   RUNTIME/embed/cache           a link to where what it found out about QEMU is kept
//   RUNTIME/embed/run/qemu        pid files
//   RUNTIME/embed/lib/qemu        monitor sockets, in folders "domain-N-DOMAIN"
//   RUNTIME/embed/log/qemu        what QEMU says, a file a domain
#pragma once

#include <string>

#include "absl/status/status.h"

namespace vx::libvirt {

// Makes the folder ready. FAILED_PRECONDITION (PATH_TOO_LONG) when sockets in it
// could not be bound.
absl::Status PrepareEmbedRoot(const std::string& root, const std::string& cache_dir);

// "qemu:///embed" with the root; any other uri as it is.
std::string ConnectionUri(const std::string& uri, const std::string& embed_root);

bool IsEmbedded(const std::string& uri);

// Where QEMU's pid files are.
std::string PidFolder(const std::string& uri, const std::string& embed_root);

std::string EmbedLibraryDir(const std::string& embed_root);

// Removes what libvirt keeps of a domain for good, QEMU's own words, and what it did
// not come to remove, as when it is not there any more.
absl::Status RemoveDomainFiles(const std::string& embed_root, const std::string& domain);

}  // namespace vx::libvirt
