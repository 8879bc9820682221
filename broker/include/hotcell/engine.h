// libhotcell: convert, inspect and run what nobody should trust, in a KVM guest that a confined
// worker process owns.
//
//   absl::StatusOr<hotcell::Engine> engine = hotcell::Engine::Create({});
//   hotcell::ConvertRequest request;
//   request.source.fd = image_fd;
//   request.target_fd = output_fd;
//   request.target_format = "raw";
//   absl::StatusOr<hotcell::ConvertReply> reply = engine->Convert(request);
//
// Resource limits of the process hold for its workers too. An RLIMIT_CPU that a worker uses up, or
// another limit that leaves a job too little, is an error that names it. How a worker died that the
// process itself has reaped, by waitpid(-1) or by ignoring SIGCHLD, is known since Linux 6.15 only.
//
// An Engine may be used by many threads at once. Each call runs one job in one new worker. When it
// returns, no thread of the job is left and nothing touches its files any more; the worker has been
// killed, but the kernel takes up to 20 ms to destroy its VM, and the call does not wait for that.
// At most eight such processes, dead or dying, and a descriptor for each belong to an Engine: they
// are reaped when later jobs start, by ReapWorkers(), and by the Engine's destructor.
//
// Callbacks run on the thread of the call, but for ExtentFileOpener and InspectFirst::judge, which
// run on one of the job's while the call waits. An exception that one throws ends the job, and
// leaves the call as if it had come from there. What one does takes of the job's time, and nobody
// ends it: see Limits::wall_time.
//
// An Engine's destructor waits for the calls that other threads have under way, which it does not
// end: cancel them first. A callback may use the Engine of its job, and not destroy it: that ends
// the process with a message. Nor may an Engine be moved while it is in use.
//
// After fork() the child may use the Engine as well, and each process destroys its own. Workers
// belong to the process that has started them: a child's jobs start theirs, whatever the pool
// holds, and nothing that the child does touches its parent's. Until it executes another program,
// or ends, a child keeps descriptors of its parent's jobs, and none of their memory. It may not
// return from a callback that forked.
#ifndef HOTCELL_ENGINE_H_
#define HOTCELL_ENGINE_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "hotcell/options.h"
#include "hotcell/replies.h"
#include "hotcell/requests.h"

namespace hotcell {

class Engine {
 public:
  // Opens the worker program and /dev/kvm. Errors name which of them failed and the remedy.
  static absl::StatusOr<Engine> Create(const EngineOptions& options);

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();

  absl::StatusOr<ConvertReply> Convert(const ConvertRequest& request) const;
  absl::StatusOr<ConvertReply> CreateImage(const CreateRequest& request) const;
  absl::StatusOr<InfoReply> Info(const InfoRequest& request) const;
  // An error when the images were not both opened.
  absl::StatusOr<CompareReply> Compare(const CompareRequest& request) const;
  // The SHA-256 of the disk, the same in every format.
  absl::StatusOr<DigestReply> Digest(const DigestRequest& request) const;
  // Opens no file that the image refers to. An image that is damaged is no error.
  absl::StatusOr<CheckReply> Check(const CheckRequest& request) const;
  // Opens no file that the image refers to. That it cannot be opened as an image is no error.
  absl::StatusOr<InspectReply> Inspect(const InspectRequest& request) const;
  // What is found is kept in a file without a name, below $TMPDIR or /tmp, until it is handed on;
  // in memory where there are no such files. A $TMPDIR that cannot be used is a warning.
  absl::StatusOr<MapReply> Map(const MapRequest& request) const;
  absl::StatusOr<MeasureReply> Measure(const MeasureRequest& request) const;
  // These change the image in place.
  absl::StatusOr<ResizeReply> Resize(const ResizeRequest& request) const;
  absl::StatusOr<RebaseReply> Rebase(const RebaseRequest& request) const;
  // The status is an error when the guest could not be run; how a guest ended is in
  // RunReply::worker.end.
  absl::StatusOr<RunReply> Run(const RunRequest& request) const;

  // Waits until no worker of an ended job is left, but no longer than `at_most`: for what they used
  // (RUSAGE_CHILDREN), or before the process ends, where whoever takes over its children does not
  // reap them. Whether none is left.
  bool ReapWorkers(absl::Duration at_most = absl::InfiniteDuration()) const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace hotcell

#endif  // HOTCELL_ENGINE_H_
