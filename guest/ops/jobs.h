// What the broker asks of the guest, as the guest's code has it: protos/job.proto, decoded once
// (guest/wire/decode_job.h). Tests and tools make jobs of their own.
#ifndef HOTCELL_GUEST_OPS_JOBS_H_
#define HOTCELL_GUEST_OPS_JOBS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "guest/formats/common/chain.h"
#include "guest/formats/common/format.h"
#include "guest/formats/common/resize.h"
#include "guest/formats/common/writer.h"
#include "guest/runtime/common/io.h"

namespace hotcell::guest {

struct TargetImage {
  uint32_t slot = 0;
  std::string name = {};  // of the file, without its directory; empty: not known
  std::string format = {};
  std::vector<FormatOption> options = {};
  bool compress = false;
  std::optional<BackingImage> backing = {};  // nullopt: the new image stands on none
  bool exists = false;                       // as CreateOptions'
  uint64_t file_size = 0;                    // bytes, as CreateOptions'
  bool is_zero = false;                      // as CreateOptions'
  uint64_t disk_size = 0;                    // bytes, which the disk has to have; 0: any
};

// A part of a disk, bytes. What lies past the disk's end is not copied.
struct DiskWindow {
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct ConvertJob {
  ChainLimits limits = {};
  std::optional<SourceImage> source = {};      // nullopt: a disk of `size` bytes that holds nothing
  std::vector<SourceImage> more_sources = {};  // follow `source` on the target's disk
  uint64_t size = 0;                           // bytes, when there is no source
  std::optional<DiskWindow> window = {};       // of `source`, then alone; nullopt: the whole disk
  SnapshotSelector snapshot = {};              // of each source; empty: the active layer
  TargetImage target = {};
  uint64_t sparse_size = 4096;  // bytes, the shortest run of zeroes to skip; 0: write everything
  // Data that is in the source as it is is moved by COPY, and zeroes in it are not looked for.
  bool copy_offload = false;
  // Before anything is written, `source` is looked at as by InspectJob, and the broker asked.
  bool inspect = false;
  bool inspect_check = false;  // as InspectJob::check
};

struct InfoJob {
  ChainLimits limits = {};
  SourceImage source = {};
  bool backing_chain = false;  // describe the images below it too
};

struct CompareJob {
  ChainLimits limits = {};
  SourceImage first = {};
  SourceImage second = {};
  bool strict = false;  // sizes and what is allocated are compared too
};

struct DigestJob {
  ChainLimits limits = {};
  SourceImage source = {};
};

struct CheckJob {
  ChainLimits limits = {};
  SourceImage source = {};
};

struct InspectJob {
  ChainLimits limits = {};  // a disk that is bigger is not looked into
  SourceImage source = {};
  // Look at all of the image's tables, with the format's check where there is one; otherwise at
  // those that lead to the start and the end of the disk.
  bool check = true;
  // An internal snapshot that is to be read: its disk is looked at besides the active one. Empty:
  // none is.
  SnapshotSelector snapshot = {};
};

struct MapJob {
  ChainLimits limits = {};
  SourceImage source = {};
  uint32_t records_slot = 0;     // an empty file, for abi::MapRecord after abi::MapRecord
  uint64_t begin = 0;            // first byte of the disk that is wanted
  uint64_t length = UINT64_MAX;  // bytes; what lies past the disk's end is left out
};

struct MeasureJob {
  ChainLimits limits = {};
  std::optional<SourceImage> source = {};  // nullopt: a disk of `size` bytes that holds nothing
  SnapshotSelector snapshot = {};          // as ConvertJob's
  uint64_t size = 0;                       // bytes
  std::string format = {};
  std::vector<FormatOption> options = {};
  bool has_backing = false;  // the target is to have a backing image
};

// An image that is changed where it is. Its slot may be written.
struct EditedImage {
  FileHandle file = {};
  std::string format = {};  // a registered format's name; empty: probe
  // The file keeps its size, and what the image does not use of it may hold anything.
  bool device = false;
};

// Values are those of hotcell.v1.SizeChange.
enum class SizeChange : uint8_t {
  kTo = 0,  // the size itself
  kGrowBy = 1,
  kShrinkBy = 2,
};

struct ResizeJob {
  ChainLimits limits = {};
  EditedImage image = {};
  SizeChange change = SizeChange::kTo;
  uint64_t size = 0;    // bytes
  bool shrink = false;  // the disk may become smaller
  Preallocation preallocation = Preallocation::kOff;
};

struct RebaseJob {
  EditedImage image = {};
  std::string backing_name = {};  // empty: it stands on none
  std::string backing_format = {};
};

using Job = std::variant<ConvertJob, InfoJob, CompareJob, DigestJob, CheckJob, InspectJob, MapJob,
                         MeasureJob, ResizeJob, RebaseJob>;

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_JOBS_H_
