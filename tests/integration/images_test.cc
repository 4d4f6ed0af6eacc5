#include "daemon/base/file.h"
#include "tests/integration/daemon_fixture.h"

namespace vx::integration {
namespace {

class ImagesTest : public DaemonTest {
 protected:
  ImagesTest() { StartDaemon(); }

  grpc::Status Import(const std::string& bytes, const std::string& name,
                      const std::string& request_id, v1::Operation* ended) {
    grpc::ClientContext context;
    v1::ImportImageResponse response;
    auto stream = images().ImportImage(&context, &response);
    v1::ImportImageRequest request;
    request.mutable_header()->set_name(name);
    request.mutable_header()->set_request_id(request_id);
    stream->Write(request);
    for (size_t at = 0; at < bytes.size(); at += 1 << 20) {
      v1::ImportImageRequest piece;
      piece.set_data(bytes.substr(at, 1 << 20));
      if (!stream->Write(piece)) break;
    }
    stream->WritesDone();
    grpc::Status status = stream->Finish();
    if (status.ok()) *ended = Wait(response.operation());
    return status;
  }

  std::string Exported(const std::string& name, grpc::Status* status) {
    grpc::ClientContext context;
    v1::ExportImageRequest request;
    request.set_name(name);
    auto stream = images().ExportImage(&context, request);
    std::string bytes;
    v1::ExportImageResponse response;
    while (stream->Read(&response)) bytes += response.data();
    *status = stream->Finish();
    return bytes;
  }

  grpc::Status Remove(const std::string& name) {
    grpc::ClientContext context;
    v1::DeleteImageRequest request;
    v1::DeleteImageResponse response;
    request.set_name(name);
    grpc::Status status = images().DeleteImage(&context, request, &response);
    if (status.ok()) {
      EXPECT_EQ(Wait(response.operation()).state(), v1::OPERATION_STATE_DONE);
    }
    return status;
  }
};

TEST_F(ImagesTest, WhatIsExportedCanBeImportedUnderAnotherName) {
  grpc::Status status;
  const std::string archive = Exported("busybox", &status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  v1::Operation ended;
  ASSERT_TRUE(Import(archive, "copy", "", &ended).ok());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_DONE) << ended.DebugString();
  grpc::ClientContext context;
  v1::GetImageRequest request;
  v1::GetImageResponse response;
  request.set_name("copy");
  ASSERT_TRUE(images().GetImage(&context, request, &response).ok());
  EXPECT_EQ(response.image().name(), "copy:latest");
}

TEST_F(ImagesTest, AnImportIsIdempotentByIdAndContent) {
  grpc::Status status;
  const std::string archive = Exported("busybox", &status);
  v1::Operation first, second;
  ASSERT_TRUE(Import(archive, "copy", "id-1", &first).ok());
  ASSERT_TRUE(Import(archive, "copy", "id-1", &second).ok());
  EXPECT_EQ(first.id(), second.id());
  EXPECT_EQ(Reason(Import(archive + "x", "copy", "id-1", &second)), "REQUEST_ID_REUSED");
}

TEST_F(ImagesTest, ABrokenArchiveLeavesNothing) {
  v1::Operation ended;
  ASSERT_TRUE(Import("this is no tar", "bad", "", &ended).ok());
  EXPECT_EQ(ended.state(), v1::OPERATION_STATE_FAILED);
  EXPECT_EQ(Reason(ended.error()), "BAD_ARCHIVE");
  auto spooled = ListDir(dir() + "/incoming");
  ASSERT_TRUE(spooled.ok());
  EXPECT_TRUE(spooled->empty());
}

TEST_F(ImagesTest, AnImageInUseIsNotRemovedAndItsUsersAreNamed) {
  Made("web", {"true"});
  grpc::Status status = Remove("busybox");
  EXPECT_EQ(Reason(status), "IMAGE_IN_USE");
  EXPECT_THAT(status.error_message(), testing::HasSubstr("web"));
}

TEST_F(ImagesTest, AnUnusedImageIsRemoved) {
  EXPECT_TRUE(Remove("busybox").ok());
  EXPECT_EQ(Reason(Remove("busybox")), "IMAGE_NOT_FOUND");
}

TEST_F(ImagesTest, AnUploadWithoutAHeaderIsRefused) {
  grpc::ClientContext context;
  v1::ImportImageResponse response;
  auto stream = images().ImportImage(&context, &response);
  v1::ImportImageRequest piece;
  piece.set_data("x");
  stream->Write(piece);
  stream->WritesDone();
  EXPECT_THAT(Fields(stream->Finish()), testing::ElementsAre("header"));
}

}  // namespace
}  // namespace vx::integration
