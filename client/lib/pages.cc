#include "client/lib/pages.h"

#include <algorithm>

#include "daemon/base/status_macros.h"

namespace vx::client {
namespace {

constexpr int kPage = 1000;

template <typename Items, typename Item>
void Append(Items* items, std::vector<Item>* all) {
  for (Item& item : *items) all->push_back(std::move(item));
}

}  // namespace

absl::StatusOr<std::vector<v1::Workload>> ListAllWorkloads(
    Connection& connection, const std::vector<std::string>& filters) {
  v1::ListWorkloadsRequest request;
  request.set_page_size(kPage);
  for (const std::string& filter : filters) request.add_filters(filter);
  std::vector<v1::Workload> all;
  do {
    VX_ASSIGN_OR_RETURN(auto page, connection.ListWorkloads(request));
    Append(page.mutable_workloads(), &all);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<std::vector<v1::Operation>> ListOperations(Connection& connection,
                                                          const std::string& workload, int limit) {
  v1::ListOperationsRequest request;
  request.set_workload(workload);
  std::vector<v1::Operation> all;
  do {
    request.set_page_size(std::min(kPage, limit - static_cast<int>(all.size())));
    VX_ASSIGN_OR_RETURN(auto page, connection.ListOperations(request));
    Append(page.mutable_operations(), &all);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && static_cast<int>(all.size()) < limit);
  return all;
}

absl::StatusOr<std::vector<v1::Image>> ListAllImages(Connection& connection) {
  v1::ListImagesRequest request;
  request.set_page_size(kPage);
  std::vector<v1::Image> all;
  do {
    VX_ASSIGN_OR_RETURN(auto page, connection.ListImages(request));
    Append(page.mutable_images(), &all);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<std::vector<v1::Network>> ListAllNetworks(Connection& connection) {
  v1::ListNetworksRequest request;
  request.set_page_size(kPage);
  std::vector<v1::Network> all;
  do {
    VX_ASSIGN_OR_RETURN(auto page, connection.ListNetworks(request));
    Append(page.mutable_networks(), &all);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

absl::StatusOr<std::vector<v1::Volume>> ListAllVolumes(Connection& connection,
                                                       const std::vector<std::string>& filters) {
  v1::ListVolumesRequest request;
  request.set_page_size(kPage);
  for (const std::string& filter : filters) request.add_filters(filter);
  std::vector<v1::Volume> all;
  do {
    VX_ASSIGN_OR_RETURN(auto page, connection.ListVolumes(request));
    Append(page.mutable_volumes(), &all);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return all;
}

}  // namespace vx::client
