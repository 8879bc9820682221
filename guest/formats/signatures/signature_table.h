// The marks of fixed bytes by which files and disks are known. Probing for files that are no disk
// images, raw's look at its disk and `inspect` go by this one table.
#ifndef HOTCELL_GUEST_FORMATS_SIGNATURES_SIGNATURE_TABLE_H_
#define HOTCELL_GUEST_FORMATS_SIGNATURES_SIGNATURE_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "guest/formats/signatures/signature_kind.h"

namespace hotcell::guest {

enum class SignaturePlace : uint8_t {
  kStart,   // at an offset from the start of the file
  kSector,  // at an offset within a sector of 512 bytes, of which the first is none
  kEnd,     // near the end of the file
};

// Who looks for a mark. Programs differ in how much they want to see, and so do these.
enum SignatureUse : uint8_t {
  kByInspect = 1,  // FindSignatures(): what other programs would know the file by
  kByRaw = 2,      // FindDiskContents(): what a disk begins with
  kByProbe = 4,    // files that are known only to be refused
};

struct SignatureRow {
  SignatureKind kind;
  SignaturePlace place;
  uint64_t offset;  // bytes
  std::string_view bytes;
  uint8_t uses;           // one or more SignatureUse
  bool unprobed = false;  // see FileSignature
};

// Those of a use stand in the order in which it lists them.
std::span<const SignatureRow> SignatureTable();

// Whether `bytes` are whole in `area` at `offset`.
bool HasBytes(std::span<const std::byte> area, uint64_t offset, std::string_view bytes);

// Whether a file that begins with `head` has a mark of `kind` that `use` looks for at its start.
bool HasSignature(std::span<const std::byte> head, SignatureKind kind, SignatureUse use);

// The bytes of the first mark of `kind` at `place`, of which there is one.
std::string_view SignatureBytes(SignatureKind kind, SignaturePlace place);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_SIGNATURES_SIGNATURE_TABLE_H_
