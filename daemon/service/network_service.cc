#include "daemon/service/network_service.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/service/paging.h"

namespace vx::service {
grpc::ServerUnaryReactor* NetworkService::CreateNetwork(Call* call,
                                                        const v1::CreateNetworkRequest* request,
                                                        v1::CreateNetworkResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.networks().Create(request->network(), KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* NetworkService::GetNetwork(Call* call,
                                                     const v1::GetNetworkRequest* request,
                                                     v1::GetNetworkResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(*response->mutable_network(),
                        context_.core.networks().Get(request->name()));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* NetworkService::ListNetworks(Call* call,
                                                       const v1::ListNetworksRequest* request,
                                                       v1::ListNetworksResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(PageRequest page, ParsePage(*request));
    VX_ASSIGN_OR_RETURN(std::vector<v1::Network> networks, context_.core.networks().List());
    const int64_t count = static_cast<int64_t>(networks.size());
    const int64_t end = std::min<int64_t>(count, page.key + page.size);
    for (int64_t i = page.key; i < end; ++i) *response->add_networks() = std::move(networks[i]);
    response->set_next_page_token(PageToken(end < count ? end : 0));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* NetworkService::DeleteNetwork(Call* call,
                                                        const v1::DeleteNetworkRequest* request,
                                                        v1::DeleteNetworkResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.networks().Delete(request->name(), KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* NetworkService::ConnectNetwork(Call* call,
                                                         const v1::ConnectNetworkRequest* request,
                                                         v1::ConnectNetworkResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.workloads().Connect(request->workload(), request->network(),
                                                    request->address(), KeyOf(caller, *request)),
                  response);
  });
}

grpc::ServerUnaryReactor* NetworkService::DisconnectNetwork(
    Call* call, const v1::DisconnectNetworkRequest* request,
    v1::DisconnectNetworkResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller& caller) {
    return Answer(context_.core.workloads().Disconnect(request->workload(), request->network(),
                                                       KeyOf(caller, *request)),
                  response);
  });
}

}  // namespace vx::service
