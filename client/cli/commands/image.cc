#include <google/protobuf/util/time_util.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/pulls.h"
#include "client/cli/render/listing.h"
#include "client/cli/transfers.h"
#include "client/lib/credentials.h"
#include "client/lib/pages.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"

namespace vx::cli {
namespace {

struct ImageFlags {
  OutputFlags output;
  std::vector<std::string> names;
  std::string name;
  std::string file;
  std::string format = "oci-archive";
  std::string platform;
  bool all = false;
  bool yes = false;
  bool no_wait = false;
};

Listing ListImages(const std::vector<v1::Image>& images, absl::Time now) {
  Listing listing;
  listing.type = v1::Image::descriptor();
  listing.columns = {{"NAME"}, {"DIGEST"},       {"SIZE"},         {"PLATFORM"},
                     {"AGE"},  {"LAYERS", true}, {"COMMAND", true}};
  for (const v1::Image& image : images) {
    absl::Time made = absl::FromUnixSeconds(image.create_time().seconds());
    Row row = {image.name(),
               Cell(image.digest().substr(0, 19), image.digest()),
               Cell(client::FormatSize(image.size_bytes()), absl::StrCat(image.size_bytes())),
               image.platform(),
               Cell(client::FormatAge(now - made),
                    google::protobuf::util::TimeUtil::ToString(image.create_time())),
               absl::StrCat(image.layers_size()),
               absl::StrJoin(image.config().command(), " ")};
    listing.items.push_back({image.name(), std::make_shared<v1::Image>(image), std::move(row)});
  }
  return listing;
}

int Ls(Context& context, const ImageFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto images = client::ListAllImages(**connection);
  if (!images.ok()) return Report(images.status());
  return PrintListing(ListImages(*images, absl::Now()), flags.output);
}

int Inspect(Context& context, const ImageFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  std::vector<v1::Image> found;
  int exit_status = 0;
  for (const std::string& name : flags.names) {
    v1::GetImageRequest request;
    request.set_name(name);
    auto response = (*connection)->GetImage(request);
    if (response.ok()) {
      found.push_back(response->image());
    } else {
      exit_status = Report(response.status());
    }
  }
  bool single = flags.names.size() == 1;
  if (single && found.empty()) return exit_status;
  Listing listing = ListImages(found, absl::Now());
  listing.single = single;
  int printed = PrintListing(std::move(listing), flags.output);
  return printed != 0 ? printed : exit_status;
}

int Rm(Context& context, const ImageFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  int exit_status = 0;
  for (const std::string& name : flags.names) {
    v1::DeleteImageRequest request;
    request.set_name(name);
    auto response = (*connection)->DeleteImage(request);
    int status = response.ok() ? Conclude(context, response->operation(), flags.no_wait, name)
                               : Report(response.status());
    if (status != 0) exit_status = status;
  }
  return exit_status;
}

int Pull(Context& context, const ImageFlags& flags) {
  absl::StatusOr<v1::Operation> operation = BeginPull(context, flags.name, flags.platform);
  if (!operation.ok()) return Report(operation.status());
  return Conclude(context, *operation, flags.no_wait, operation->target());
}

int Push(Context& context, const ImageFlags& flags) {
  v1::PushImageRequest request;
  request.set_name(flags.names[0]);
  if (flags.names.size() > 1) request.set_reference(flags.names[1]);
  if (flags.names.size() > 2) return Report(UsageError("push one image, to one place"));
  auto auth = client::FindCredentials(flags.names.back());
  if (!auth.ok()) return Report(auth.status());
  *request.mutable_auth() = *auth;
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto response = (*connection)->PushImage(request);
  if (!response.ok()) return Report(response.status());
  return Conclude(context, response->operation(), flags.no_wait, response->operation().target());
}

int Tag(Context& context, const ImageFlags& flags) {
  v1::TagImageRequest request;
  request.set_name(flags.name);
  request.set_new_name(flags.file);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto response = (*connection)->TagImage(request);
  if (!response.ok()) return Report(response.status());
  return Conclude(context, response->operation(), false, response->operation().target());
}

int Prune(Context& context, const ImageFlags& flags) {
  if (flags.all && !flags.yes && !Confirmed("Remove all images that no workload was made from?")) {
    return Report(Error(absl::StatusCode::kCancelled, "CANCELLED", "nothing was done"));
  }
  v1::PruneImagesRequest request;
  request.set_all(flags.all);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto response = (*connection)->PruneImages(request);
  if (!response.ok()) return Report(response.status());
  const v1::Operation& operation = response->operation();
  if (flags.no_wait) return Print(operation.id() + "\n");
  if (absl::Status status = Await(context, operation); !status.ok()) return Report(status);
  v1::GetOperationRequest get;
  get.set_id(operation.id());
  auto ended = (*connection)->GetOperation(get);
  return ended.ok() ? Print(ended->operation().result() + "\n") : Report(ended.status());
}

Listing ListHistory(const v1::Image& image, absl::Time now) {
  Listing listing;
  listing.type = v1::ImageHistory::descriptor();
  listing.columns = {{"AGE"}, {"SIZE"}, {"CREATED BY"}, {"COMMENT", true}};
  for (const v1::ImageHistory& step : image.history()) {
    absl::Time made = absl::FromUnixSeconds(step.create_time().seconds());
    Row row = {step.has_create_time() ? client::FormatAge(now - made) : std::string("-"),
               Cell(client::FormatSize(step.size_bytes()), absl::StrCat(step.size_bytes())),
               step.created_by(), step.comment()};
    listing.items.push_back({step.created_by(), std::make_shared<v1::ImageHistory>(step),
                             std::move(row)});
  }
  return listing;
}

int History(Context& context, const ImageFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  v1::GetImageRequest request;
  request.set_name(flags.name);
  auto response = (*connection)->GetImage(request);
  if (!response.ok()) return Report(response.status());
  return PrintListing(ListHistory(response->image(), absl::Now()), flags.output);
}

int Import(Context& context, const ImageFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto operation = ImportImage(**connection, flags.file, flags.name);
  if (!operation.ok()) return Report(operation.status());
  std::string name = operation->target().empty() ? flags.name : operation->target();
  return Conclude(context, *operation, flags.no_wait, name);
}

int Export(Context& context, const ImageFlags& flags) {
  // An archive is both.
  bool archive = flags.format == "oci-archive" || flags.format == "docker";
  if (!archive && flags.format != "oci-dir") {
    return Report(UsageError(absl::StrCat("there is no --format ", flags.format),
                             "write --format oci-archive, docker or oci-dir"));
  }
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  if (!archive) return Report(ExportImageToFolder(**connection, flags.name, flags.file));
  return Report(ExportImage(**connection, flags.name, flags.file));
}

Action DeclareImageLs(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl image ls");
  return [flags](Context& context) { return Ls(context, *flags); };
}

Action DeclareImageInspect(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  flags->output.format = "json";
  arguments.Words("IMAGE", &flags->names, "Names of images", true);
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl image inspect busybox -o yaml");
  return [flags](Context& context) { return Inspect(context, *flags); };
}

Action DeclareImageRm(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Words("IMAGE", &flags->names, "Names of images", true);
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl image rm busybox");
  return [flags](Context& context) { return Rm(context, *flags); };
}

Action DeclareImagePull(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Word("REFERENCE", &flags->name,
                 "[REGISTRY/]NAME[:TAG][@DIGEST]; docker.io and latest when left out");
  arguments.Option("--platform", &flags->platform, "OS/ARCH", "The host's when left out");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl image pull alpine:3.20");
  return [flags](Context& context) { return Pull(context, *flags); };
}

Action DeclareImagePush(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Words("IMAGE", &flags->names, "Name of an image, then where to if not to where that says",
                  true);
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl image push registry.example:5000/team/app:1\n"
                    "vxctl image push app:1 registry.example:5000/team/app:1");
  return [flags](Context& context) { return Push(context, *flags); };
}

Action DeclareImageTag(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Word("IMAGE", &flags->name, "Name of an image");
  arguments.Word("NAME", &flags->file, "One more name for it");
  arguments.Example("vxctl image tag busybox registry.example:5000/busybox:1");
  return [flags](Context& context) { return Tag(context, *flags); };
}

Action DeclareImagePrune(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Flag("-a,--all", &flags->all, "Images that no workload was made from, too");
  arguments.Flag("-y,--yes", &flags->yes, "Do not ask");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl image prune");
  return [flags](Context& context) { return Prune(context, *flags); };
}

Action DeclareImageHistory(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Word("IMAGE", &flags->name, "Name of an image");
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl image history busybox");
  return [flags](Context& context) { return History(context, *flags); };
}

Action DeclareImageImport(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Word("FILE", &flags->file,
                 "A tar of an OCI image layout or of docker save (may be compressed), or an OCI "
                 "layout's folder; - is stdin");
  arguments.Option("--name", &flags->name, "NAME", "Its name; the archive's own when left out");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl image import app.tar --name app:1");
  return [flags](Context& context) { return Import(context, *flags); };
}

Action DeclareImageExport(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Word("IMAGE", &flags->name, "Name of an image");
  arguments.Option("-o,--output", &flags->file, "FILE", "Where to; - is stdout");
  arguments.Option("--format", &flags->format, "FORMAT",
                   "oci-archive (which docker load takes too), docker or oci-dir");
  arguments.Example("vxctl image export busybox -o busybox.tar");
  return [flags](Context& context) { return Export(context, *flags); };
}

}  // namespace

Action DeclareImage(Arguments& arguments) {
  arguments.Verb("ls", "The images of this host", DeclareImageLs);
  arguments.Verb("inspect", "All about images", DeclareImageInspect);
  arguments.Verb("pull", "Fetch an image from its registry", DeclareImagePull);
  arguments.Verb("push", "Send an image to a registry", DeclareImagePush);
  arguments.Verb("tag", "Give an image one more name", DeclareImageTag);
  arguments.Verb("history", "How an image came about", DeclareImageHistory);
  arguments.Verb("prune", "Remove what no image needs", DeclareImagePrune);
  arguments.Verb("rm", "Remove images", DeclareImageRm);
  arguments.Verb("import", "Take an image from a file", DeclareImageImport);
  arguments.Verb("export", "Write an image to a file", DeclareImageExport);
  arguments.Example("vxctl image ls");
  return nullptr;
}

}  // namespace vx::cli
