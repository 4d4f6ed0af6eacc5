// What vx-shim, the drivers and vx-agent agree on: the shim's folder, its control
// socket, and the frames between shim and agent.
//
// Plain C++ without a library: the shim and the agent are static programs that
// count every kilobyte.
#pragma once

#include <cstdint>

namespace vx::shim {

// --- Files in the shim's folder (in the driver's runtime folder, mode 0700). ---

inline constexpr char kControlSocket[] = "control";   // SOCK_SEQPACKET, from the driver
inline constexpr char kOutputSocket[] = "output";     // vm: QEMU's virtio port connects here
inline constexpr char kConsoleSocket[] = "console";   // vm: QEMU's serial console connects here
inline constexpr char kConfigFile[] = "config";       // vm: sent to the agent as it is
inline constexpr char kExitRecord[] = "exit";         // how the run ended; see ExitRecord
inline constexpr char kInitPid[] = "init.pid";        // container: written by the runtime
inline constexpr char kStartFifo[] = "start";         // container: one byte lets init go

// --- Descriptors that are handed on. ---

// To vx-shim: where it says "R" once the run is created, or what is wrong in text;
// nothing before the end-of-file: it died.
inline constexpr int kReadyFd = 3;
// To the runtime, beside the container's output on 1 and 2: where it complains...
inline constexpr int kRuntimeErrorFd = 3;
// ...and where init writes errno (an int32_t) when the command can't be run; the
// end-of-file says that it runs.
inline constexpr int kRuntimeExecFd = 4;
// With --tty: a unix socket on which the runtime sends the master of the command's
// terminal (OCI's console socket).
inline constexpr int kRuntimeConsoleFd = 5;

// --- The control socket: one ControlRequest, one ControlReply, in packets. ---
//
// Only peers of uid 0 (or the shim's own uid) are served. Several connections at
// once are fine. The shim ends when the run has ended, its output is written and
// its exit record is in place; connections then see end-of-file.

enum class ControlVerb : uint32_t {
  kStatus = 1,
  // Container: lets init go. VM: nothing, the guest goes by itself. Both: replies
  // when the command was started or could not be.
  kStart = 2,
  // Sends `argument` as a signal to the command.
  kSignal = 3,
  // VM: the machine is gone. What is still on its way from it is written first, for
  // a few seconds at most. If the agent sent no exit, the run ends as lost; its
  // driver knows whether that was by wish.
  kMachineGone = 4,
  // The connection is for the command's input from now on: packets of an InputHeader and
  // at most kMaxInput bytes, which are not answered. EOPNOTSUPP when the run has none.
  kInput = 5,
  // VM: the connection is for what is typed on the serial console from now on: packets as
  // of kInput, of which only kData counts. EBUSY while another connection is; ESRCH once
  // the command has ended.
  kConsoleInput = 6,
};

// In a console's log, on stream 2, which no guest can write: a machine's life begins.
inline constexpr char kConsoleBegins[] = "vx: the machine is switched on";

enum class RunState : uint32_t {
  kStarting = 0,  // container: runtime at work; vm: agent not heard of
  kCreated = 1,   // container: init waits at its fifo; vm: sockets listen
  kRunning = 2,   // the command was started
  kExited = 3,
};

struct ControlRequest {
  ControlVerb verb;
  int32_t argument;
};

enum class InputType : uint8_t {
  kData = 1,
  // The input's end, for everybody; with a terminal: as if Ctrl-D was typed.
  kEnd = 2,
  // The terminal's size: InputSize.
  kSize = 3,
};

struct InputHeader {
  InputType type;
};

struct InputSize {
  uint16_t columns;
  uint16_t rows;
};

inline constexpr uint32_t kMaxInput = 4096;
// VM: bytes of input that may be on their way before the command takes them.
inline constexpr uint32_t kInputRoom = 64 * 1024;

// Nanoseconds since the guest's kernel started.
struct __attribute__((packed)) StartedFrame {
  uint64_t agent;    // when the agent began
  uint64_t ready;    // when the guest was ready for the command
  uint64_t command;  // when the command was started
};

struct ControlReply {
  // 0, or the errno of why the request failed (ESRCH: nothing runs).
  int32_t error;
  // kStart: errno of the exec when the command could not be run.
  int32_t exec_error;
  RunState state;
  // The container's init; 0 for a vm.
  int32_t init_pid;
  // Of a vm, once it runs. Shims of earlier releases end before.
  StartedFrame started;
  // 1 once the guest's agent has said hello.
  uint32_t greeted;
};

// What every shim sends of a ControlReply.
inline constexpr uint32_t kLeastControlReply = 16;

// --- The exit record: one line of text "key=value key=value\n". ---
//
//   code       as a shell would say; -1 not known
//   signal     0 when none
//   oom        1 when the guest's out-of-memory killer ended it (vm; a container's
//              driver asks the cgroup)
//   exec_errno 0, or why the command could not be started
//   time_ns    CLOCK_REALTIME
//   lost       1 when the end was not seen by the shim (machine or agent gone)

// Values of exec_errno that no exec gives (EUSERS, EBADFD): the image has no such
// user or group; the working directory can't be made or entered.
inline constexpr int kErrnoNoUser = 87;
inline constexpr int kErrnoWorkingDir = 77;
// EPROTO: what the command runs in could not be set up. The runtime's exec says why in
// text, a guest's agent on the console.
inline constexpr int kErrnoSetUp = 71;

// --- Frames on the output port, both ways: FrameHeader, then `length` bytes. ---

enum class FrameType : uint8_t {
  // Agent to shim.
  kHello = 1,    // uint32_t protocol version, then text; the shim answers with kConfig
  kStdout = 2,   // bytes
  kStderr = 3,   // bytes
  kStarted = 4,  // StartedFrame: the command was started
  kExit = 5,     // ExitFrame; nothing of the agent's comes after
  kRoom = 6,     // uint32_t: the command has taken so many more bytes of input
  // Shim to agent.
  kConfig = 16,  // bytes of kConfigFile
  kSignal = 17,  // int32_t
  kInput = 18,   // InputHeader, then what belongs to it; data only as far as there is room
};

inline constexpr uint32_t kAgentProtocolVersion = 1;
// A longer frame is an error that ends the connection: the guest is not trusted.
inline constexpr uint32_t kMaxFrame = 64 * 1024;
// kConfig alone may be this long.
inline constexpr uint32_t kMaxConfig = 1024 * 1024;

// Little-endian, as everything here runs on little-endian machines.
struct __attribute__((packed)) FrameHeader {
  FrameType type;
  uint32_t length;
};

struct __attribute__((packed)) ExitFrame {
  int32_t code;
  int32_t signal;
  int32_t oom;
  int32_t exec_errno;
};

// Name of the virtio-serial port.
inline constexpr char kOutputPort[] = "org.vx.output.0";

}  // namespace vx::shim
