#include "client/lib/json.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace vx::client {
namespace {

bool Continues(absl::string_view text, size_t from, size_t count) {
  if (text.size() < from + count) return false;
  for (size_t i = from; i < from + count; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return false;
  }
  return true;
}

// Bytes of the well-formed character that `text` begins with; 0 when it is none.
size_t CharacterSize(absl::string_view text) {
  auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  if (first < 0xc2 || first > 0xf4 || !Continues(text, 1, more)) return 0;
  auto second = static_cast<unsigned char>(text[1]);
  bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  bool beyond = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
  return overlong || beyond ? 0 : more + 1;
}

void AppendAscii(char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      break;
  }
  if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
    absl::StrAppendFormat(out, "\\u%04x", c);
  } else {
    *out += c;
  }
}

// Characters that JSON takes as they are but YAML or a terminal does not: the C1
// controls, the line and paragraph separators, the byte order mark, U+FFFE, U+FFFF.
bool NeedsEscape(absl::string_view character, int* code_point) {
  auto at = [&](size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 2) {
    *code_point = (at(0) & 0x1f) << 6 | (at(1) & 0x3f);
    return *code_point < 0xa0;
  }
  if (character.size() != 3) return false;
  *code_point = (at(0) & 0x0f) << 12 | (at(1) & 0x3f) << 6 | (at(2) & 0x3f);
  return *code_point == 0x2028 || *code_point == 0x2029 || *code_point == 0xfeff ||
         *code_point >= 0xfffe;
}

void AppendWide(absl::string_view character, std::string* out) {
  int code_point = 0;
  if (NeedsEscape(character, &code_point)) {
    absl::StrAppendFormat(out, "\\u%04x", code_point);
  } else {
    absl::StrAppend(out, character);
  }
}

class Writer {
 public:
  explicit Writer(JsonStyle style) : pretty_(style == JsonStyle::kPretty) {}

  std::string Take() { return std::move(out_); }

  void Write(const Node& node, int depth) {
    switch (node.type) {
      case Node::Type::kNull:
        out_ += "null";
        return;
      case Node::Type::kLiteral:
        out_ += node.text;
        return;
      case Node::Type::kString:
        out_ += JsonQuote(node.text);
        return;
      case Node::Type::kList:
        return WriteList(node, depth);
      case Node::Type::kObject:
        return WriteObject(node, depth);
    }
  }

 private:
  void WriteList(const Node& node, int depth) {
    out_ += '[';
    for (size_t i = 0; i < node.items.size(); ++i) {
      Separate(i, depth + 1);
      Write(node.items[i], depth + 1);
    }
    Close(']', node.items.empty(), depth);
  }

  void WriteObject(const Node& node, int depth) {
    out_ += '{';
    for (size_t i = 0; i < node.fields.size(); ++i) {
      Separate(i, depth + 1);
      absl::StrAppend(&out_, JsonQuote(node.fields[i].first), pretty_ ? ": " : ":");
      Write(node.fields[i].second, depth + 1);
    }
    Close('}', node.fields.empty(), depth);
  }

  void Separate(size_t index, int depth) {
    if (index > 0) out_ += ',';
    Break(depth);
  }

  void Close(char bracket, bool empty, int depth) {
    if (!empty) Break(depth);
    out_ += bracket;
  }

  void Break(int depth) {
    if (pretty_) out_.append(1, '\n').append(static_cast<size_t>(depth) * 2, ' ');
  }

  const bool pretty_;
  std::string out_;
};

}  // namespace

std::string ToJson(const Node& node, JsonStyle style) {
  Writer writer(style);
  writer.Write(node, 0);
  return writer.Take();
}

std::string JsonQuote(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    size_t size = CharacterSize(text);
    if (size == 0) {
      out += "\xef\xbf\xbd";
    } else if (size == 1) {
      AppendAscii(text[0], &out);
    } else {
      AppendWide(text.substr(0, size), &out);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out += '"';
}

bool IsUtf8(absl::string_view text) {
  while (!text.empty()) {
    size_t size = CharacterSize(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace vx::client
