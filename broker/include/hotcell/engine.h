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
// Callbacks run on the thread of the call, but for ExtentOpener and InspectFirst::judge, which run
// on one of the job's while the call waits. An exception that one throws ends the job, and leaves
// the call as if it had come from there. What one does takes of the job's time, and nobody ends it:
// see Limits::wall_time.
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

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/file_identity.h"
#include "hotcell/limits.h"
#include "hotcell/references.h"
#include "protos/control.pb.h"
#include "protos/report.pb.h"

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

// When a job came to its steps, counted from the call. `confined` and `ready` are when the broker
// heard of it, and zero for a worker from the pool, which had both behind it.
struct JobTimes {
  absl::Duration spawned;   // the worker's program has been executed, or a ready worker taken
  absl::Duration confined;  // namespaces, layers and the filter for set-up are in place
  absl::Duration ready;     // the VM is made, the filter for the run in place
  absl::Duration finished;  // the guest has run, which includes loading it
  absl::Duration stopped;   // the worker is killed, the broker's I/O threads have ended
};

// A file whose size or times changed while it was read.
struct ChangedFile {
  std::string name;  // quoted
  // Only its change time did: its attributes or names are others, or somebody has written to it and
  // set its modification time back.
  bool attributes_only = false;
};

// Confinement layers a worker has, as it reports them, and how it ended.
struct WorkerReport {
  std::vector<v1::LayerResult> layers;
  int32_t pid = 0;  // as the broker sees it
  v1::Finished finished;
  JobTimes times;
  uint64_t doorbells = 0;   // wake-ups of the broker by the guest
  uint64_t bytes_read = 0;  // from files, served to the guest
  uint64_t bytes_written = 0;
  uint64_t requests = 0;
  // Files that were read, the image's references included, and changed meanwhile. What the job
  // made of them may be of both contents. There is a warning of each. Of devices nothing is known.
  std::vector<ChangedFile> changed_files;
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
  std::vector<v1::Layer> required_layers;
  // A file that changed while it was read (WorkerReport::changed_files) is an error,
  // kFailedPrecondition, and not only a warning.
  bool fail_if_changed = false;
};

struct ImageSource {
  int fd = -1;         // readable; regular file or block device; not owned
  std::string name;    // for messages; never opened
  std::string format;  // empty: probe, in the guest
};

// As qemu-img's. kUnsafe never syncs, kNone and kWriteback do at the end; with kDirectSync and
// kWriteThrough each write is synchronous. kNone and kDirectSync use O_DIRECT: the descriptor is
// opened again through /proc/self/fd, with the caller's rights. A file system without O_DIRECT is
// kFailedPrecondition. Of a source, and of the files it refers to, only O_DIRECT matters.
enum class CacheMode { kNone, kWriteback, kUnsafe, kDirectSync, kWriteThrough };

// What a new image is to stand on. The name goes into its header as it is; nothing is opened.
struct TargetBase {
  static constexpr uint64_t kUnknownSize = UINT64_MAX;

  std::string name;
  std::string format;
  uint64_t size = kUnknownSize;  // bytes of its disk
};

// A part of a disk, bytes. What lies past the disk's end is left out.
struct DiskWindow {
  uint64_t begin = 0;
  uint64_t end = UINT64_MAX;
};

// A file for a part of the target. The descriptor, open for reading and writing, is not owned and
// stays open until Convert() has returned; the name is for messages.
struct ExtentFile {
  int fd = -1;
  std::string name;
  std::optional<FileIdentity> replaces = {};  // as ConvertRequest::target_replaces
};
// Makes the file of extent `number`. Called once for each, from 0 on, on a thread of the job.
using ExtentOpener = std::function<absl::StatusOr<ExtentFile>(uint32_t number)>;

struct InspectReply;

// Looks at the image before it is converted, in the same job: what is judged is what is converted.
// Nothing is written before `judge` has said OK, the target keeps what is in it, and no file that
// the image names is opened, whatever the guest does. Whoever can write to the source while it is
// read can still give one reader this and another that; Convert() fails when the file's size or
// times show it.
struct InspectFirst {
  bool check = true;  // as InspectRequest's
  // Called once, on a thread of the job, with a reply whose `worker` says nothing. An error, such
  // as VerdictStatus() of verdict.h makes, ends the job and is Convert()'s.
  std::function<absl::Status(const InspectReply&)> judge;
};

struct ConvertRequest {
  ImageSource source;
  // Follow it on the target's disk, each rounded up to whole sectors of 512 bytes.
  std::vector<ImageSource> more_sources;
  std::optional<DiskWindow> window;  // of `source`, which is then alone
  // Readable and writable, and positioned anywhere; not owned. Convert() leaves it half-written
  // when it fails: callers that need all or nothing use OutputFile (output_file.h).
  int target_fd = -1;
  std::string target_name;  // for messages; never opened
  // The file that target_fd is about to take the place of (OutputFile::old_file()). The images may
  // not refer to it, as they may not refer to the target itself.
  std::optional<FileIdentity> target_replaces;
  std::string target_format = "raw";
  std::vector<std::pair<std::string, std::string>> target_options;  // -o
  bool compress = false;
  // -n: keep the size, bytes there may be anything. Without it a file is emptied, and what a block
  // device holds before the end of the new image is lost.
  bool target_is_existing = false;
  bool target_is_zero = false;  // with target_is_existing: its bytes are zero
  // The disk has to have this size, or the job fails before it writes anything; 0: any.
  uint64_t target_disk_size = 0;  // bytes
  // What `source` itself does not hold the target leaves to this image in turn.
  std::optional<TargetBase> target_backing;
  // An internal snapshot of the sources: the first of this id, or of this name where none has the
  // id; empty: as the next two say.
  std::string snapshot;
  // The first snapshot of this id, of this name, or of both; nullopt both: the active layer.
  std::optional<std::string> snapshot_id;
  std::optional<std::string> snapshot_name;
  uint64_t sparse_size = 4096;  // bytes; 0: allocate everything
  // Data that is in the source as it is goes to the target without passing through the guest, and
  // zeroes in it are not looked for. No effect with `compress`.
  bool copy_offload = false;
  // The target may consist of several files, as VMDKs of some subformats do. They share
  // Limits::output_bytes with it. Null: it is one file.
  ExtentOpener open_extent;
  // `source` is then alone.
  std::optional<InspectFirst> inspect;
  // 0: as many as there are CPUs in the affinity mask; one for a file that is next to empty.
  uint32_t lanes = 0;
  CacheMode target_cache = CacheMode::kUnsafe;
  CacheMode source_cache = CacheMode::kWriteback;
  ReferencePolicy references;
  JobOptions options;
};

struct ConvertReply {
  v1::ConvertResult result;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

// An image that holds nothing, or what its backing image holds.
struct CreateRequest {
  int target_fd = -1;       // as ConvertRequest's
  std::string target_name;  // for messages; never opened
  std::string target_format = "raw";
  std::vector<std::pair<std::string, std::string>> target_options;  // -o
  uint64_t size = 0;  // bytes of its disk; rounded up to whole sectors of 512
  std::optional<TargetBase> backing;
  ExtentOpener open_extent;  // as ConvertRequest's
  JobOptions options;
};

struct InfoRequest {
  ImageSource source;
  // Describe the images below it as well, which `references` must allow to be opened.
  bool backing_chain = false;
  ReferencePolicy references;
  JobOptions options = {.limits = {.wall_time = kLookTime}};
};

// An image below the one that was asked for.
struct BackingImage {
  v1::ImageInfo info;
  uint64_t allocated_size = 0;  // bytes that the file occupies on its file system
};

struct InfoReply {
  v1::ImageInfo info;
  std::vector<BackingImage> backing_chain;  // next first
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct CompareRequest {
  ImageSource first;
  ImageSource second;
  // Sizes have to be the same, and each byte has to be allocated, zero or compressed in both.
  bool strict = false;
  uint32_t lanes = 0;  // as ConvertRequest's
  CacheMode source_cache = CacheMode::kWriteback;
  ReferencePolicy references;  // of both
  JobOptions options;
};

struct CompareReply {
  v1::CompareResult result;
  // Why the comparison ended at result.offset() (OUTCOME_MAP_FAILED, OUTCOME_READ_FAILED).
  absl::Status failure;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct DigestRequest {
  ImageSource source;
  uint32_t lanes = 0;  // as ConvertRequest's
  CacheMode source_cache = CacheMode::kWriteback;
  ReferencePolicy references;
  JobOptions options;
};

struct DigestReply {
  v1::DigestResult result;  // sha256 has 32 bytes
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct CheckRequest {
  ImageSource source;
  CacheMode source_cache = CacheMode::kWriteback;
  ReferencePolicy references;  // of the further files of an image that consists of several
  JobOptions options = {.limits = {.wall_time = kSurveyTime}};
};

struct CheckReply {
  v1::CheckReport report;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct InspectRequest {
  ImageSource source;
  bool check = true;  // look at all of the image's tables
  JobOptions options = {.limits = {.wall_time = kLookTime}};
};

struct InspectReply {
  v1::Inspection inspection;
  // Why the image could not be opened, why its tables could not be read; OK: they could, or nobody
  // looked.
  absl::Status failure;
  absl::Status check_failure;
  uint64_t file_size = 0;  // bytes
  std::vector<std::string> warnings;
  WorkerReport worker;
};

// A run of a disk that is alike.
struct MapExtent {
  uint64_t start = 0;    // in the disk, bytes
  uint64_t length = 0;   // bytes
  uint32_t depth = 0;    // of the image that says what is there, 0 being the top one
  bool present = false;  // an image says so; otherwise it reads as zeroes for want of one
  bool zero = false;     // reads as zeroes
  bool data = false;     // bytes are stored
  bool compressed = false;
  std::optional<uint64_t> offset;  // of the bytes, or of the space for them, in the file, bytes
  // The file's name, in bytes that may be anything, as qemu-img has it: a file that an image names
  // is beside that image. Empty: no offset.
  std::string_view file;
};

struct MapRequest {
  ImageSource source;
  uint64_t begin = 0;            // first byte of the disk that is wanted
  uint64_t length = UINT64_MAX;  // bytes; what lies past the disk's end is left out
  // Called for each extent, without gaps from `begin` on, when the job has ended well. Neighbours
  // differ. An error ends Map(), which returns it.
  std::function<absl::Status(const MapExtent&)> extent;
  ReferencePolicy references;
  JobOptions options = {.limits = {.wall_time = kSurveyTime}};
};

struct MapReply {
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct MeasureRequest {
  ImageSource source;    // fd -1: a disk of `size` bytes that holds nothing
  uint64_t size = 0;     // bytes
  std::string snapshot;  // these three as ConvertRequest's
  std::optional<std::string> snapshot_id;
  std::optional<std::string> snapshot_name;
  std::string target_format = "raw";
  std::vector<std::pair<std::string, std::string>> target_options;  // -o
  bool target_has_backing = false;
  ReferencePolicy references;
  JobOptions options = {.limits = {.wall_time = kSurveyTime}};
};

struct MeasureReply {
  v1::MeasureResult result;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

// An image that is changed where it is, by its own format's rules and never in part: whenever a job
// ends or is killed, the image is sound and either what it was or what was asked for; what may be
// left is space in the file that nothing uses. Files that it names are not written.
struct EditedImage {
  int fd = -1;         // readable and writable; regular file or block device; not owned
  std::string name;    // for messages; never opened
  std::string format;  // empty: probe, in the guest
  // As ConvertRequest::target_cache. Order is kept whatever is chosen; with kUnsafe, a crash of the
  // machine may still leave an image that is damaged.
  CacheMode cache = CacheMode::kWriteback;
};

enum class SizeChange { kTo, kGrowBy, kShrinkBy };

// What is set aside of what a disk grows by: nothing; tables; tables and space on the file system;
// likewise.
enum class Preallocation { kOff, kMetadata, kFalloc, kFull };

// Nobody else may use the image meanwhile: callers that share it with others lock it.
struct ResizeRequest {
  EditedImage image;
  SizeChange change = SizeChange::kTo;
  uint64_t size = 0;    // bytes
  bool shrink = false;  // the disk may become smaller
  Preallocation preallocation = Preallocation::kOff;
  ReferencePolicy references;
  JobOptions options;
};

struct ResizeReply {
  v1::ResizeResult result;  // any outcome but OUTCOME_RESIZED: nothing was written
  std::vector<std::string> warnings;
  WorkerReport worker;
};

// Another file in the header of an image, as the one that it stands on. Nothing is opened and no
// data is moved: the caller knows that the new one holds the same, or moves what differs.
struct RebaseRequest {
  EditedImage image;
  std::string backing_name;  // as it goes into the header; empty: the image stands on none
  std::string backing_format;
  JobOptions options;
};

struct RebaseReply {
  v1::RebaseResult result;  // any outcome but OUTCOME_REBASED: nothing was written
  std::vector<std::string> warnings;
  WorkerReport worker;
};

// A bare-metal guest program (`hotcell run`).
struct RunReply;

struct RunRequest {
  std::string program;          // the file's bytes
  bool program_is_elf = false;  // as the caller says; the worker finds out
  v1::GuestMode mode = v1::GUEST_MODE_LONG;
  uint64_t load_address = 0;  // flat binaries
  uint64_t entry = 0;         // flat binaries; long-mode ELFs when not 0
  uint64_t memory_size = 0;   // bytes; 0: limits.guest_memory
  uint32_t vcpus = 1;
  std::string serial_input;
  std::string input;             // long mode: mapped read-only at ArenaHeader::input_offset
  uint64_t output_capacity = 0;  // bytes, at most limits.output_bytes; long mode
  bool log_dirty_pages = false;
  bool verbose = false;
  std::function<void(std::string_view)> serial_output;  // as it comes
  std::function<void(std::string_view)> trace;          // verbose: one line a call
  // What a guest left that a limit or a cancellation ended; Run() returns that error afterwards.
  std::function<void(const RunReply&)> stopped;
  JobOptions options;
};

struct RunReply {
  std::string output;  // what the guest left in the output area
  std::string panic;   // payload mode: the run-time's last words, escaped
  WorkerReport worker;
};

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
  // Where there is one, a thread of the engine's starts its workers, and reaps those that ended.
  PoolOptions pool;
};

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
  // RunReply::worker.finished.
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
