// What an engine answers: a reply for each of its calls, and what each of them says of its worker.
#ifndef HOTCELL_REPLIES_H_
#define HOTCELL_REPLIES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "hotcell/guest_end.h"
#include "hotcell/image_info.h"
#include "hotcell/layers.h"

namespace hotcell {

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
  // Only its change time is another: its attributes or names are others, or somebody has written to
  // it and set its modification time back.
  bool attributes_only = false;
};

// Confinement layers a worker has, as it reports them, and how it ended.
struct WorkerReport {
  std::vector<LayerResult> layers;
  int32_t pid = 0;  // as the broker sees it
  GuestEnd end;
  JobTimes times;
  uint64_t doorbells = 0;   // wake-ups of the broker by the guest
  uint64_t bytes_read = 0;  // from files, served to the guest
  uint64_t bytes_written = 0;
  uint64_t requests = 0;
  // Files that were read, the image's references included, and changed meanwhile. What the job
  // made of them may be of both contents. There is a warning of each. Of devices nothing is known.
  std::vector<ChangedFile> changed_files;
};

struct ConvertResult {
  uint64_t virtual_size = 0;  // bytes
  std::string source_format;
  // Data read and written, bytes, as the guest counts it; WorkerReport has what the guest was
  // served.
  uint64_t bytes_read = 0;
  uint64_t bytes_written = 0;
  uint64_t zero_bytes = 0;  // of the virtual disk, known or found to be zero
};

struct ConvertReply {
  ConvertResult result;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

// An image below the one that was asked for.
struct ChainImage {
  ImageInfo info;
  uint64_t allocated_size = 0;  // bytes that the file occupies on its file system
};

struct InfoReply {
  ImageInfo info;
  std::vector<ChainImage> backing_chain;  // next first
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct CompareResult {
  enum class Outcome : int32_t {
    kUnknown = 0,  // the guest says nothing sensible
    kIdentical = 1,
    kContentMismatch = 2,
    kStatusMismatch = 3,  // strict: one is allocated, or zero, where the other is not
    kSizeMismatch = 4,    // strict
    kMapFailed = 5,       // both are open, but where data is could not be found out
    kReadFailed = 6,      // ... the data could not be read
  };
  Outcome outcome = Outcome::kUnknown;
  uint64_t offset = 0;      // in the virtual disk: the first sector that differs, or that failed
  uint64_t first_size = 0;  // bytes of virtual disk
  uint64_t second_size = 0;
  std::string first_format;
  std::string second_format;
  uint32_t failed_image = 0;  // 1 or 2, when one failed
  uint64_t bytes_read = 0;
};

struct CompareReply {
  CompareResult result;
  // Why the comparison ended at result.offset (kMapFailed, kReadFailed).
  absl::Status failure;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct DigestResult {
  std::string sha256;         // 32 bytes
  uint64_t virtual_size = 0;  // bytes
  std::string source_format;
  uint64_t bytes_read = 0;
};

struct DigestReply {
  DigestResult result;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct CheckReply {
  CheckReport report;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct InspectReply {
  Inspection inspection;
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

struct MapReply {
  std::vector<std::string> warnings;
  WorkerReport worker;
};

// Bytes of a file.
struct MeasureResult {
  uint64_t required = 0;
  uint64_t fully_allocated = 0;
  std::optional<uint64_t> bitmaps;  // nullopt: the target has none
};

struct MeasureReply {
  MeasureResult result;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct ResizeResult {
  enum class Outcome : int32_t {
    kUnknown = 0,  // the guest says nothing sensible
    kResized = 1,
    // The disk has the size that it had, because the size that is asked for ...
    kNotPositive = 2,  // is 0, negative or more than 2^63 - 1
    kNotGrowing = 3,   // is no larger, so that nothing can be preallocated
    kShrinking = 4,    // is smaller, which the request does not allow
    kUnsupported = 5,  // cannot be given to images of this format
  };
  Outcome outcome = Outcome::kUnknown;
  std::string format;
  uint64_t old_size = 0;  // bytes of virtual disk
  uint64_t new_size = 0;  // when resized
};

struct ResizeReply {
  ResizeResult result;  // any outcome but kResized: nothing was written
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct RebaseResult {
  enum class Outcome : int32_t {
    kUnknown = 0,  // the guest says nothing sensible
    kRebased = 1,
    // Nothing was written, because ...
    kUnsupported = 2,  // it is not done for images of this format
    kNoRoom = 3,       // the header has no room for the name
  };
  Outcome outcome = Outcome::kUnknown;
  std::string format;
};

struct RebaseReply {
  RebaseResult result;  // any outcome but kRebased: nothing was written
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct RunReply {
  std::string output;  // what the guest left in the output area
  std::string panic;   // payload mode: the run-time's last words, escaped
  WorkerReport worker;
};

}  // namespace hotcell

#endif  // HOTCELL_REPLIES_H_
