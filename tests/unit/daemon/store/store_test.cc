#include "daemon/store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/store/migrations.h"

namespace vx::store {
namespace {

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    char path[] = "/tmp/vx-store-XXXXXX";
    dir_ = mkdtemp(path);
    Open();
  }
  ~StoreTest() override {
    store_.reset();
    (void)RemoveTree(dir_);
  }

  void Open() {
    store_.reset();
    auto store = Store::Open(path());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  std::string path() const { return dir_ + "/vx.db"; }

  // Runs `change` in a transaction of its own.
  template <typename Change>
  absl::Status Apply(Change change) {
    auto tx = store_->Begin(Durability::kPromise);
    if (!tx.ok()) return tx.status();
    absl::Status status = change(*tx);
    return status.ok() ? tx->Commit() : status;
  }

  static v1::Workload Workload(const std::string& name, const std::string& uid) {
    v1::Workload workload;
    workload.set_name(name);
    workload.set_uid(uid);
    workload.set_kind(v1::KIND_CONTAINER);
    workload.mutable_spec()->set_image("busybox:latest");
    return workload;
  }

  static v1::Event EventOf(const v1::Workload& workload) {
    v1::Event event;
    event.set_type(v1::EVENT_TYPE_WORKLOAD_CHANGED);
    *event.mutable_workload() = workload;
    return event;
  }

  std::string dir_;
  std::unique_ptr<Store> store_;
};

constexpr char kUidA[] = "aaaa0000000000000000000000000000";
constexpr char kUidB[] = "aaaa1111111111111111111111111111";

bool All(const v1::Workload&) { return true; }

TEST_F(StoreTest, ItsOwnerAloneReadsItWhateverTheModeWas) {
  auto modes = [this] {
    std::vector<int> all;
    for (const char* file : {"", "-wal", "-shm"}) {
      struct stat st = {};
      all.push_back(stat((path() + file).c_str(), &st) < 0 ? -1 : st.st_mode & 0777);
    }
    return all;
  };
  EXPECT_THAT(modes(), testing::Each(0600));
  ASSERT_EQ(chmod((path() + "-wal").c_str(), 0644), 0);
  ASSERT_EQ(chmod(path().c_str(), 0644), 0);
  Open();
  EXPECT_THAT(modes(), testing::Each(0600));
}

TEST_F(StoreTest, WhatIsCommittedIsThereAfterReopening) {
  ASSERT_TRUE(Apply([](Transaction& tx) { return tx.PutWorkload(Workload("web", kUidA)); }).ok());
  Open();
  auto found = store_->Read().FindWorkload("web");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ(found->uid(), kUidA);
}

TEST_F(StoreTest, WhatIsNotCommittedIsRolledBack) {
  {
    auto tx = store_->Begin(Durability::kPromise);
    ASSERT_TRUE(tx.ok());
    ASSERT_TRUE(tx->PutWorkload(Workload("web", kUidA)).ok());
  }
  EXPECT_TRUE(absl::IsNotFound(store_->Read().FindWorkload("web").status()));
}

TEST_F(StoreTest, TwoWorkloadsCannotShareAName) {
  ASSERT_TRUE(Apply([](Transaction& tx) { return tx.PutWorkload(Workload("web", kUidA)); }).ok());
  absl::Status status =
      Apply([](Transaction& tx) { return tx.PutWorkload(Workload("web", kUidB)); });
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
}

TEST_F(StoreTest, APrefixThatFitsTwoIsAmbiguous) {
  ASSERT_TRUE(Apply([](Transaction& tx) {
                absl::Status first = tx.PutWorkload(Workload("a", kUidA));
                return first.ok() ? tx.PutWorkload(Workload("b", kUidB)) : first;
              }).ok());
  EXPECT_EQ(ErrorReason(store_->Read().FindWorkload("aaaa").status()), "AMBIGUOUS_PREFIX");
  EXPECT_EQ(store_->Read().FindWorkload("aaaa0")->name(), "a");
  EXPECT_EQ(ErrorReason(store_->Read().FindWorkload("aaa").status()), "WORKLOAD_NOT_FOUND");
}

TEST_F(StoreTest, PagesGoOnWhereTheLastOneEnded) {
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(Apply([i](Transaction& tx) {
                  return tx.PutWorkload(
                      Workload("w" + std::to_string(i), std::string(31, '0') + std::to_string(i)));
                }).ok());
  }
  auto first = store_->Read().ListWorkloads(0, 2, All);
  ASSERT_EQ(first->rows.size(), 2u);
  auto rest = store_->Read().ListWorkloads(first->next, 10, All);
  ASSERT_EQ(rest->rows.size(), 3u);
  EXPECT_EQ(rest->rows[0].name(), "w2");
  EXPECT_EQ(rest->next, 0);
}

TEST_F(StoreTest, AChangeKeepsTheOrderOfCreation) {
  ASSERT_TRUE(Apply([](Transaction& tx) { return tx.PutWorkload(Workload("a", kUidA)); }).ok());
  ASSERT_TRUE(Apply([](Transaction& tx) { return tx.PutWorkload(Workload("b", kUidB)); }).ok());
  ASSERT_TRUE(Apply([](Transaction& tx) { return tx.PutWorkload(Workload("z", kUidA)); }).ok());
  auto page = store_->Read().ListWorkloads(0, 10, All);
  EXPECT_EQ(page->rows[0].name(), "z");
  EXPECT_EQ(page->rows[1].name(), "b");
}

TEST_F(StoreTest, EventsGetRevisionsInOrderAndTheListenerSeesThemAfterTheCommit) {
  std::vector<int64_t> heard;
  store_->OnEvents([&](const std::vector<v1::Event>& events) {
    for (const auto& event : events) heard.push_back(event.revision());
  });
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(
        Apply([](Transaction& tx) { return tx.AppendEvent(EventOf(Workload("a", kUidA))); }).ok());
  }
  EXPECT_THAT(heard, testing::ElementsAre(1, 2, 3));
  auto events = store_->Read().EventsAfter(1, 10);
  ASSERT_EQ(events->size(), 2u);
  EXPECT_EQ(events->front().revision(), 2);
  EXPECT_EQ(events->front().workload().name(), "a");
}

TEST_F(StoreTest, ARolledBackEventIsNotHeard) {
  int heard = 0;
  store_->OnEvents([&](const std::vector<v1::Event>&) { ++heard; });
  {
    auto tx = store_->Begin(Durability::kObservation);
    ASSERT_TRUE(tx->AppendEvent(EventOf(Workload("a", kUidA))).ok());
  }
  EXPECT_EQ(heard, 0);
}

TEST_F(StoreTest, OldEventsArePrunedAndRevisionsAreNeverGivenOutTwice) {
  auto tx = store_->Begin(Durability::kObservation);
  const int64_t count = kEventsKept + 600;
  for (int64_t i = 0; i < count; ++i) {
    ASSERT_TRUE(tx->AppendEvent(EventOf(Workload("a", kUidA))).ok());
  }
  ASSERT_TRUE(tx->Commit().ok());
  {
    auto ended = std::move(tx);
  }
  auto range = store_->Read().EventRange();
  ASSERT_TRUE(range.ok());
  EXPECT_GT(range->first, 1);
  EXPECT_EQ(range->second, count);
}

TEST_F(StoreTest, OldOperationsArePrunedWithTheirRequestsButNotOpenOnes) {
  auto put = [](Transaction& tx, int64_t number, v1::OperationState state) {
    v1::Operation operation;
    char id[33];
    snprintf(id, sizeof id, "%032lx", number);
    operation.set_id(id);
    operation.set_state(state);
    absl::Status status = tx.PutOperation(operation);
    return status.ok() ? tx.PutRequest("r" + std::to_string(number), {"f", id}) : status;
  };
  ASSERT_TRUE(Apply([&](Transaction& tx) {
                absl::Status status = put(tx, 0, v1::OPERATION_STATE_RUNNING);
                for (int64_t i = 1; status.ok() && i < kOperationsKept + 200; ++i) {
                  status = put(tx, i, v1::OPERATION_STATE_DONE);
                }
                return status;
              }).ok());
  View view = store_->Read();
  EXPECT_TRUE((*view.FindRequest("r0")).has_value());
  EXPECT_FALSE((*view.FindRequest("r1")).has_value());
  EXPECT_TRUE((*view.FindRequest("r" + std::to_string(kOperationsKept))).has_value());
}

TEST_F(StoreTest, HowOftenAnOperationIsRecordedDoesNotMatterToWhatIsPruned) {
  auto record = [&](int64_t first, int64_t last) {
    return Apply([&](Transaction& tx) {
      absl::Status status;
      v1::Operation operation;
      for (int64_t i = first; i <= last; ++i) {
        operation.set_id(absl::StrFormat("%032x", i));
        operation.set_state(v1::OPERATION_STATE_PENDING);
        status.Update(tx.PutOperation(operation));
        operation.set_state(v1::OPERATION_STATE_DONE);
        status.Update(tx.PutOperation(operation));
      }
      return status;
    });
  };
  const std::string first = absl::StrFormat("%032x", 1);
  ASSERT_TRUE(record(1, kOperationsKept).ok());
  Open();
  EXPECT_TRUE(store_->Read().FindOperation(first).ok());
  ASSERT_TRUE(record(kOperationsKept + 1, kOperationsKept + 100).ok());
  EXPECT_TRUE(absl::IsNotFound(store_->Read().FindOperation(first).status()));
}

TEST_F(StoreTest, AnOperationIsForgottenWithItsRequestWhenItIsOld) {
  auto put = [](Transaction& tx, char digit, absl::Duration age) {
    v1::Operation operation;
    operation.set_id(std::string(32, digit));
    operation.set_state(v1::OPERATION_STATE_DONE);
    operation.mutable_end_time()->set_seconds(absl::ToUnixSeconds(absl::Now() - age));
    absl::Status status = tx.PutOperation(operation);
    return status.ok() ? tx.PutRequest(std::string(1, digit), {"f", operation.id()}) : status;
  };
  ASSERT_TRUE(Apply([&](Transaction& tx) {
                absl::Status status = put(tx, 'a', kOperationsKeptFor + absl::Hours(1));
                return status.ok() ? put(tx, 'b', kOperationsKeptFor - absl::Hours(1)) : status;
              }).ok());
  Open();
  View view = store_->Read();
  EXPECT_FALSE((*view.FindRequest("a")).has_value());
  EXPECT_TRUE((*view.FindRequest("b")).has_value());
}

TEST_F(StoreTest, HowManyEventsThereAreDoesNotMatterToOperations) {
  auto put = [](Transaction& tx, v1::OperationState state) {
    v1::Operation operation;
    operation.set_id(std::string(32, 'a'));
    operation.set_state(state);
    return tx.PutOperation(operation);
  };
  ASSERT_TRUE(Apply([&](Transaction& tx) { return put(tx, v1::OPERATION_STATE_PENDING); }).ok());
  ASSERT_TRUE(Apply([](Transaction& tx) {
                absl::Status status;
                for (int i = 0; status.ok() && i < 2 * kOperationsKept; ++i) {
                  status = tx.AppendEvent(EventOf(Workload("a", kUidA)));
                }
                return status;
              }).ok());
  for (int i = 0; i < 64; ++i) {
    ASSERT_TRUE(Apply([&](Transaction& tx) {
                  absl::Status status = tx.AppendEvent(EventOf(Workload("a", kUidA)));
                  return status.ok() ? put(tx, v1::OPERATION_STATE_DONE) : status;
                }).ok());
    ASSERT_TRUE(store_->Read().FindOperation(std::string(32, 'a')).ok()) << i;
  }
}

TEST_F(StoreTest, ADatabaseOfALaterBuildIsRefusedAndLeftAsItIs) {
  store_.reset();
  {
    auto database = Database::Open(path());
    ASSERT_TRUE(database->Execute("PRAGMA user_version = 9999").ok());
  }
  auto store = Store::Open(path());
  EXPECT_EQ(ErrorReason(store.status()), "DATABASE_TOO_NEW");
  EXPECT_THAT(std::string(store.status().message()), testing::HasSubstr(path()));
  auto database = Database::Open(path());
  auto version = database->Prepare("PRAGMA user_version");
  ASSERT_TRUE(*version->Step());
  EXPECT_EQ(version->Int(0), 9999);
}

TEST_F(StoreTest, AFileThatIsNoDatabaseIsRefused) {
  store_.reset();
  ASSERT_TRUE(WriteFileAtomic(path(), std::string(4096, 'x'), 0600).ok());
  EXPECT_EQ(ErrorReason(Store::Open(path()).status()), "DATABASE_CORRUPT");
}

TEST_F(StoreTest, MigrationsAreNumberedWithoutAGap) {
  int number = 0;
  for (const Migration& migration : Migrations()) {
    char prefix[16];
    snprintf(prefix, sizeof prefix, "%04d_", ++number);
    EXPECT_THAT(migration.name, testing::StartsWith(prefix));
  }
  EXPECT_GE(number, 1);
}

VolumeRecord VolumeNamed(const std::string& name, const std::string& uid) {
  VolumeRecord record;
  record.volume.set_name(name);
  record.volume.set_uid(uid);
  return record;
}

TEST_F(StoreTest, AVolumeIsFoundByNameAndUidAtItsStage) {
  VolumeRecord record = VolumeNamed("data", "u1");
  record.volume.mutable_status()->set_used_bytes(7);
  ASSERT_TRUE(Apply([&](Transaction& tx) { return tx.PutVolume(record); }).ok());
  Open();
  record.stage = VolumeStage::kReady;
  ASSERT_TRUE(Apply([&](Transaction& tx) { return tx.PutVolume(record); }).ok());
  for (const char* key : {"data", "u1"}) {
    auto found = store_->Read().FindVolume(key);
    ASSERT_TRUE(found.ok()) << found.status();
    EXPECT_EQ(found->volume.uid(), "u1");
    EXPECT_EQ(found->stage, VolumeStage::kReady);
    EXPECT_FALSE(found->volume.has_status()) << "what is observed is not kept";
  }
  ASSERT_TRUE(Apply([](Transaction& tx) { return tx.DeleteVolume("u1"); }).ok());
  EXPECT_EQ(ErrorReason(store_->Read().FindVolume("data").status()), "VOLUME_NOT_FOUND");
}

TEST_F(StoreTest, TwoVolumesHaveNoNameInCommonAndAreListedByName) {
  ASSERT_TRUE(Apply([](Transaction& tx) { return tx.PutVolume(VolumeNamed("b", "u1")); }).ok());
  ASSERT_TRUE(Apply([](Transaction& tx) { return tx.PutVolume(VolumeNamed("a", "u2")); }).ok());
  EXPECT_FALSE(Apply([](Transaction& tx) { return tx.PutVolume(VolumeNamed("b", "u3")); }).ok());
  auto all = store_->Read().ListVolumes();
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].volume.name(), "a");
}

TEST_F(StoreTest, SourcesOfMountsNameEachWorkloadOnce) {
  v1::Workload workload = Workload("web", "w1");
  workload.mutable_spec()->add_mounts()->set_source("data");
  workload.mutable_spec()->add_mounts()->set_source("data");
  workload.mutable_spec()->add_mounts()->set_source("/etc");
  ASSERT_TRUE(Apply([&](Transaction& tx) { return tx.PutWorkload(workload); }).ok());
  auto sources = store_->Read().MountSources();
  ASSERT_TRUE(sources.ok());
  EXPECT_EQ(sources->at("data"), std::vector<std::string>{"web"});
  EXPECT_EQ(sources->at("/etc"), std::vector<std::string>{"web"});
}

}  // namespace
}  // namespace vx::store
