#include "client/lib/tree.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/reflection.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "client/lib/json.h"
#include "client/lib/units.h"

namespace vx::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// "ExitReason" is "EXIT_REASON_".
std::string EnumPrefix(absl::string_view type) {
  std::string prefix;
  for (size_t i = 0; i < type.size(); ++i) {
    if (i > 0 && absl::ascii_isupper(type[i])) prefix += '_';
    prefix += absl::ascii_toupper(type[i]);
  }
  return prefix + '_';
}

Node FromDouble(double value) {
  if (std::isfinite(value)) return Node::Literal(FormatNumber(value));
  return Node::String(std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity");
}

Node FromBool(bool value) { return Node::Literal(value ? "true" : "false"); }

Node FromEnum(const google::protobuf::EnumDescriptor& type, int number) {
  if (type.FindValueByNumber(number) == nullptr) return Node::Literal(absl::StrCat(number));
  return Node::String(EnumWordOf(type, number));
}

Node FromText(const FieldDescriptor& field, const std::string& value) {
  bool text = field.type() != FieldDescriptor::TYPE_BYTES || IsUtf8(value);
  return Node::String(text ? value : absl::Base64Escape(value));
}

// Fraction of a second as ".5", as long as it must be.
std::string Fraction(int nanos) {
  if (nanos == 0) return "";
  std::string digits = absl::StrFormat(".%09d", std::abs(nanos));
  digits.resize(digits.find_last_not_of('0') + 1);
  return digits;
}

Node FromTimestamp(const Message& message) {
  google::protobuf::Timestamp value;
  value.CopyFrom(message);
  absl::Time time = absl::FromUnixSeconds(value.seconds());
  return Node::String(absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%S", time, absl::UTCTimeZone()),
                                   Fraction(value.nanos()), "Z"));
}

Node FromDuration(const Message& message) {
  google::protobuf::Duration value;
  value.CopyFrom(message);
  bool negative = value.seconds() < 0 || value.nanos() < 0;
  return Node::String(
      absl::StrCat(negative ? "-" : "", std::abs(value.seconds()), Fraction(value.nanos()), "s"));
}

Node FromFields(const Message& message);

Node FromAny(const Message& message) {
  google::protobuf::Any any;
  any.CopyFrom(message);
  std::string name = any.type_url().substr(any.type_url().rfind('/') + 1);
  const Descriptor* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name);
  if (type == nullptr) return FromFields(message);
  std::unique_ptr<Message> packed(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  if (!packed->ParseFromString(any.value())) return FromFields(message);
  Node node = ToTree(*packed);
  node.fields.insert(node.fields.begin(), {"@type", Node::String(name)});
  return node;
}

Node FromScalar(const Message& message, const FieldDescriptor& field) {
  const Reflection& r = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Node::Literal(absl::StrCat(r.GetInt32(message, &field)));
    case FieldDescriptor::CPPTYPE_INT64:
      return Node::Literal(absl::StrCat(r.GetInt64(message, &field)));
    case FieldDescriptor::CPPTYPE_UINT32:
      return Node::Literal(absl::StrCat(r.GetUInt32(message, &field)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return Node::Literal(absl::StrCat(r.GetUInt64(message, &field)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return FromDouble(r.GetDouble(message, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FromDouble(r.GetFloat(message, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return FromBool(r.GetBool(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return FromEnum(*field.enum_type(), r.GetEnumValue(message, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return FromText(field, r.GetString(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToTree(r.GetMessage(message, &field));
  }
  return Node::Null();
}

Node FromElement(const Message& message, const FieldDescriptor& field, int i) {
  const Reflection& r = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return Node::Literal(absl::StrCat(r.GetRepeatedInt32(message, &field, i)));
    case FieldDescriptor::CPPTYPE_INT64:
      return Node::Literal(absl::StrCat(r.GetRepeatedInt64(message, &field, i)));
    case FieldDescriptor::CPPTYPE_UINT32:
      return Node::Literal(absl::StrCat(r.GetRepeatedUInt32(message, &field, i)));
    case FieldDescriptor::CPPTYPE_UINT64:
      return Node::Literal(absl::StrCat(r.GetRepeatedUInt64(message, &field, i)));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return FromDouble(r.GetRepeatedDouble(message, &field, i));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return FromDouble(r.GetRepeatedFloat(message, &field, i));
    case FieldDescriptor::CPPTYPE_BOOL:
      return FromBool(r.GetRepeatedBool(message, &field, i));
    case FieldDescriptor::CPPTYPE_ENUM:
      return FromEnum(*field.enum_type(), r.GetRepeatedEnumValue(message, &field, i));
    case FieldDescriptor::CPPTYPE_STRING:
      return FromText(field, r.GetRepeatedString(message, &field, i));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ToTree(r.GetRepeatedMessage(message, &field, i));
  }
  return Node::Null();
}

Node FromMap(const Message& message, const FieldDescriptor& field) {
  std::map<std::string, Node> sorted;
  const FieldDescriptor* key = field.message_type()->map_key();
  const FieldDescriptor* value = field.message_type()->map_value();
  for (int i = 0; i < message.GetReflection()->FieldSize(message, &field); ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    sorted[FromScalar(entry, *key).text] = FromScalar(entry, *value);
  }
  Node node = Node::Object();
  for (auto& [name, child] : sorted) node.fields.emplace_back(name, std::move(child));
  return node;
}

Node FromList(const Message& message, const FieldDescriptor& field) {
  Node node = Node::List();
  int size = message.GetReflection()->FieldSize(message, &field);
  for (int i = 0; i < size; ++i) node.items.push_back(FromElement(message, field, i));
  return node;
}

Node FromField(const Message& message, const FieldDescriptor& field) {
  if (field.is_map()) return FromMap(message, field);
  if (field.is_repeated()) return FromList(message, field);
  if (field.has_presence() && !message.GetReflection()->HasField(message, &field))
    return Node::Null();
  return FromScalar(message, field);
}

Node FromFields(const Message& message) {
  Node node = Node::Object();
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    node.fields.emplace_back(field.json_name(), FromField(message, field));
  }
  return node;
}

}  // namespace

Node Node::Literal(std::string text) { return {Type::kLiteral, std::move(text), {}, {}}; }
Node Node::String(std::string text) { return {Type::kString, std::move(text), {}, {}}; }
Node Node::List() { return {Type::kList, "", {}, {}}; }
Node Node::Object() { return {Type::kObject, "", {}, {}}; }

Node ToTree(const Message& message) {
  switch (message.GetDescriptor()->well_known_type()) {
    case Descriptor::WELLKNOWNTYPE_TIMESTAMP:
      return FromTimestamp(message);
    case Descriptor::WELLKNOWNTYPE_DURATION:
      return FromDuration(message);
    case Descriptor::WELLKNOWNTYPE_ANY:
      return FromAny(message);
    default:
      return FromFields(message);
  }
}

std::string EnumWord(const google::protobuf::EnumValueDescriptor& value) {
  std::string prefix = EnumPrefix(value.type()->name());
  absl::string_view name = absl::StripPrefix(value.name(), prefix);
  if (name == "UNSPECIFIED") return "";
  return absl::StrReplaceAll(absl::AsciiStrToLower(name), {{"_", "-"}});
}

std::string EnumWordOf(const google::protobuf::EnumDescriptor& type, int number) {
  const auto* value = type.FindValueByNumber(number);
  return value == nullptr ? absl::StrCat(number) : EnumWord(*value);
}

const Node* Find(const Node& root, absl::string_view path) {
  const Node* node = &root;
  while (!path.empty()) {
    // A map's keys may hold dots: the longest name that fits wins.
    const Node* next = nullptr;
    absl::string_view rest;
    for (const auto& [name, child] : node->fields) {
      absl::string_view tail = path;
      if (!absl::ConsumePrefix(&tail, name)) continue;
      if (!tail.empty() && !absl::ConsumePrefix(&tail, ".")) continue;
      if (next == nullptr || tail.size() < rest.size()) {
        next = &child;
        rest = tail;
      }
    }
    if (next == nullptr) return nullptr;
    node = next;
    path = rest;
  }
  return node;
}

std::string ToText(const Node& node) {
  switch (node.type) {
    case Node::Type::kNull:
      return "";
    case Node::Type::kLiteral:
    case Node::Type::kString:
      return node.text;
    default:
      return ToJson(node, JsonStyle::kLine);
  }
}

}  // namespace vx::client
