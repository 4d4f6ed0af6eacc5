// Images: what changes them, as operations. Reading goes to the store at once.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/core/operations.h"
#include "daemon/image/image_store.h"
#include "daemon/registry/auth.h"
#include "daemon/registry/options.h"
#include "daemon/store/store.h"

namespace vx::core {

// Pulls and pushes that run at once; more of them wait.
inline constexpr int kTransfers = 8;

// Thread-safe.
class Images {
 public:
  Images(store::Store& store, Operations& operations, image::ImageStore& images)
      : store_(store), operations_(operations), images_(images) {}

  // Ends transfers that run: ABORTED (STOPPED).
  void Close() { closing_.Cancel(); }

  // Before the first call: how registries are dealt with.
  void UseRegistries(registry::Options options) { registries_ = std::move(options); }

  // Imports the archive at `path`, which it removes in any case. `name` may be
  // empty.
  absl::StatusOr<v1::Operation> Import(const std::string& path, const std::string& name,
                                       const RequestKey& request);
  // Fetches an image; `platform` may be empty. Pulls of one image take turns, so that the
  // second finds what the first has fetched; those of others run beside each other.
  absl::StatusOr<v1::Operation> Pull(const std::string& reference, const std::string& platform,
                                     const registry::Credentials& credentials,
                                     const RequestKey& request);
  // Sends an image; `reference` empty: to where its name says.
  absl::StatusOr<v1::Operation> Push(const std::string& name, const std::string& reference,
                                     const registry::Credentials& credentials,
                                     const RequestKey& request);
  absl::StatusOr<v1::Operation> Tag(const std::string& name, const std::string& new_name,
                                    const RequestKey& request);
  // With `all` also images that no workload was made from, but for those that came with vx.
  absl::StatusOr<v1::Operation> Prune(bool all, const RequestKey& request);
  // With the workloads made from it.
  absl::StatusOr<v1::Image> Get(const std::string& name) const;
  // Whether the registry takes the credentials; blocks.
  absl::Status CheckLogin(const std::string& registry,
                          const registry::Credentials& credentials) const;
  // FAILED_PRECONDITION (IMAGE_IN_USE) names the workloads.
  absl::StatusOr<v1::Operation> Delete(const std::string& name, const RequestKey& request);

  // The whole name of an image: "busybox" -> "busybox:latest".
  static absl::StatusOr<std::string> FullName(const std::string& name) {
    return image::NormalizeName(name);
  }

  image::ImageStore& store() { return images_; }

 private:
  absl::Status RemoveUnused(OperationRun& run, int& removed);
  // A body that Close ends.
  std::function<absl::Status(OperationRun&)> UntilClosed(
      std::function<absl::Status(OperationRun&)> body);

  store::Store& store_;
  Operations& operations_;
  image::ImageStore& images_;
  registry::Options registries_;
  Cancellation closing_;
  // Transfers wait for others' machines: what is here does not wait for them.
  WorkPool transfers_{"vx-transfer", kTransfers};
};

}  // namespace vx::core
