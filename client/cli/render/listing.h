// Things to show, in whatever form the user asks for.
#pragma once

#include <google/protobuf/message.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/arguments.h"
#include "client/cli/render/table.h"

namespace vx::cli {

struct OutputFlags {
  std::string format = "table";
  // Names of columns, or paths of fields ("status.exit.code"), with commas.
  std::string columns;
  // A column or path; with a "-" before it the largest comes first.
  std::string sort;
  bool no_headers = false;
  bool quiet = false;
};

// -o, and what only a list needs: --columns, --no-headers, -q, --sort.
void DeclareListOutput(Arguments& arguments, OutputFlags* flags);
// -o alone; `format` in `flags` is the default.
void DeclareOutput(Arguments& arguments, OutputFlags* flags);

struct Column {
  std::string name;
  // Shown by -o wide only.
  bool wide = false;
};

struct Listing {
  struct Item {
    // What -q and -o name print.
    std::string name;
    std::shared_ptr<const google::protobuf::Message> message;
    // One for each column.
    Row cells;
  };

  // Of the items' messages.
  const google::protobuf::Descriptor* type = nullptr;
  std::vector<Column> columns;
  std::vector<Item> items;
  // JSON and YAML of the one item rather than of a list.
  bool single = false;
};

// Misuse for an unknown format or column.
absl::StatusOr<std::string> Render(Listing listing, const OutputFlags& flags, bool color);

// Misuse unless `format` is one of -o's words.
absl::Status CheckFormat(const OutputFlags& flags);

// Renders it to stdout, or reports the error; the exit status.
int PrintListing(Listing listing, const OutputFlags& flags);

// One message as JSON, YAML or a JSON line, by the same flags.
std::string RenderMessage(const google::protobuf::Message& message, const std::string& format);

}  // namespace vx::cli
