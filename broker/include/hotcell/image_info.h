// What a guest found out about an image. Whatever lies in the image is what whoever made it wanted
// to lie there, and a guest that the image has taken over says what it likes. Names are bytes as
// they stand in the image, and texts that go to a terminal need Escape() of text.h where nothing
// else is said; words of the guest's own (formats, variants, features) are escaped.
#ifndef HOTCELL_IMAGE_INFO_H_
#define HOTCELL_IMAGE_INFO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hotcell/signatures.h"

namespace hotcell {

// An internal snapshot.
struct Snapshot {
  std::string id;              // bytes
  std::string name;            // bytes
  uint64_t vm_state_size = 0;  // bytes
  uint32_t date_sec = 0;       // since 1970
  uint32_t date_nsec = 0;      // and nanoseconds
  uint64_t vm_clock_nsec = 0;  // how long the machine had run
  std::optional<uint64_t> icount;
  uint64_t virtual_size = 0;  // bytes of its disk
};

struct Bitmap {
  std::string name;          // bytes
  uint32_t granularity = 0;  // bytes of disk for each bit
  std::vector<std::string> flags;
};

// What a format says of an image beyond what all formats say: qemu-img's "format-specific" data,
// with its keys and in its order.
//
//   const hotcell::Detail* file = hotcell::FindDetail(reply->info, "data-file");
//   if (file != nullptr && std::holds_alternative<hotcell::Detail::Name>(file->value)) {
//     Show(hotcell::Escape(std::get<hotcell::Detail::Name>(file->value).bytes));
//   }
struct Detail {
  struct Name {
    std::string bytes;
  };
  // A file, by a name that is relative to the image's folder; nullopt: the image itself.
  struct File {
    std::optional<std::string> bytes;
  };
  struct List {};        // of `children`, which have no keys
  struct Dictionary {};  // of `children`
  struct Bitmaps {};     // here the format has the image's bitmaps, as a list

  std::string key;  // at most 32 of a to z, 0 to 9 and '-'; "compression-type"
  // A text is escaped.
  std::variant<bool, uint64_t, std::string, Name, File, List, Dictionary, Bitmaps> value;
  std::vector<Detail> children = {};
};

enum class ReferenceRole : int32_t {
  kUnknown = 0,
  kBackingFile = 1,
  kDataFile = 2,
  kExtent = 3,
  kParent = 4,
};

// A file that an image names.
struct ReferenceInfo {
  ReferenceRole role = ReferenceRole::kUnknown;
  std::string name;    // bytes
  std::string format;  // as declared; empty: not declared
};

struct ImageInfo {
  std::string format;
  uint64_t virtual_size = 0;  // bytes
  uint64_t cluster_size = 0;  // bytes; 0: the format has none
  bool dirty = false;         // it was not closed
  bool encrypted = false;
  std::string backing_file;    // bytes; empty: none
  std::string backing_format;  // as the image declares it; empty: not declared
  std::vector<Snapshot> snapshots;
  std::vector<Bitmap> bitmaps;
  std::vector<Detail> details;
  bool corrupt = false;                   // it is marked so
  std::string encryption;                 // as qemu-img names it; empty: none, or unknown
  std::vector<ReferenceInfo> references;  // all files it names
  std::string variant;  // of its format: "dynamic", "streamOptimized"; empty: it has only one
  std::vector<std::string> features;
  std::vector<Signature> contents;         // raw: what its bytes look like
  std::vector<std::string> other_formats;  // raw: disk image formats that it could be as well
};

// That of `key` among the details that are in no other; nullptr: the format does not say it.
const Detail* FindDetail(const ImageInfo& info, std::string_view key);

enum class FindingKind : int32_t {
  kUnknown = 0,
  kLeak = 1,        // space is lost
  kCorruption = 2,  // the disk's contents are, or may become, wrong
  kCheckError = 3,  // this part could not be checked
};

struct CheckFinding {
  FindingKind kind = FindingKind::kUnknown;
  std::string text;  // not escaped
};

struct CheckReport {
  std::string format;
  bool unsupported = false;  // the format has no check; nothing below is set
  uint64_t leaks = 0;
  uint64_t corruptions = 0;
  uint64_t check_errors = 0;
  std::vector<CheckFinding> findings;        // the first ones
  std::optional<uint64_t> image_end_offset;  // bytes
  uint64_t total_clusters = 0;               // of the virtual disk; 0: not counted
  uint64_t allocated_clusters = 0;
  uint64_t compressed_clusters = 0;
  uint64_t fragmented_clusters = 0;
};

enum class ConcernKind : int32_t {
  kUnknown = 0,          // as kNotUnderstood
  kReadersDiffer = 1,    // programs see another format, size, parent or other bytes
  kHiddenReference = 2,  // a program opens a file that a strict reader does not see
  kNotUnderstood = 3,    // what it means nobody can be sure of
  kNestedImage = 4,      // the disk itself would be taken for an image
  kOddity = 5,           // worth knowing, and no reason to refuse the image
  // The file begins like a disk, with `mark`, which is not the one that its trailer describes. It
  // has no text.
  kOtherDisk = 6,
};

// What speaks against handing the image on to other programs.
struct Concern {
  ConcernKind kind = ConcernKind::kUnknown;
  std::string text;  // not escaped
  Signature mark;    // of a disk's contents; kOtherDisk only
};

// What a gatekeeper has to know of a file. All that could be found out is there, whatever failed.
struct Inspection {
  std::string format;
  std::vector<std::string> other_formats;  // whose signature is there too; never "raw"
  std::vector<Signature> signatures;
  std::optional<ImageInfo> info;     // nullopt: it cannot be opened
  std::optional<CheckReport> check;  // nullopt: not asked for, or not possible
  std::vector<Concern> concerns;
  uint64_t reader_memory = 0;  // bytes that a program takes, or sets aside, to open the image
};

}  // namespace hotcell

#endif  // HOTCELL_IMAGE_INFO_H_
