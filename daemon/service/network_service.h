// The host's networks: authorise, one call of core, translate.
#pragma once

#include "daemon/service/unary.h"
#include "vx/v1/network_service.grpc.pb.h"

namespace vx::service {

class NetworkService final : public v1::NetworkService::CallbackService {
 public:
  using Call = grpc::CallbackServerContext;

  explicit NetworkService(const Context& context) : context_(context) {}

  grpc::ServerUnaryReactor* CreateNetwork(Call* call, const v1::CreateNetworkRequest* request,
                                          v1::CreateNetworkResponse* response) override;
  grpc::ServerUnaryReactor* GetNetwork(Call* call, const v1::GetNetworkRequest* request,
                                       v1::GetNetworkResponse* response) override;
  grpc::ServerUnaryReactor* ListNetworks(Call* call, const v1::ListNetworksRequest* request,
                                         v1::ListNetworksResponse* response) override;
  grpc::ServerUnaryReactor* DeleteNetwork(Call* call, const v1::DeleteNetworkRequest* request,
                                          v1::DeleteNetworkResponse* response) override;
  // Not yet: UNIMPLEMENTED with what to do instead.
  grpc::ServerUnaryReactor* ConnectNetwork(Call* call, const v1::ConnectNetworkRequest* request,
                                           v1::ConnectNetworkResponse* response) override;
  grpc::ServerUnaryReactor* DisconnectNetwork(Call* call,
                                              const v1::DisconnectNetworkRequest* request,
                                              v1::DisconnectNetworkResponse* response) override;

 private:
  const Context& context_;
};

}  // namespace vx::service
