// The driver under test, loaded from its module as vxd does it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/driver/driver.h"
#include "daemon/image/image_store.h"
#include "tests/contract/libvirtd.h"
#include "tests/contract/observations.h"

namespace vx::contract {

// From the command line; see main.cc.
struct Settings {
  std::string driver;
  std::string module;
  std::string bin_dir;
  std::string image;        // oci-archive of busybox; the fake needs none
  std::string embed_cache;  // libvirt's probe results, kept between runs
  std::string uri;          // of libvirt; one of a libvirtd is started for it
  std::string work_dir;     // where the driver's folders are made; short
  // A child of a recovery test does one part of it, named as its test is.
  std::string half;
  std::string delay_ms;  // of the part "dies"
};

// One for each process.
class Subject {
 public:
  // What the tests use; set by main before any test runs.
  static Subject& Get();
  static void Set(std::unique_ptr<Subject> subject);

  explicit Subject(Settings settings);
  ~Subject();

  // Makes the folders, opens the images, loads the module.
  absl::Status Open();
  // Destroys the driver.
  void Close();

  driver::Driver& driver() { return *driver_; }
  Observations& observations() { return observations_; }
  const Settings& settings() const { return settings_; }
  const driver::Environment& environment() const { return environment_; }

  // The one that the driver uses; null where it uses none.
  Libvirtd* libvirtd() { return libvirtd_.get(); }
  void SetLibvirtd(std::unique_ptr<Libvirtd> libvirtd) { libvirtd_ = std::move(libvirtd); }

  // Runs an image, rather than pretending to.
  bool real() const { return settings_.driver != "fake"; }
  bool vm() const { return driver_->kind() == v1::KIND_VM; }
  // How many workloads run at once where many shall.
  int crowd() const { return vm() ? 3 : 8; }
  // For what must happen in the end; generous, as nothing waits for it to pass.
  absl::Duration patience() const { return absl::Seconds(vm() ? 90 : 30); }

  // The base of the test image, leased to `uid`.
  absl::StatusOr<driver::Base> AcquireBase(const std::string& uid);
  absl::Status ReleaseBase(const std::string& uid);

 private:
  absl::Status OpenImages();

  const Settings settings_;
  driver::Environment environment_;
  std::unique_ptr<image::ImageStore> images_;
  Observations observations_;
  std::unique_ptr<Libvirtd> libvirtd_;
  std::unique_ptr<driver::Driver> driver_;
};

}  // namespace vx::contract
