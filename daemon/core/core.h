// All of core, wired: what the services call.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "daemon/base/work_pool.h"
#include "daemon/core/driver_set.h"
#include "daemon/core/event_hub.h"
#include "daemon/core/images.h"
#include "daemon/core/inventory.h"
#include "daemon/core/networks.h"
#include "daemon/core/operations.h"
#include "daemon/core/sampler.h"
#include "daemon/core/volumes.h"
#include "daemon/core/workloads.h"
#include "daemon/image/image_store.h"
#include "daemon/store/store.h"

namespace vx::core {

// Thread-safe. `store` and `images` outlive it.
class Core {
 public:
  Core(store::Store& store, image::ImageStore& images, int workers, NetworkOptions networks = {});
  // Waits for what runs.
  ~Core();

  // Before Start.
  DriverSet& drivers() { return drivers_; }
  Volumes& volumes() { return volumes_; }

  // Begins to probe the drivers and to reconcile, each in a thread of its own;
  // returns at once. With `booted` what is to start with the host is started then.
  absl::Status Start(bool booted = false);

  // Waits until every driver is known to be usable or not, or Close.
  void AwaitDrivers() const { drivers_.AwaitAll(); }

  // Refuses new operations and lets go of whoever waits for a driver. What runs
  // goes on; the destructor waits for it.
  void Close();

  store::Store& store() { return store_; }
  EventHub& events() { return events_; }
  Operations& operations() { return operations_; }
  Workloads& workloads() { return workloads_; }
  Sampler& sampler() { return sampler_; }
  Images& images() { return images_; }
  Inventory& inventory() { return inventory_; }
  Networks& networks() { return networks_; }

 private:
  void BringUp(driver::Driver& driver, bool booted);
  // Finds out what of the driver's is on the host, and puts the store right.
  absl::Status TakeOver(driver::Driver& driver);

  store::Store& store_;
  EventHub events_;
  DriverSet drivers_;
  std::unique_ptr<WorkPool> pool_;
  Operations operations_;
  Networks networks_;
  Volumes volumes_;
  Workloads workloads_;
  Sampler sampler_;
  Images images_;
  Inventory inventory_;
  std::vector<std::thread> bring_up_;
};

}  // namespace vx::core
