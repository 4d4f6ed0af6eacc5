#include "daemon/core/core.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"

namespace vx::core {
namespace {

constexpr absl::Duration kSettleTimeout = absl::Seconds(30);

}  // namespace

Core::Core(store::Store& store, image::ImageStore& images, int workers, NetworkOptions networks)
    : store_(store),
      pool_(std::make_unique<WorkPool>("vx-work", workers)),
      operations_(store, *pool_),
      networks_(store, operations_, std::move(networks)),
      volumes_(store, operations_),
      workloads_(store, operations_, drivers_, images, networks_, volumes_),
      sampler_(drivers_),
      images_(store, operations_, images),
      inventory_(store) {
  store_.OnEvents([this](const std::vector<v1::Event>& events) { events_.Publish(events); });
}

Core::~Core() {
  Close();
  for (std::thread& thread : bring_up_) thread.join();
  for (driver::Driver* driver : drivers_.Loaded()) driver->SetObserver(nullptr);
  // Its tasks use all the rest.
  pool_.reset();
}

absl::Status Core::Start(bool booted) {
  volumes_.Reconcile();
  VX_RETURN_IF_ERROR(workloads_.NoteInterrupted());
  for (const v1::DriverInfo& info : drivers_.Infos()) {
    if (info.state() != v1::DRIVER_STATE_UNAVAILABLE) continue;
    workloads_.AbortInterrupted(info.kind(), info.reason());
  }
  for (driver::Driver* driver : drivers_.Loaded()) {
    bring_up_.emplace_back([this, driver, booted] { BringUp(*driver, booted); });
  }
  bring_up_.emplace_back([this] { networks_.Restore().IgnoreError(); });
  workloads_.SweepLater();
  return absl::OkStatus();
}

void Core::BringUp(driver::Driver& driver, bool booted) {
  v1::DriverInfo info = driver.Probe();
  // What runs is looked after even where no more can be run.
  if (absl::Status status = TakeOver(driver); !status.ok()) {
    spdlog::error("driver={}: {}", info.name(), status.ToString());
    if (info.state() == v1::DRIVER_STATE_READY) info.set_reason(std::string(status.message()));
    info.set_state(v1::DRIVER_STATE_UNAVAILABLE);
    workloads_.AbortInterrupted(driver.kind(), info.reason());
  }
  if (info.state() != v1::DRIVER_STATE_READY) {
    spdlog::warn("driver={} can't be used: {}", info.name(), info.reason());
  } else {
    spdlog::info("driver={} ready", info.name());
  }
  if (booted) workloads_.Autostart(driver.kind());
  drivers_.SetInfo(driver.kind(), info);
}

absl::Status Core::TakeOver(driver::Driver& driver) {
  VX_RETURN_IF_ERROR(driver.WaitSettled(kSettleTimeout));
  driver.SetObserver([this](const driver::Observation& seen) { workloads_.OnObservation(seen); });
  return workloads_.Reconcile(driver);
}

void Core::Close() {
  operations_.Close();
  images_.Close();
  drivers_.Close();
}

}  // namespace vx::core
