#include "daemon/store/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/store/migrations.h"
#include "daemon/store/store.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string Uid(int number) {
  char uid[33];
  snprintf(uid, sizeof uid, "%032x", number);
  return uid;
}

class BackupTest : public testing::Test {
 protected:
  std::string path() const { return dir_ / "vx.db"; }
  std::string copy() const { return dir_ / "copy.db"; }

  std::unique_ptr<Store> Open() const {
    auto store = Store::Open(path());
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  static void Put(Store& store, int number) {
    v1::Workload workload;
    workload.set_uid(Uid(number));
    workload.set_name(absl::StrCat("w", number));
    auto tx = store.Begin(Durability::kPromise);
    ASSERT_TRUE(tx.ok());
    ASSERT_TRUE(tx->PutWorkload(workload).ok());
    v1::Event event;
    *event.mutable_workload() = workload;
    ASSERT_TRUE(tx->AppendEvent(event).ok());
    ASSERT_TRUE(tx->SetMeta("instance", "0123abcd").ok());
    ASSERT_TRUE(tx->Commit().ok());
  }

  static std::vector<std::string> Names(Store& store) {
    std::vector<std::string> names;
    auto page = store.Read().ListWorkloads(0, 1000, [](const v1::Workload&) { return true; });
    for (const v1::Workload& workload : page->rows) names.push_back(workload.name());
    return names;
  }

  std::vector<std::string> Backups() const {
    auto names = ListDir(dir_ / "backups");
    return names.ok() ? *names : std::vector<std::string>();
  }

  void Damage() const {
    std::string bytes = *ReadFile(path());
    // The root page of a table.
    bytes.replace(4096, 4096, std::string(4096, '\xa5'));
    ASSERT_TRUE(WriteFileAtomic(path(), bytes, 0600).ok());
  }

  TempDir dir_;
};

TEST_F(BackupTest, IsOneFileForItsOwnerAndSaysWhatIsInIt) {
  auto store = Open();
  Put(*store, 1);
  ASSERT_TRUE(store->Backup(copy()).ok());
  struct stat st{};
  ASSERT_EQ(stat(copy().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  auto facts = ReadBackup(copy());
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->schema, static_cast<int64_t>(Migrations().size()));
  EXPECT_EQ(facts->instance_id, "0123abcd");
  EXPECT_THAT(facts->uids, ElementsAre(Uid(1)));
  EXPECT_FALSE(PathExists(copy() + "-wal"));
}

TEST_F(BackupTest, IsOfOneMomentWhileOthersWrite) {
  auto store = Open();
  std::atomic<bool> over{false};
  std::thread writer([&] {
    for (int i = 1; !over; ++i) Put(*store, i);
  });
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(store->Backup(copy()).ok());
    auto facts = ReadBackup(copy());
    ASSERT_TRUE(facts.ok()) << facts.status();
    const int count = static_cast<int>(facts->uids.size());
    if (count > 0) {
      EXPECT_EQ(*facts->uids.rbegin(), Uid(count));
    }
  }
  over = true;
  writer.join();
}

TEST_F(BackupTest, WhatIsNoBackupIsRefused) {
  ASSERT_TRUE(WriteFileAtomic(copy(), std::string(8192, 'x'), 0600).ok());
  EXPECT_EQ(ErrorReason(ReadBackup(copy()).status()), "BAD_BACKUP");
  ASSERT_TRUE(WriteFileAtomic(copy(), "", 0600).ok());
  EXPECT_EQ(ErrorReason(ReadBackup(copy()).status()), "BAD_BACKUP");
  EXPECT_TRUE(absl::IsNotFound(ReadBackup(dir_ / "nothing.db").status()));
}

TEST_F(BackupTest, OneOfALaterBuildIsRefused) {
  auto store = Open();
  ASSERT_TRUE(store->Backup(copy()).ok());
  {
    ASSERT_TRUE(Database::Open(copy())->Execute("PRAGMA user_version = 9999").ok());
  }
  EXPECT_EQ(ErrorReason(ReadBackup(copy()).status()), "DATABASE_TOO_NEW");
}

TEST_F(BackupTest, AMigrationKeepsWhatItChanges) {
  {
    auto database = Database::Open(path());
    const std::vector<Migration> first(Migrations().begin(), Migrations().begin() + 1);
    ASSERT_TRUE(Migrate(*database, path(), first).ok());
    ASSERT_TRUE(
        database->Execute("INSERT INTO workloads VALUES (1, 'u', 'n', 1, 1, 1, 'i', '')").ok());
  }
  EXPECT_THAT(Backups(), IsEmpty()) << "there was nothing before the first";
  ASSERT_NE(Open(), nullptr);
  ASSERT_THAT(Backups(), ElementsAre(HasSubstr("schema-1-")));
  auto facts = ReadBackup(dir_ / "backups/" + Backups()[0]);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->schema, 1);
  EXPECT_THAT(facts->uids, ElementsAre("u"));
  ASSERT_NE(Open(), nullptr);
  EXPECT_THAT(Backups(), SizeIs(1)) << "nothing is migrated twice";
}

TEST_F(BackupTest, ADamagedInventoryIsRefusedAndLeftAsItIs) {
  {
    auto store = Open();
    Put(*store, 1);
    auto database = Database::Open(path());
    ASSERT_TRUE(KeepBackup(*database, path(), "test").ok());
  }
  Damage();
  const std::string before = *ReadFile(path());
  auto store = Store::Open(path());
  EXPECT_EQ(ErrorReason(store.status()), "DATABASE_CORRUPT");
  EXPECT_THAT(std::string(store.status().message()), HasSubstr(path()));
  EXPECT_THAT(ErrorHint(store.status()), HasSubstr("--restore"));
  EXPECT_THAT(ErrorHint(store.status()), HasSubstr(Backups()[0]));
  EXPECT_EQ(*ReadFile(path()), before);
}

TEST_F(BackupTest, ARestoredOneTakesThePlaceOfTheInventoryWhichIsKept) {
  {
    auto store = Open();
    Put(*store, 1);
    ASSERT_TRUE(store->Backup(copy()).ok());
    Put(*store, 2);
  }
  ASSERT_TRUE(StageRestore(copy(), path()).ok());
  ASSERT_TRUE(TakeStaged(path()).ok());
  EXPECT_THAT(Names(*Open()), ElementsAre("w1"));
  ASSERT_THAT(Backups(), SizeIs(1));
  EXPECT_THAT(ReadBackup(dir_ / "backups/" + Backups()[0])->uids, ElementsAre(Uid(1), Uid(2)));
  ASSERT_TRUE(TakeStaged(path()).ok()) << "nothing is staged any more";
  EXPECT_THAT(Names(*Open()), ElementsAre("w1"));
}

TEST_F(BackupTest, ARestoreThatWasCutOffGoesOn) {
  {
    auto store = Open();
    Put(*store, 1);
    ASSERT_TRUE(store->Backup(copy()).ok());
  }
  ASSERT_TRUE(StageRestore(copy(), path()).ok());
  ASSERT_EQ(rename(path().c_str(), (dir_ / "elsewhere").c_str()), 0);
  ASSERT_TRUE(TakeStaged(path()).ok());
  EXPECT_THAT(Names(*Open()), ElementsAre("w1"));
}

TEST_F(BackupTest, RevisionsGoOnAboveThoseOfBoth) {
  int64_t last = 0;
  {
    auto store = Open();
    Put(*store, 1);
    ASSERT_TRUE(store->Backup(copy()).ok());
    for (int i = 2; i < 10; ++i) Put(*store, i);
    last = store->Read().EventRange()->second;
  }
  ASSERT_TRUE(StageRestore(copy(), path()).ok());
  ASSERT_TRUE(TakeStaged(path()).ok());
  auto store = Open();
  EXPECT_GT(store->Read().EventRange()->second, last);
  EXPECT_EQ(store->Read().EventRange()->first, 0) << "no event of another past is told";
}

TEST_F(BackupTest, ADamagedInventoryIsReplacedAndKept) {
  {
    auto store = Open();
    Put(*store, 1);
    ASSERT_TRUE(store->Backup(copy()).ok());
  }
  Damage();
  const std::string before = *ReadFile(path());
  ASSERT_TRUE(StageRestore(copy(), path()).ok());
  ASSERT_TRUE(TakeStaged(path()).ok());
  EXPECT_THAT(Names(*Open()), ElementsAre("w1"));
  ASSERT_THAT(Backups(), SizeIs(1));
  EXPECT_EQ(*ReadFile(dir_ / "backups/" + Backups()[0]), before);
}

TEST_F(BackupTest, SoManyOfAKindAreKept) {
  auto database = Database::Open(path());
  for (int i = 0; i < kBackupsKept + 3; ++i) {
    ASSERT_TRUE(KeepBackup(*database, path(), "test").ok());
  }
  ASSERT_TRUE(KeepBackup(*database, path(), "other").ok());
  EXPECT_THAT(Backups(), SizeIs(kBackupsKept + 1));
}

}  // namespace
}  // namespace vx::store
