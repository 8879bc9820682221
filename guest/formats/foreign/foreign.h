// Files that people take for disk images and that are none: compressed files, archives, encrypted
// volumes, forensic containers, file system images. They are known by their signatures, so that
// they are refused with advice instead of being read as raw disks.
#ifndef HOTCELL_GUEST_FORMATS_FOREIGN_FOREIGN_H_
#define HOTCELL_GUEST_FORMATS_FOREIGN_FOREIGN_H_

#include <cstddef>
#include <span>
#include <string_view>

#include "guest/formats/common/format.h"
#include "guest/formats/signatures/signature_kind.h"

namespace hotcell::guest::foreign {

// A kind of file.
struct Kind {
  std::string_view name;  // of the driver
  std::string_view what;  // completes "this is ..."
  std::string_view remedy;
  SignatureKind signature;  // whose marks for probes in the table of signatures show it
};

// 0 or a score below those of disk images. A disk that starts with a partition table can have the
// signature all the same, as hybrid ISO 9660 images do: then a score below raw's.
int Score(const Kind& kind, std::span<const std::byte> head);

// What opening one ends in.
Status Refusal(const Kind& kind);

// The driver of a kind, which has static storage duration.
template <const Kind& kKind>
constexpr FormatDriver Driver() {
  return {.name = kKind.name,
          .probe = [](std::span<const std::byte> head,
                      uint64_t /*file_size*/) { return Score(kKind, head); },
          .open = [](IoChannel& /*io*/, const FileHandle& /*file*/, const OpenOptions& /*options*/)
              -> Result<std::unique_ptr<ImageReader>> { return Refusal(kKind); },
          .refused = true};
}

}  // namespace hotcell::guest::foreign

#endif  // HOTCELL_GUEST_FORMATS_FOREIGN_FOREIGN_H_
