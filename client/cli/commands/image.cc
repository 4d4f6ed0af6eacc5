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
#include "client/lib/pages.h"
#include "client/lib/units.h"

namespace vx::cli {
namespace {

struct ImageFlags {
  OutputFlags output;
  std::vector<std::string> names;
  std::string name;
  std::string file;
  std::string format = "oci-archive";
  std::string platform;
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

int Import(Context& context, const ImageFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto operation = ImportImage(**connection, flags.file, flags.name);
  if (!operation.ok()) return Report(operation.status());
  std::string name = operation->target().empty() ? flags.name : operation->target();
  return Conclude(context, *operation, flags.no_wait, name);
}

int Export(Context& context, const ImageFlags& flags) {
  if (flags.format != "oci-archive") {
    return Report(
        NotYetError(absl::StrCat("--format ", flags.format), "leave it out: oci-archive"));
  }
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
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

Action DeclareImageImport(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Word("FILE", &flags->file,
                 "A tar of an OCI image layout (may be compressed); - is stdin");
  arguments.Option("--name", &flags->name, "NAME", "Its name; the archive's own when left out");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl image import app.tar --name app:1");
  return [flags](Context& context) { return Import(context, *flags); };
}

Action DeclareImageExport(Arguments& arguments) {
  auto flags = std::make_shared<ImageFlags>();
  arguments.Word("IMAGE", &flags->name, "Name of an image");
  arguments.Option("-o,--output", &flags->file, "FILE", "Where to; - is stdout");
  arguments.Option("--format", &flags->format, "FORMAT", "oci-archive");
  arguments.Example("vxctl image export busybox -o busybox.tar");
  return [flags](Context& context) { return Export(context, *flags); };
}

}  // namespace

Action DeclareImage(Arguments& arguments) {
  arguments.Verb("ls", "The images of this host", DeclareImageLs);
  arguments.Verb("inspect", "All about images", DeclareImageInspect);
  arguments.Verb("pull", "Fetch an image from its registry", DeclareImagePull);
  arguments.Verb("rm", "Remove images", DeclareImageRm);
  arguments.Verb("import", "Take an image from a file", DeclareImageImport);
  arguments.Verb("export", "Write an image to a file", DeclareImageExport);
  arguments.Example("vxctl image ls");
  return nullptr;
}

}  // namespace vx::cli
