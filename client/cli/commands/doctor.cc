#include <memory>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/render/listing.h"
#include "client/lib/tree.h"

namespace vx::cli {
namespace {

Color ResultColor(v1::CheckResult result) {
  switch (result) {
    case v1::CHECK_RESULT_OK:
      return Color::kGreen;
    case v1::CHECK_RESULT_WARNING:
      return Color::kYellow;
    default:
      return Color::kRed;
  }
}

bool Failed(const v1::Check& check) { return check.result() == v1::CHECK_RESULT_FAILED; }

Listing ListChecks(const v1::DoctorResponse& response) {
  Listing listing;
  listing.type = v1::Check::descriptor();
  listing.columns = {{"CHECK"}, {"DRIVER"}, {"RESULT"}, {"MESSAGE"}, {"HINT", true}};
  for (const v1::Check& check : response.checks()) {
    Row row = {check.name(), check.driver(),
               Cell(client::EnumText(check.result()), "", ResultColor(check.result())),
               check.message(), check.hint()};
    listing.items.push_back({check.name(), std::make_shared<v1::Check>(check), std::move(row)});
  }
  return listing;
}

// What to do, a line each, under a table that has no column for it.
std::string Hints(const v1::DoctorResponse& response) {
  std::string text;
  for (const v1::Check& check : response.checks()) {
    if (check.hint().empty()) continue;
    absl::StrAppend(&text, "hint: ", Printable(check.name()), ": ", Printable(check.hint()), "\n");
  }
  return text;
}

int Doctor(Context& context, const OutputFlags& output) {
  if (absl::Status status = CheckFormat(output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto response = (*connection)->Doctor();
  if (!response.ok()) return Report(response.status());
  int printed = PrintListing(ListChecks(*response), output);
  if (printed != 0) return printed;
  bool plain = output.format == "table" && output.columns.empty() && !output.quiet;
  if (plain) Print(Hints(*response));
  return absl::c_any_of(response->checks(), Failed) ? kExitError : 0;
}

}  // namespace

Action DeclareDoctor(Arguments& arguments) {
  auto output = std::make_shared<OutputFlags>();
  DeclareListOutput(arguments, output.get());
  arguments.Example("vxctl doctor\nvxctl doctor -o json");
  return [output](Context& context) { return Doctor(context, *output); };
}

}  // namespace vx::cli
