#include "tests/system/chaos/fake_load.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "client/lib/operation.h"
#include "daemon/base/status_macros.h"
#include "gtest/gtest.h"

namespace vx::system_test {
namespace {

constexpr int kWorkloadsOfUser = 16;
// vxd remembers 1000, and those of other users come in between.
constexpr size_t kRemembered = 800;
constexpr int64_t kMiB = 1 << 20;

template <typename Response>
absl::StatusOr<v1::Operation> OperationOf(absl::StatusOr<Response> response) {
  VX_RETURN_IF_ERROR(response.status());
  return response->operation();
}

template <typename Request>
Request For(const std::string& name) {
  Request request;
  request.set_name(name);
  return request;
}

v1::CreateWorkloadRequest CreateRequest(const std::string& name, int64_t memory_bytes) {
  v1::CreateWorkloadRequest request;
  v1::Workload* workload = request.mutable_workload();
  workload->set_name(name);
  workload->set_kind(v1::KIND_CONTAINER);
  workload->mutable_spec()->set_image("busybox");
  workload->mutable_spec()->add_command("sleep");
  workload->mutable_spec()->add_command("infinity");
  workload->mutable_spec()->mutable_resources()->set_memory_bytes(memory_bytes);
  return request;
}

v1::UpdateWorkloadRequest UpdateRequest(const std::string& name, int64_t memory_bytes) {
  v1::UpdateWorkloadRequest request;
  request.mutable_workload()->set_name(name);
  request.mutable_workload()->mutable_spec()->mutable_resources()->set_memory_bytes(memory_bytes);
  request.mutable_update_mask()->add_paths("spec.resources.memory_bytes");
  return request;
}

}  // namespace

FakeLoad::FakeLoad(const std::string& socket, uint64_t seed, int users) : gate_(users) {
  for (int i = 0; i < users; ++i) {
    const std::string user = absl::StrCat("u", i);
    threads_.emplace_back([=, this] { Use(socket, Dice(seed, user), user); });
  }
}

FakeLoad::~FakeLoad() {
  gate_.Close();
  for (std::thread& thread : threads_) thread.join();
}

void FakeLoad::Use(const std::string& socket, Dice dice, const std::string& user) {
  auto target = client::ParseTarget("unix://" + socket);
  ASSERT_TRUE(target.ok());
  auto connection = client::Connection::Open(*target);
  ASSERT_TRUE(connection.ok()) << connection.status();
  bool well = true;
  while (gate_.Pass() && well) {
    const std::string name = absl::StrCat(user, "-", dice.Below(kWorkloadsOfUser));
    well = Change(**connection, dice, name);
  }
}

bool FakeLoad::Change(client::Connection& connection, Dice& dice, const std::string& name) {
  Told::Workload workload;
  {
    absl::MutexLock lock(&mutex_);
    if (auto it = told_.workloads.find(name); it != told_.workloads.end()) workload = it->second;
    told_.workloads.erase(name);
  }
  Begun operation = Begin(connection, dice, name, workload);
  if (operation.ok()) {
    Note(*operation);
    operation = client::FollowOperation(connection, *operation);
  }
  if (operation.ok()) Note(*operation);
  if (!operation.ok() || operation->state() != v1::OPERATION_STATE_DONE) {
    ADD_FAILURE() << name << ": " << operation.status() << " "
                  << (operation.ok() ? operation->DebugString() : "");
    return false;
  }
  absl::MutexLock lock(&mutex_);
  ++changes_;
  told_.workloads[name] = workload;
  return true;
}

FakeLoad::Begun FakeLoad::Begin(client::Connection& connection, Dice& dice, const std::string& name,
                                Told::Workload& workload) {
  const int choice = dice.Below(6);
  const int64_t memory = (64 + dice.Below(1000)) * kMiB;
  if (workload.state == v1::STATE_UNSPECIFIED) {
    v1::CreateWorkloadRequest request = CreateRequest(name, memory);
    request.set_start(choice < 3);
    workload = {request.start() ? v1::STATE_RUNNING : v1::STATE_STOPPED, memory};
    return OperationOf(connection.CreateWorkload(request));
  }
  if (choice == 0) {
    auto request = For<v1::DeleteWorkloadRequest>(name);
    request.set_force(true);
    workload = {};
    return OperationOf(connection.DeleteWorkload(request));
  }
  if (choice < 3) {
    workload.memory_bytes = memory;
    return OperationOf(connection.UpdateWorkload(UpdateRequest(name, memory)));
  }
  if (workload.state == v1::STATE_STOPPED) {
    workload.state = v1::STATE_RUNNING;
    return OperationOf(connection.StartWorkload(For<v1::StartWorkloadRequest>(name)));
  }
  auto request = For<v1::StopWorkloadRequest>(name);
  request.mutable_grace()->set_seconds(0);
  workload.state = v1::STATE_STOPPED;
  return OperationOf(connection.StopWorkload(request));
}

void FakeLoad::Note(const v1::Operation& operation) {
  absl::MutexLock lock(&mutex_);
  auto same = [&](const v1::Operation& other) { return other.id() == operation.id(); };
  auto it = std::find_if(told_.operations.rbegin(), told_.operations.rend(), same);
  if (it != told_.operations.rend()) {
    *it = operation;
    return;
  }
  told_.operations.push_back(operation);
  if (told_.operations.size() > kRemembered) told_.operations.pop_front();
}

Told FakeLoad::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  return told_;
}

int FakeLoad::changes() const {
  absl::MutexLock lock(&mutex_);
  return changes_;
}

}  // namespace vx::system_test
