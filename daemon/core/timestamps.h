// absl's times and google.protobuf's.
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace vx::core {
namespace internal {

// Both messages are seconds and nanoseconds, these never negative.
template <typename Proto>
Proto Parts(absl::Duration duration) {
  const absl::Duration whole = absl::Floor(duration, absl::Seconds(1));
  Proto proto;
  proto.set_seconds(absl::ToInt64Seconds(whole));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration - whole)));
  return proto;
}

template <typename Proto>
absl::Duration Sum(const Proto& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace internal

inline google::protobuf::Timestamp ToProto(absl::Time time) {
  return internal::Parts<google::protobuf::Timestamp>(time - absl::UnixEpoch());
}

inline absl::Time FromProto(const google::protobuf::Timestamp& proto) {
  return absl::UnixEpoch() + internal::Sum(proto);
}

// Of what is not negative.
inline google::protobuf::Duration ToProto(absl::Duration duration) {
  return internal::Parts<google::protobuf::Duration>(duration);
}

inline absl::Duration FromProto(const google::protobuf::Duration& proto) {
  return internal::Sum(proto);
}

}  // namespace vx::core
