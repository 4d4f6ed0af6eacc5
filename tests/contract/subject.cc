#include "tests/contract/subject.h"

#include <utility>

#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "daemon/driver/loader.h"

namespace vx::contract {
namespace {

constexpr char kImage[] = "busybox";
std::unique_ptr<Subject> the_subject;

// The two halves of a recovery test are one instance.
absl::StatusOr<std::string> InstanceId(const std::string& file) {
  auto known = ReadFile(file);
  if (known.ok()) return known;
  const std::string id = RandomHex(8);
  VX_RETURN_IF_ERROR(WriteFileAtomic(file, id, 0600));
  return id;
}

}  // namespace

Subject& Subject::Get() { return *the_subject; }
void Subject::Set(std::unique_ptr<Subject> subject) { the_subject = std::move(subject); }

Subject::Subject(Settings settings) : settings_(std::move(settings)) {}
Subject::~Subject() { Close(); }

absl::Status Subject::Open() {
  environment_.state_dir = settings_.work_dir + "/s";
  environment_.runtime_dir = settings_.work_dir + "/r";
  environment_.bin_dir = settings_.bin_dir;
  VX_RETURN_IF_ERROR(MakeDirs(environment_.state_dir, 0700));
  VX_RETURN_IF_ERROR(MakeDirs(environment_.runtime_dir, 0700));
  if (!settings_.uri.empty()) environment_.options["vm.uri"] = settings_.uri;
  if (!settings_.embed_cache.empty()) {
    environment_.options["vm.embed_cache"] = settings_.embed_cache;
  }
  VX_ASSIGN_OR_RETURN(environment_.instance_id, InstanceId(settings_.work_dir + "/instance"));
  if (real()) VX_RETURN_IF_ERROR(OpenImages());
  VX_ASSIGN_OR_RETURN(driver_, driver::LoadDriver(settings_.module, environment_));
  return absl::OkStatus();
}

void Subject::Close() {
  if (driver_ != nullptr) driver_->SetObserver(nullptr);
  driver_.reset();
}

absl::Status Subject::OpenImages() {
  VX_ASSIGN_OR_RETURN(images_, image::ImageStore::Open(settings_.work_dir + "/i", image::Limits()));
  if (images_->Get(kImage).ok()) return absl::OkStatus();
  return images_->Import(settings_.image, kImage).status();
}

absl::StatusOr<driver::Base> Subject::AcquireBase(const std::string& uid) {
  if (!real()) return driver::Base();
  const bool disk = driver_->base_form() == driver::BaseForm::kDisk;
  VX_ASSIGN_OR_RETURN(
      image::Base base,
      images_->Acquire(kImage, disk ? image::Form::kDisk : image::Form::kLayers, uid));
  return driver::Base{base.digest, base.layers, base.disk, base.config};
}

absl::Status Subject::ReleaseBase(const std::string& uid) {
  return real() ? images_->Release(uid) : absl::OkStatus();
}

}  // namespace vx::contract
