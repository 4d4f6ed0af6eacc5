// What a connection calls: one stub for each of the daemon's services.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "client/lib/connection.h"
#include "vx/v1/event_service.grpc.pb.h"
#include "vx/v1/image_service.grpc.pb.h"
#include "vx/v1/network_service.grpc.pb.h"
#include "vx/v1/operation_service.grpc.pb.h"
#include "vx/v1/system_service.grpc.pb.h"
#include "vx/v1/volume_service.grpc.pb.h"
#include "vx/v1/workload_service.grpc.pb.h"

namespace vx::client {

struct Connection::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : workloads(channel),
        operations(channel),
        events(channel),
        images(channel),
        networks(channel),
        volumes(channel),
        system(channel) {}

  v1::WorkloadService::Stub workloads;
  v1::OperationService::Stub operations;
  v1::EventService::Stub events;
  v1::ImageService::Stub images;
  v1::NetworkService::Stub networks;
  v1::VolumeService::Stub volumes;
  v1::SystemService::Stub system;
};

}  // namespace vx::client
