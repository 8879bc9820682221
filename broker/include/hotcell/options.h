// What holds for a job, whichever it is, and for an engine.
#ifndef HOTCELL_OPTIONS_H_
#define HOTCELL_OPTIONS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "hotcell/layers.h"
#include "hotcell/limits.h"

namespace hotcell {

// Asks a running job to stop, from any thread or from a signal handler.
class Cancellation {
 public:
  Cancellation();
  ~Cancellation();
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Async-signal-safe. The job ends with absl::StatusCode::kCancelled.
  void Cancel();
  // An eventfd that is readable once Cancel() was called. Owned by this object.
  int fd() const { return fd_; }

 private:
  int fd_;
};

// Common to all jobs.
struct JobOptions {
  Limits limits;
  const Cancellation* cancellation = nullptr;  // not owned; may be null
  // Bytes of virtual disk done and in all (0: not known yet); called about ten times a second and
  // once at the end, on the thread that called Convert().
  std::function<void(uint64_t done, uint64_t total)> progress;
  // Layers without which the job is refused, besides seccomp, no_new_privs and closed descriptors,
  // which are always required.
  std::vector<Layer> required_layers;
  // A file that changed while it was read (WorkerReport::changed_files) is an error,
  // kFailedPrecondition, and not only a warning.
  bool fail_if_changed = false;
};

// The cache modes of qemu-img. kUnsafe never syncs, kNone and kWriteback do at the end; with
// kDirectSync and kWriteThrough each write is synchronous. kNone and kDirectSync use O_DIRECT: the
// descriptor is opened again through /proc/self/fd, with the caller's rights. A file system without
// O_DIRECT is kFailedPrecondition. Of a source, and of the files it refers to, only O_DIRECT
// matters.
enum class CacheMode { kNone, kWriteback, kUnsafe, kDirectSync, kWriteThrough };

// Workers that wait for a job, so that no job waits for a worker: confined, with a VM of their own,
// the transcoder booted. Each serves one job and is replaced. One takes a process, some 3 MiB of
// memory, and five descriptors here and two more for each lane. A job that finds none ready, or
// wants other limits, starts its own, and so does one whose worker turns out to have been killed or
// stopped while it waited.
struct PoolOptions {
  uint32_t info_workers = 0;     // for Info(), and for Convert() of images that are next to empty
  uint32_t convert_workers = 0;  // for Convert()
  uint32_t lanes = 0;            // of convert_workers; 0: as ConvertRequest::lanes
  // guest_memory, cpu_time and report_bytes are those of the jobs to be served; the rest is not
  // looked at.
  Limits limits;
};

struct EngineOptions {
  // The worker program. Empty: `hotcell-worker` beside the running program, else
  // ../libexec/hotcell/hotcell-worker.
  std::string worker_path;
  std::string kvm_path = "/dev/kvm";
  // The pool of waiting workers. Where there is one, a thread of the engine's starts its workers,
  // and reaps those that ended.
  PoolOptions pool;
};

}  // namespace hotcell

#endif  // HOTCELL_OPTIONS_H_
