// Names inside a container's folder, ROOT/ID. For containers of vx this is also
// the shim's folder, which knows the last two (plugins/shim/protocol.h).
#pragma once

namespace vx::container {

inline constexpr char kStateFile[] = "state.json";
inline constexpr char kPidFile[] = "init.pid";
inline constexpr char kStartFifo[] = "start";

}  // namespace vx::container
