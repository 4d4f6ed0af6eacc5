// A protobuf message as a tree of values, the one form that the JSON, YAML and
// CSV writers and the tables' field columns work on.
//
// What vxctl promises to scripts is decided here, by reflection:
//   names        lowerCamelCase
//   enumerations short lower-case words: KIND_CONTAINER is "container",
//                RESTART_POLICY_ON_FAILURE "on-failure", …_UNSPECIFIED ""; a
//                number that this build does not know is printed as a number
//   integers     numbers, 64-bit ones too; doubles in their shortest form
//   Timestamp    RFC 3339 in UTC, as precise as it is; Duration "10s", "0.5s"
//   bytes        text where they are valid UTF-8, else base64
//   maps         objects, sorted by key
//   Any          the packed message with an "@type" before its fields, when the
//                type is known here
//   empty        strings, lists and objects, false and zero are printed; what has
//                presence and is not set (messages, `optional` scalars) is null
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace vx::client {

struct Node {
  // kLiteral is printed as it is: a number, true, false.
  enum class Type { kNull, kLiteral, kString, kList, kObject };

  Type type = Type::kNull;
  std::string text;                                  // kLiteral, kString
  std::vector<Node> items;                           // kList
  std::vector<std::pair<std::string, Node>> fields;  // kObject, in the order of the proto

  static Node Null() { return {}; }
  static Node Literal(std::string text);
  static Node String(std::string text);
  static Node List();
  static Node Object();
};

Node ToTree(const google::protobuf::Message& message);

// "EXIT_REASON_OOM" of ExitReason is "oom".
std::string EnumWord(const google::protobuf::EnumValueDescriptor& value);

// The word of an enumeration's value: EnumText(v1::STATE_RUNNING) is "running".
template <typename Enum>
std::string EnumText(Enum value);

// The node at a dotted path of printed names ("status.exit.code", "labels.team"),
// or nullptr.
const Node* Find(const Node& root, absl::string_view path);

// One line for people and for CSV: literals and strings as they are, null is
// empty, the rest JSON.
std::string ToText(const Node& node);

std::string EnumWordOf(const google::protobuf::EnumDescriptor& type, int number);

template <typename Enum>
std::string EnumText(Enum value) {
  return EnumWordOf(*google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

}  // namespace vx::client
