#include "daemon/image/builtin.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/digest.h"

namespace vx::image {
namespace {

constexpr char kSuffix[] = ".tar";

// What is remembered of an archive: its digest and that of the image it held.
struct Mark {
  std::string archive;
  std::string image;
};

Mark ReadMark(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return {};
  std::pair<std::string, std::string> parts = absl::StrSplit(*text, absl::MaxSplits('\n', 1));
  return {parts.first, parts.second};
}

absl::Status WriteMark(const std::string& path, const Mark& mark) {
  return WriteFileAtomic(path, absl::StrCat(mark.archive, "\n", mark.image), 0600);
}

absl::Status ImportOne(ImageStore& store, const std::string& archive, const std::string& name) {
  std::string marks = store.dir() + "/builtin";
  VX_RETURN_IF_ERROR(MakeDirs(marks, 0700));
  std::string path = absl::StrCat(marks, "/", name);
  Mark mark = ReadMark(path);
  VX_ASSIGN_OR_RETURN(std::string digest, DigestOfFile(archive));
  if (mark.archive == digest) return absl::OkStatus();
  absl::StatusOr<v1::Image> there = store.Get(name);
  if (there.ok() && there->digest() != mark.image) {
    return WriteMark(path, {digest, mark.image});  // a user's own
  }
  VX_ASSIGN_OR_RETURN(v1::Image image, store.Import(archive, name));
  return WriteMark(path, {digest, image.digest()});
}

}  // namespace

absl::Status ImportBuiltins(ImageStore& store, const std::string& images_dir) {
  if (!PathExists(images_dir)) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(std::vector<std::string> files, ListDir(images_dir));
  absl::Status first;
  for (const std::string& file : files) {
    if (!absl::EndsWith(file, kSuffix)) continue;
    std::string name(absl::StripSuffix(file, kSuffix));
    absl::Status status = ImportOne(store, absl::StrCat(images_dir, "/", file), name);
    first.Update(Annotate(status, absl::StrCat("built-in image ", name)));
  }
  return first;
}

}  // namespace vx::image
