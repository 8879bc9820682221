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
#include "protos/control.pb.h"
#include "protos/report.pb.h"

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

struct ConvertReply {
  v1::ConvertResult result;
  std::vector<std::string> warnings;
  WorkerReport worker;
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

struct CompareReply {
  v1::CompareResult result;
  // Why the comparison ended at result.offset() (OUTCOME_MAP_FAILED, OUTCOME_READ_FAILED).
  absl::Status failure;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct DigestReply {
  v1::DigestResult result;  // sha256 has 32 bytes
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct CheckReply {
  v1::CheckReport report;
  std::vector<std::string> warnings;
  WorkerReport worker;
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

struct MapReply {
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct MeasureReply {
  v1::MeasureResult result;
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct ResizeReply {
  v1::ResizeResult result;  // any outcome but OUTCOME_RESIZED: nothing was written
  std::vector<std::string> warnings;
  WorkerReport worker;
};

struct RebaseReply {
  v1::RebaseResult result;  // any outcome but OUTCOME_REBASED: nothing was written
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
