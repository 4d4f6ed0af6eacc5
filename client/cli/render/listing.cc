#include "client/cli/render/listing.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/lib/json.h"
#include "client/lib/tree.h"
#include "client/lib/yaml.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

constexpr std::array<absl::string_view, 7> kFormats = {"table", "wide", "json", "jsonl",
                                                       "yaml",  "csv",  "name"};

bool IsTree(absl::string_view format) {
  return format == "json" || format == "jsonl" || format == "yaml";
}

std::string ColumnNames(const Listing& listing) {
  return absl::StrJoin(listing.columns, " ", [](std::string* out, const Column& column) {
    absl::StrAppend(out, absl::AsciiStrToLower(column.name));
  });
}

// The index of a column by its name in any case, or -1.
int ColumnIndex(const Listing& listing, absl::string_view name) {
  for (size_t i = 0; i < listing.columns.size(); ++i) {
    if (absl::EqualsIgnoreCase(listing.columns[i].name, name)) return static_cast<int>(i);
  }
  return -1;
}

// Whether a message of this type prints a field at `path`.
bool IsPath(const google::protobuf::Descriptor* type, absl::string_view path) {
  std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(path, absl::MaxSplits('.', 1));
  for (int i = 0; i < type->field_count(); ++i) {
    const auto* field = type->field(i);
    if (field->json_name() != parts.first) continue;
    if (parts.second.empty() || field->is_map()) return true;
    return !field->is_repeated() && field->message_type() != nullptr &&
           IsPath(field->message_type(), parts.second);
  }
  return false;
}

absl::Status CheckColumn(const Listing& listing, absl::string_view name) {
  if (ColumnIndex(listing, name) >= 0 || IsPath(listing.type, name)) return absl::OkStatus();
  return UsageError(
      absl::StrCat("there is no column \"", name, "\""),
      absl::StrCat("columns: ", ColumnNames(listing), "; or the path of a field, as in -o json"));
}

Cell CellOf(const Listing& listing, const Listing::Item& item, absl::string_view name) {
  if (int index = ColumnIndex(listing, name); index >= 0) {
    return item.cells[static_cast<size_t>(index)];
  }
  const client::Node tree = client::ToTree(*item.message);
  const client::Node* node = client::Find(tree, name);
  return node == nullptr ? Cell() : Cell(client::ToText(*node));
}

std::vector<std::string> ChosenColumns(const Listing& listing, const OutputFlags& flags) {
  if (!flags.columns.empty()) return absl::StrSplit(flags.columns, ',', absl::SkipWhitespace());
  std::vector<std::string> names;
  bool all = flags.format == "wide" || flags.format == "csv";
  for (const Column& column : listing.columns) {
    if (all || !column.wide) names.push_back(column.name);
  }
  return names;
}

bool Less(const Cell& a, const Cell& b) {
  double x = 0;
  double y = 0;
  bool numbers = absl::SimpleAtod(a.Raw(), &x) && absl::SimpleAtod(b.Raw(), &y);
  return numbers ? x < y : a.Raw() < b.Raw();
}

absl::Status Sort(Listing* listing, absl::string_view by) {
  if (by.empty()) return absl::OkStatus();
  bool descending = absl::ConsumePrefix(&by, "-");
  VX_RETURN_IF_ERROR(CheckColumn(*listing, by));
  std::vector<std::pair<Cell, Listing::Item>> keyed;
  for (Listing::Item& item : listing->items) {
    Cell key = CellOf(*listing, item, by);
    keyed.emplace_back(std::move(key), std::move(item));
  }
  absl::c_stable_sort(keyed, [&](const auto& a, const auto& b) {
    return descending ? Less(b.first, a.first) : Less(a.first, b.first);
  });
  for (size_t i = 0; i < keyed.size(); ++i) listing->items[i] = std::move(keyed[i].second);
  return absl::OkStatus();
}

std::string RenderNames(const Listing& listing) {
  std::string out;
  for (const Listing::Item& item : listing.items) absl::StrAppend(&out, item.name, "\n");
  return out;
}

std::string RenderTree(const Listing& listing, const std::string& format) {
  if (listing.single && listing.items.size() == 1) {
    return RenderMessage(*listing.items.front().message, format);
  }
  client::Node list = client::Node::List();
  std::string lines;
  for (const Listing::Item& item : listing.items) {
    if (format == "jsonl") {
      lines += RenderMessage(*item.message, format);
    } else {
      list.items.push_back(client::ToTree(*item.message));
    }
  }
  if (format == "jsonl") return lines;
  return format == "yaml" ? client::ToYaml(list)
                          : client::ToJson(list, client::JsonStyle::kPretty) + "\n";
}

std::vector<std::string> Titles(const Listing& listing, std::vector<std::string> names, bool csv) {
  for (std::string& name : names) {
    if (!csv) name = absl::AsciiStrToUpper(name);
    if (csv && ColumnIndex(listing, name) >= 0) name = absl::AsciiStrToLower(name);
  }
  return names;
}

absl::StatusOr<std::string> RenderColumns(const Listing& listing, const OutputFlags& flags,
                                          bool color) {
  std::vector<std::string> names = ChosenColumns(listing, flags);
  for (const std::string& name : names) VX_RETURN_IF_ERROR(CheckColumn(listing, name));
  std::vector<Row> rows;
  for (const Listing::Item& item : listing.items) {
    Row& row = rows.emplace_back();
    for (const std::string& name : names) row.push_back(CellOf(listing, item, name));
  }
  bool csv = flags.format == "csv";
  std::vector<std::string> header;
  if (!flags.no_headers) header = Titles(listing, std::move(names), csv);
  return csv ? RenderCsv(header, rows) : RenderTable(header, rows, color);
}

}  // namespace

void DeclareOutput(Arguments& arguments, OutputFlags* flags) {
  arguments.Option("-o,--output", &flags->format, "FORMAT", absl::StrJoin(kFormats, " "));
}

void DeclareListOutput(Arguments& arguments, OutputFlags* flags) {
  DeclareOutput(arguments, flags);
  arguments.Option("--columns", &flags->columns, "A,B", "Columns, or fields as in -o json");
  arguments.Flag("--no-headers", &flags->no_headers, "No line of titles");
  arguments.Flag("-q,--quiet", &flags->quiet, "Names only");
  arguments.Option("--sort", &flags->sort, "COLUMN", "Order; -COLUMN is the other way round");
}

absl::Status CheckFormat(const OutputFlags& flags) {
  if (absl::c_linear_search(kFormats, flags.format)) return absl::OkStatus();
  return UsageError(absl::StrCat("there is no output format \"", flags.format, "\""),
                    absl::StrCat("formats: ", absl::StrJoin(kFormats, " ")));
}

absl::StatusOr<std::string> Render(Listing listing, const OutputFlags& flags, bool color) {
  VX_RETURN_IF_ERROR(CheckFormat(flags));
  VX_RETURN_IF_ERROR(Sort(&listing, flags.sort));
  if (flags.quiet || flags.format == "name") return RenderNames(listing);
  if (IsTree(flags.format)) return RenderTree(listing, flags.format);
  return RenderColumns(listing, flags, color);
}

int PrintListing(Listing listing, const OutputFlags& flags) {
  absl::StatusOr<std::string> text = Render(std::move(listing), flags, UseColor());
  return text.ok() ? Print(*text) : Report(text.status());
}

std::string RenderMessage(const google::protobuf::Message& message, const std::string& format) {
  client::Node tree = client::ToTree(message);
  if (format == "yaml") return client::ToYaml(tree);
  bool line = format == "jsonl";
  return client::ToJson(tree, line ? client::JsonStyle::kLine : client::JsonStyle::kPretty) + "\n";
}

}  // namespace vx::cli
