#include "client/lib/yaml.h"

#include <array>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "client/lib/json.h"

namespace vx::client {
namespace {

// Words that YAML 1.1 or 1.2 reads as null or a boolean.
constexpr std::array<absl::string_view, 9> kReserved = {"null", "true", "false", "yes", "no",
                                                        "on",   "off",  "y",     "n"};

bool IsReserved(absl::string_view text) {
  return absl::c_any_of(kReserved,
                        [&](absl::string_view word) { return absl::EqualsIgnoreCase(word, text); });
}

bool IsPlainCharacter(char c) {
  return absl::ascii_isalnum(c) || absl::StrContains("_./@%+=,:;()~ -", c);
}

std::string Scalar(absl::string_view text) {
  return IsPlainYaml(text) ? std::string(text) : JsonQuote(text);
}

bool IsBlock(const Node& node) { return !node.items.empty() || !node.fields.empty(); }

std::string Inline(const Node& node) {
  switch (node.type) {
    case Node::Type::kNull:
      return "null";
    case Node::Type::kLiteral:
      return node.text;
    case Node::Type::kString:
      return Scalar(node.text);
    case Node::Type::kList:
      return "[]";
    case Node::Type::kObject:
      return "{}";
  }
  return "";
}

void WriteBlock(const Node& node, int depth, bool first_indented, std::string* out);

// What follows "key:" or "-".
void WriteValue(const Node& node, int depth, bool in_list, std::string* out) {
  if (!IsBlock(node)) {
    absl::StrAppend(out, " ", Inline(node), "\n");
  } else if (in_list) {
    *out += ' ';
    WriteBlock(node, depth, true, out);
  } else {
    *out += '\n';
    WriteBlock(node, depth, false, out);
  }
}

// `first_indented`: the cursor is already at the depth of the first line.
void WriteBlock(const Node& node, int depth, bool first_indented, std::string* out) {
  auto indent = [&, first = first_indented]() mutable {
    if (!first) out->append(static_cast<size_t>(depth) * 2, ' ');
    first = false;
  };
  for (const Node& item : node.items) {
    indent();
    *out += '-';
    WriteValue(item, depth + 1, true, out);
  }
  for (const auto& [name, value] : node.fields) {
    indent();
    absl::StrAppend(out, Scalar(name), ":");
    WriteValue(value, depth + 1, false, out);
  }
}

}  // namespace

std::string ToYaml(const Node& node) {
  if (!IsBlock(node)) return Inline(node) + "\n";
  std::string out;
  WriteBlock(node, 0, false, &out);
  return out;
}

bool IsPlainYaml(absl::string_view text) {
  if (text.empty() || IsReserved(text)) return false;
  // What begins with a letter or a slash is neither number, time nor indicator.
  if (!absl::ascii_isalpha(text[0]) && text[0] != '/' && text[0] != '_') return false;
  if (text.back() == ' ' || text.back() == ':' || absl::StrContains(text, ": ")) return false;
  return absl::c_all_of(text, IsPlainCharacter);
}

}  // namespace vx::client
