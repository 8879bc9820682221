// What an engine is asked for: a request for each of its calls. Descriptors in them are not owned
// and stay open until the call has returned; names are for messages, and nothing is opened by them.
#ifndef HOTCELL_REQUESTS_H_
#define HOTCELL_REQUESTS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/file_identity.h"
#include "hotcell/guest_end.h"
#include "hotcell/limits.h"
#include "hotcell/options.h"
#include "hotcell/references.h"

namespace hotcell {

struct InspectReply;
struct MapExtent;
struct RunReply;

struct SourceImage {
  int fd = -1;         // readable; regular file or block device; not owned
  std::string name;    // for messages; never opened
  std::string format;  // empty: probe, in the guest
};

// What a new image is to stand on. The name goes into its header as it is; nothing is opened.
struct BackingImage {
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
using ExtentFileOpener = std::function<absl::StatusOr<ExtentFile>(uint32_t number)>;

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
  SourceImage source;
  // Follow it on the target's disk, each rounded up to whole sectors of 512 bytes.
  std::vector<SourceImage> more_sources;
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
  bool target_exists = false;
  bool target_is_zero = false;  // with target_exists: its bytes are zero
  // The disk has to have this size, or the job fails before it writes anything; 0: any.
  uint64_t target_disk_size = 0;  // bytes
  // What `source` itself does not hold the target leaves to this image in turn.
  std::optional<BackingImage> target_backing;
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
  ExtentFileOpener open_extent_file;
  // `source` is then alone.
  std::optional<InspectFirst> inspect;
  // 0: as many as there are CPUs in the affinity mask; one for a file that is next to empty.
  uint32_t lanes = 0;
  CacheMode target_cache = CacheMode::kUnsafe;
  CacheMode source_cache = CacheMode::kWriteback;
  ReferencePolicy references;
  JobOptions options;
};

// An image that holds nothing, or what its backing image holds.
struct CreateRequest {
  int target_fd = -1;       // as ConvertRequest's
  std::string target_name;  // for messages; never opened
  std::string target_format = "raw";
  std::vector<std::pair<std::string, std::string>> target_options;  // -o
  uint64_t size = 0;  // bytes of its disk; rounded up to whole sectors of 512
  std::optional<BackingImage> backing;
  ExtentFileOpener open_extent_file;  // as ConvertRequest's
  JobOptions options;
};

struct InfoRequest {
  SourceImage source;
  // Describe the images below it as well, which `references` must allow to be opened.
  bool backing_chain = false;
  ReferencePolicy references;
  JobOptions options = {.limits = {.wall_time = kLookTime}};
};

struct CompareRequest {
  SourceImage first;
  SourceImage second;
  // Sizes have to be the same, and each byte has to be allocated, zero or compressed in both.
  bool strict = false;
  uint32_t lanes = 0;  // as ConvertRequest's
  CacheMode source_cache = CacheMode::kWriteback;
  ReferencePolicy references;  // of both
  JobOptions options;
};

struct DigestRequest {
  SourceImage source;
  uint32_t lanes = 0;  // as ConvertRequest's
  CacheMode source_cache = CacheMode::kWriteback;
  ReferencePolicy references;
  JobOptions options;
};

struct CheckRequest {
  SourceImage source;
  CacheMode source_cache = CacheMode::kWriteback;
  ReferencePolicy references;  // of the further files of an image that consists of several
  JobOptions options = {.limits = {.wall_time = kSurveyTime}};
};

struct InspectRequest {
  SourceImage source;
  bool check = true;  // look at all of the image's tables
  JobOptions options = {.limits = {.wall_time = kLookTime}};
};

struct MapRequest {
  SourceImage source;
  uint64_t begin = 0;            // first byte of the disk that is wanted
  uint64_t length = UINT64_MAX;  // bytes; what lies past the disk's end is left out
  // Called for each extent, without gaps from `begin` on, when the job has ended well. Neighbours
  // differ. An error ends Map(), which returns it.
  std::function<absl::Status(const MapExtent&)> extent;
  ReferencePolicy references;
  JobOptions options = {.limits = {.wall_time = kSurveyTime}};
};

struct MeasureRequest {
  SourceImage source;    // fd -1: a disk of `size` bytes that holds nothing
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

// An image that is changed where it is, by its own format's rules and never in part: whenever a job
// ends or is killed, the image is sound and either what it was or what was asked for; what may be
// left is space in the file that nothing uses. Files that it names are not written.
struct EditedImage {
  int fd = -1;         // readable and writable; regular file or block device; not owned
  std::string name;    // for messages; never opened
  std::string format;  // empty: probe, in the guest
  // How the image is written, as ConvertRequest::target_cache for a target. Order is kept whatever
  // is chosen; with kUnsafe, a crash of the machine may still leave an image that is damaged.
  CacheMode cache = CacheMode::kWriteback;
};

enum class SizeChange { kTo, kGrowBy, kShrinkBy };

// What is set aside of what a disk grows by: nothing; tables; with kFalloc and with kFull, tables
// and space on the file system.
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

// Another file in the header of an image, as the one that it stands on. Nothing is opened and no
// data is moved: the caller knows that the new one holds the same, or moves what differs.
struct RebaseRequest {
  EditedImage image;
  std::string backing_name;  // as it goes into the header; empty: the image stands on none
  std::string backing_format;
  JobOptions options;
};

// A bare-metal guest program (`hotcell run`).
struct RunRequest {
  std::string program;          // the file's bytes
  bool program_is_elf = false;  // as the caller says; the worker finds out
  GuestMode mode = GuestMode::kLong;
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

}  // namespace hotcell

#endif  // HOTCELL_REQUESTS_H_
