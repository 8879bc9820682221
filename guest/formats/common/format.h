// What a disk image format provides: a way to recognise it, a reader and, where they make sense, a
// writer and a checker. A format is a folder below guest/formats/ and its name in the list of
// guest/formats/CMakeLists.txt.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_FORMAT_H_
#define HOTCELL_GUEST_FORMATS_COMMON_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/details.h"
#include "guest/formats/signatures/signature_kind.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

enum class Compression : uint8_t {
  kDeflate,  // RFC 1951
  kZlib,     // RFC 1950
  kZstd,
  kBzip2,
  kAdc,  // Apple Data Compression
  kXz,   // LZMA2 in a stream of the .xz format
};

// A run of the virtual disk that is stored in one way.
struct Extent {
  enum class Kind : uint8_t {
    kUnallocated,  // not in this image: the backing image's bytes, or zeroes where there is none
    kZero,         // reads as zeroes, whatever the backing image holds
    kData,         // `length` bytes at `offset` of file `slot`
    kCompressed,   // part of a compressed cluster
  };
  Kind kind = Kind::kUnallocated;
  uint64_t length = 0;  // bytes of the virtual disk, never 0
  uint32_t slot = 0;
  uint64_t offset = 0;  // in the file: first byte, or first byte of the compressed stream
  // kUnallocated and kZero: space for the bytes is set aside at `offset` of file `slot`.
  bool reserved = false;
  // kZero: the image says that the bytes are data at `offset` of file `slot`, where the file has a
  // hole.
  bool in_hole = false;
  // kCompressed only. The extent is `length` bytes at `offset_in_cluster` of the `cluster_size`
  // bytes that the stream of at most `compressed_size` bytes (cut at the file's end) unpacks to.
  uint32_t compressed_size = 0;
  uint32_t cluster_size = 0;
  uint32_t offset_in_cluster = 0;
  Compression compression = Compression::kDeflate;
  // VMDK: the stream begins with a grain marker, which must name this sector; `compressed_size`
  // includes it. What is not of the disk may be missing from what the stream unpacks to.
  std::optional<uint64_t> marker_lba = {};
};

// A file that an image says it needs, in the image's own words.
struct Reference {
  ReferenceKind kind;
  std::string name;    // bytes as they stand in the image
  std::string format;  // as declared; empty: not declared
  // Other names under which the image says the same file may be found, tried in turn after `name`.
  std::vector<std::string> alternatives;
  // What ImageReader::identity() of that file must be; empty: the image does not say.
  std::string identity;
};

struct SnapshotInfo {
  std::string id;
  std::string name;
  uint64_t vm_state_size = 0;  // bytes
  uint32_t date_sec = 0;
  uint32_t date_nsec = 0;
  uint64_t vm_clock_nsec = 0;
  std::optional<uint64_t> icount;
  uint64_t virtual_size = 0;  // bytes
};

// Which internal snapshot is meant: the first that has all of what is set.
struct SnapshotSelector {
  std::optional<std::string> id = {};
  std::optional<std::string> name = {};
  std::optional<std::string> id_or_name = {};  // an id, or a name where none has that id; alone

  bool empty() const { return !id && !name && !id_or_name; }
};

struct BitmapInfo {
  std::string name;
  uint32_t granularity = 0;  // bytes
  std::vector<std::string> flags;
};

// What all formats say is a field here, and so is what code decides on; what else a format says is
// in `details`.
struct ImageDescription {
  std::string format;
  uint32_t slot = 0;  // the file that was opened
  uint64_t virtual_size = 0;
  uint64_t cluster_size = 0;   // 0: the format has none
  uint64_t sector_size = 512;  // bytes, of the disk: in what its partition table counts
  bool dirty = false;
  bool encrypted = false;
  std::string
      encryption;  // what it is encrypted with, as qemu-img names it; empty: not, or unknown
  std::optional<Reference> backing;
  // Every file that the image names, the backing file included.
  std::vector<Reference> references;
  std::vector<SnapshotInfo> snapshots;
  // Persistent ones, of which there may be 65,535. nullopt: its format has none.
  std::optional<std::vector<BitmapInfo>> bitmaps;
  DetailList details;
  bool corrupt = false;  // it is marked so
  // Which of its forms the format has here, as its creation option names it: "dynamic", "fixed",
  // "streamOptimized"; empty: it has only one.
  std::string variant;
  // Version and feature bits that are set, one each: "version 3", "incompatible: dirty".
  std::vector<std::string> features;
  // raw: what its bytes look like, and the other formats that it could be; such findings warn
  // nobody.
  std::vector<FileSignature> contents;
  std::vector<std::string> other_formats;
  // What the user should know though the image can be read, a sentence each: a dirty bit, a
  // structure that is damaged.
  std::vector<std::string> warnings;
};

// What to know of a disk whose sectors have not 512 bytes.
std::string SectorSizeWarning(uint64_t sector_size);

// An open image. Map() may be called by all lanes at once, each with its own channel; everything
// else from one lane before the others start.
class ImageReader {
 public:
  virtual ~ImageReader() = default;

  virtual uint64_t virtual_size() const = 0;  // bytes
  // The backing image the reader wants opened; its caller asks the policy and builds the chain.
  virtual std::optional<Reference> backing() const { return std::nullopt; }
  // The files in which the bytes of kData extents lie, with holes that Map() does not tell from
  // data.
  virtual std::vector<FileHandle> data_files() const { return {}; }
  // What a child image knows this one by (a content ID, a UUID); empty: the format has none.
  virtual std::string identity() const { return {}; }

  // The extent that starts at `offset`, no longer than `length`. It may be shorter than it could
  // be, but adjacent clusters that are adjacent in the file come as one. Preconditions: length > 0,
  // offset + length <= virtual_size(). Time grows with the extent, not with the disk: a hole of any
  // size costs little. The caller leaves the channel one free buffer and kMapTickets free tickets.
  static constexpr uint32_t kMapTickets = 16;
  virtual Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) = 0;

  virtual ImageDescription Describe() const = 0;

  // Makes the reader serve an internal snapshot in place of the active layer.
  virtual Status SelectSnapshot(IoChannel& /*io*/, const SnapshotSelector& /*wanted*/) {
    return Unsupported("this format has no internal snapshots");
  }
};

struct OpenOptions {
  uint64_t max_virtual_size = 0;  // bytes; 0: no limit
  // Only describe: open no reference (an external data file) and load no more than Describe()
  // needs.
  bool describe_only = false;
  // Only check: the file is a block device, so that what lies behind the image is not lost space.
  bool on_device = false;
};

class ImageWriter;
struct CreateOptions;
struct CheckResult;
class MeasuredDisk;
struct MeasureOptions;
struct Measurement;
struct ResizeOptions;
struct BackingNames;
class Survey;

// What probes look at, bytes.
inline constexpr size_t kProbeHeadSize = 64 << 10;
inline constexpr size_t kProbeTailSize = 512;
// QEMU fills up the last sector of a file with zeroes before it probes and opens it, so that a
// header that is cut short is one to it. No format shows in more than this.
inline constexpr size_t kMinProbeSize = 4096;

// A format has one in `<name>/<name>.h`, as `extern constinit const FormatDriver k<Name>Format`.
struct FormatDriver {
  std::string_view name;  // as in -f and -O
  // How sure the format is that the file is one of its own, from the first bytes of it (up to 64
  // KiB; at least kMinProbeSize, zeroes after the end of a shorter file): 0 no, 1 to 100 as in
  // QEMU.
  int (*probe)(std::span<const std::byte> head, uint64_t file_size);
  Result<std::unique_ptr<ImageReader>> (*open)(IoChannel& io, const FileHandle& file,
                                               const OpenOptions& options);
  // nullptr: the format is only read.
  Result<std::unique_ptr<ImageWriter>> (*create)(IoChannel& io,
                                                 const CreateOptions& options) = nullptr;
  // Looks at all metadata of one image (no backing image) and counts what is wrong. An error means
  // that the image could not be checked. nullptr: the format has no check.
  Result<CheckResult> (*check)(IoChannel& io, const FileHandle& file,
                               const OpenOptions& options) = nullptr;
  // How large an image of the disk would be, without making it. nullptr: the format does not say.
  Result<Measurement> (*measure)(MeasuredDisk& disk, const MeasureOptions& options) = nullptr;
  // Scores like `probe`, by the last kProbeTailSize bytes of a file that has so many, for a format
  // that shows only there; the higher of the two scores counts. The last sector of a disk is its
  // user's to write, so that a trailer scores only where it accounts for the whole file. nullptr:
  // the format has none.
  int (*probe_tail)(std::span<const std::byte> tail, uint64_t file_size) = nullptr;
  // Whether the trailer does, where that takes reading more of the file; false: it is none of the
  // format's own. nullptr: `probe_tail` knows.
  bool (*accounts_for_file)(IoChannel& io, const FileHandle& file) = nullptr;
  // The format is known only to be refused: `open` says why and what to do instead.
  bool refused = false;
  // Looks at what a reader may pass over and others do not: header-level facts, whose cost does not
  // grow with the disk, and with Survey::thorough() what takes reading the disk's tables. Called
  // for `inspect`, after `open` succeeded. An error means that it could not look. nullptr: all
  // readers of the format in use see what this one sees.
  Status (*survey)(IoChannel& io, const FileHandle& file, Survey& survey) = nullptr;
  // Gives the disk another size, in place. Whenever it is stopped, the image is sound, space that
  // is lost aside, and its disk has the old size or the new one; what it grows by reads as zeroes.
  // nullptr: the format cannot.
  Status (*resize)(IoChannel& io, const FileHandle& file, const ResizeOptions& options) = nullptr;
  // Has the header name another file as the one that the image stands on, in place and in one
  // write. False: there is no room for the name. nullptr: the format cannot.
  Result<bool> (*rebase)(IoChannel& io, const FileHandle& file,
                         const BackingNames& names) = nullptr;
};

// An error that names the limit when the disk is bigger than the job allows to be read.
Status CheckVirtualSize(std::string_view format, uint64_t virtual_size, const OpenOptions& options);

// All formats, raw last.
std::span<const FormatDriver* const> Formats();
// nullptr when there is none of that name.
const FormatDriver* FindFormat(std::string_view name);
// The format that probes surest; raw when none does.
Result<const FormatDriver*> ProbeFormat(IoChannel& io, const FileHandle& file);
// The formats that the file could be, surest first. Raw is one of them always, and the last unless
// the file starts with a partition table: then it comes before those that show only at the end.
Result<std::vector<const FormatDriver*>> ProbeAllFormats(IoChannel& io, const FileHandle& file);
// ProbeAllFormats() for a file of `size` bytes that begins with `head` and ends with `tail`:
// kProbeHeadSize and kProbeTailSize bytes, or all that there are; a shorter `head` is filled up
// with zeroes. What trailers say of the rest is believed.
std::vector<const FormatDriver*> ProbeBytes(std::span<const std::byte> head,
                                            std::span<const std::byte> tail, uint64_t size);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_FORMAT_H_
