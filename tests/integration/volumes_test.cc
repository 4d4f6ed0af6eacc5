// Volumes and those that have them, by the fake driver.
#include "daemon/base/file.h"
#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class VolumesTest : public DaemonTest {
 protected:
  VolumesTest() { StartDaemon(); }

  grpc::Status Make(const v1::Volume& volume, const std::string& request_id = "",
                    v1::Operation* ended = nullptr) {
    grpc::ClientContext context;
    v1::CreateVolumeRequest request;
    v1::CreateVolumeResponse response;
    *request.mutable_volume() = volume;
    request.set_request_id(request_id);
    grpc::Status status = volumes().CreateVolume(&context, request, &response);
    if (!status.ok()) return status;
    const v1::Operation operation = Wait(response.operation());
    EXPECT_EQ(operation.state(), v1::OPERATION_STATE_DONE) << operation.DebugString();
    if (ended != nullptr) *ended = operation;
    return status;
  }
  grpc::Status Make(const std::string& name) {
    v1::Volume volume;
    volume.set_name(name);
    return Make(volume);
  }

  grpc::Status Remove(const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteVolumeRequest request;
    v1::DeleteVolumeResponse response;
    request.set_name(name);
    grpc::Status status = volumes().DeleteVolume(&context, request, &response);
    if (status.ok()) {
      EXPECT_EQ(Wait(response.operation()).state(), v1::OPERATION_STATE_DONE);
    }
    return status;
  }

  // What it says it did.
  std::string Prune(const std::vector<std::string>& filters = {}) {
    grpc::ClientContext context;
    v1::PruneVolumesRequest request;
    v1::PruneVolumesResponse response;
    for (const std::string& filter : filters) request.add_filters(filter);
    EXPECT_TRUE(volumes().PruneVolumes(&context, request, &response).ok());
    const v1::Operation operation = Wait(response.operation());
    EXPECT_EQ(operation.state(), v1::OPERATION_STATE_DONE) << operation.DebugString();
    return operation.result();
  }

  grpc::Status Find(const std::string& name, v1::Volume* volume) {
    grpc::ClientContext context;
    v1::GetVolumeRequest request;
    v1::GetVolumeResponse response;
    request.set_name(name);
    grpc::Status status = volumes().GetVolume(&context, request, &response);
    *volume = response.volume();
    return status;
  }

  std::vector<std::string> Names(const std::vector<std::string>& filters = {}) {
    grpc::ClientContext context;
    v1::ListVolumesRequest request;
    v1::ListVolumesResponse response;
    for (const std::string& filter : filters) request.add_filters(filter);
    EXPECT_TRUE(volumes().ListVolumes(&context, request, &response).ok());
    std::vector<std::string> names;
    for (const v1::Volume& volume : response.volumes()) names.push_back(volume.name());
    return names;
  }

  // Of one that mounts `source`.
  grpc::Status CreateWith(const std::string& name, const std::string& source) {
    v1::Workload workload = Spec(name, {"true"});
    v1::Mount* mount = workload.mutable_spec()->add_mounts();
    mount->set_source(source);
    mount->set_target("/data");
    v1::CreateWorkloadResponse response;
    grpc::Status status = Create(workload, response);
    if (status.ok()) Wait(response.operation());
    return status;
  }

  // Leaves a row as a vxd does that is killed at that stage.
  void PutRow(const std::string& name, const std::string& uid, store::VolumeStage stage) {
    store::VolumeRecord record{.stage = stage};
    record.volume.set_name(name);
    record.volume.set_uid(uid);
    record.volume.mutable_spec()->set_backend("dir");
    auto tx = store().Begin(store::Durability::kPromise);
    ASSERT_TRUE(tx.ok());
    ASSERT_TRUE(tx->PutVolume(record).ok());
    ASSERT_TRUE(tx->Commit().ok());
  }

  std::vector<std::string> Folders() { return *ListDir(dir() + "/volumes"); }
};

TEST_F(VolumesTest, AVolumeIsMadeShownAndRemoved) {
  v1::Volume wanted;
  wanted.set_name("data");
  (*wanted.mutable_labels())["project"] = "x";
  ASSERT_TRUE(Make(wanted).ok());
  v1::Volume volume;
  ASSERT_TRUE(Find("data", &volume).ok());
  EXPECT_EQ(volume.uid().size(), 32u);
  EXPECT_EQ(volume.spec().type(), v1::VOLUME_TYPE_DIRECTORY);
  EXPECT_EQ(volume.spec().backend(), "dir");
  EXPECT_EQ(volume.status().used_bytes(), 0);
  EXPECT_TRUE(PathExists(volume.status().path()));
  EXPECT_THAT(Names({"label=project=x"}), ElementsAre("data"));
  ASSERT_TRUE(Remove("data").ok());
  EXPECT_EQ(Reason(Find("data", &volume)), "VOLUME_NOT_FOUND");
  EXPECT_THAT(Folders(), IsEmpty());
}

TEST_F(VolumesTest, ANameIsTakenOnceAndARepeatedRequestIsTheSame) {
  ASSERT_TRUE(Make("data").ok());
  EXPECT_EQ(Reason(Make("data")), "NAME_TAKEN");
  v1::Volume wanted;
  wanted.set_name("other");
  v1::Operation first, second;
  ASSERT_TRUE(Make(wanted, "key", &first).ok());
  ASSERT_TRUE(Make(wanted, "key", &second).ok());
  EXPECT_EQ(first.id(), second.id());
  EXPECT_THAT(Names(), ElementsAre("data", "other"));
}

TEST_F(VolumesTest, WhatMakesNoSenseIsNamed) {
  v1::Volume bad;
  bad.set_name("../x");
  bad.mutable_spec()->set_size_bytes(-1);
  bad.mutable_spec()->set_format("raw");
  EXPECT_THAT(Fields(Make(bad)),
              testing::UnorderedElementsAre("volume.name", "volume.spec.size_bytes",
                                            "volume.spec.format"));
  v1::Volume unknown;
  unknown.mutable_spec()->set_backend("zfs");
  EXPECT_THAT(Fields(Make(unknown)), ElementsAre("volume.spec.backend"));
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_THAT(Folders(), IsEmpty());
}

TEST_F(VolumesTest, AWorkloadsVolumeIsMadeWithItAndStaysAfterIt) {
  ASSERT_TRUE(CreateWith("web", "data").ok());
  EXPECT_THAT(Names({"used=true"}), ElementsAre("data"));
  v1::Volume volume;
  ASSERT_TRUE(Find("data", &volume).ok());
  EXPECT_THAT(volume.status().used_by(), ElementsAre("web"));
  grpc::Status refused = Remove("data");
  EXPECT_EQ(Reason(refused), "VOLUME_IN_USE");
  EXPECT_THAT(refused.error_message(), HasSubstr("web"));
  EXPECT_EQ(Start("web").state(), v1::OPERATION_STATE_DONE);
  EXPECT_TRUE(PathExists(volume.status().path()));
  WaitStopped("web");
  Delete("web");
  EXPECT_THAT(Names({"used=false"}), ElementsAre("data"));
  EXPECT_TRUE(Remove("data").ok());
}

TEST_F(VolumesTest, PruneRemovesWhatNoWorkloadHas) {
  ASSERT_TRUE(CreateWith("web", "used").ok());
  v1::Volume old;
  old.set_name("old");
  (*old.mutable_labels())["project"] = "x";
  ASSERT_TRUE(Make(old).ok());
  ASSERT_TRUE(Make("older").ok());
  EXPECT_EQ(Prune({"label=project=x"}), "removed 1 volume");
  EXPECT_THAT(Names(), ElementsAre("older", "used"));
  EXPECT_EQ(Prune(), "removed 1 volume");
  EXPECT_EQ(Prune(), "removed 0 volumes");
  EXPECT_THAT(Names(), ElementsAre("used"));
  EXPECT_THAT(Folders(), IsEmpty()) << "a volume that is used is made when its workload starts";
}

TEST_F(VolumesTest, PruneTakesWhatAnEarlierRemovalLeft) {
  PutRow("going", "00000000000000000000000000000002", store::VolumeStage::kRemoving);
  EXPECT_EQ(Prune(), "removed 1 volume");
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(VolumesTest, AMissingHostPathIsNamedAndNothingIsMade) {
  grpc::Status refused = CreateWith("web", "/nonexistent/path");
  EXPECT_EQ(Reason(refused), "NO_SOURCE");
  EXPECT_THAT(refused.error_message(), HasSubstr("/nonexistent/path"));
  EXPECT_EQ(GetStatus("web").error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(VolumesTest, AContainerCantHaveADisk) {
  v1::Volume disk;
  disk.set_name("disk");
  disk.mutable_spec()->set_type(v1::VOLUME_TYPE_BLOCK);
  disk.mutable_spec()->set_size_bytes(1 << 20);
  ASSERT_TRUE(Make(disk).ok());
  EXPECT_EQ(Reason(CreateWith("web", "disk")), "BLOCK_NEEDS_VM");
}

TEST_F(VolumesTest, WhatAStopInterruptedIsFinished) {
  PutRow("making", "00000000000000000000000000000001", store::VolumeStage::kMaking);
  PutRow("going", "00000000000000000000000000000002", store::VolumeStage::kRemoving);
  ASSERT_TRUE(MakeDirs(dir() + "/volumes/00000000000000000000000000000002/data/x", 0700).ok());
  RestartDaemon();
  EXPECT_THAT(Names(), ElementsAre("making"));
  EXPECT_THAT(Folders(), ElementsAre("00000000000000000000000000000001"));
}

TEST_F(VolumesTest, AVolumeWhoseFilesAreGoneIsNotMadeAnew) {
  ASSERT_TRUE(CreateWith("web", "data").ok());
  v1::Volume volume;
  ASSERT_TRUE(Start("web").state() == v1::OPERATION_STATE_DONE);
  WaitStopped("web");
  ASSERT_TRUE(Find("data", &volume).ok());
  ASSERT_TRUE(RemoveTree(volume.status().path()).ok());
  const v1::Operation failed = Start("web");
  EXPECT_EQ(Reason(failed.error()), "VOLUME_LOST");
  EXPECT_THAT(failed.error().message(), HasSubstr("data"));
}

TEST_F(VolumesTest, OneThatIsBeingRemovedCantBeHad) {
  PutRow("going", "00000000000000000000000000000002", store::VolumeStage::kRemoving);
  EXPECT_EQ(Reason(CreateWith("web", "going")), "VOLUME_REMOVING");
  EXPECT_TRUE(Remove("going").ok()) << "again, where it failed";
}

}  // namespace
}  // namespace vx::integration
