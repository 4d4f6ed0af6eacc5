// vxctl's stdin and terminal, as those of a workload's own command.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/cli/own_input.h"
#include "client/cli/own_terminal.h"
#include "client/lib/connection.h"

namespace vx::cli {

struct Attachment {
  // What is typed goes to the command.
  bool stdin = false;
  // The command is on a terminal; with `stdin`, ours is raw meanwhile.
  bool tty = false;
  // It is the machine's console, in place of the command's streams. Who finds somebody
  // else typing there only watches, and is told so on stderr.
  bool console = false;
  DetachKeys keys{""};
  // SIGINT and SIGTERM are the workload's; else they end vxctl alone.
  bool signals = true;

  bool wanted() const { return stdin || tty; }
};

// Sends in threads of its own while it exists. Lives through a restart of the daemon,
// but for what was on its way then. What ends it is not told: the output says that.
class AttachedInput {
 public:
  // Borrows the connection. `on_detach` is called from another thread.
  AttachedInput(client::Connection* connection, std::string uid, Attachment attachment,
                std::function<void()> on_detach);
  ~AttachedInput();

  // The terminal has another size now.
  void Resize();

 private:
  using Stream = client::Duplex<v1::AttachRequest, v1::AttachResponse>;

  std::shared_ptr<Stream> Open() const;
  // Reads, and opens the stream again when the connection was lost.
  void Follow();
  // Why the stream ended; what is typed from then on is dropped where one may watch.
  void NoteEnd(const absl::Status& end);
  // False when the command takes no more.
  bool Send(const v1::AttachRequest& request);

  client::Connection* const connection_;
  const std::string uid_;
  const Attachment attachment_;

  absl::Mutex mutex_;
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  // Counts the streams; 0 once there is to be no other.
  int generation_ ABSL_GUARDED_BY(mutex_) = 1;
  // Somebody else types: only the detach keys count.
  bool watches_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Mutex write_mutex_;

  std::optional<RawTerminal> raw_;
  std::thread reader_;
  std::optional<OwnInput> input_;
};

}  // namespace vx::cli
