// Texts that VirtualBox takes for optical discs, by their first word and whatever they are called.
// Both name the files that the disc is made of.
#ifndef HOTCELL_GUEST_FORMATS_SIGNATURES_DISC_SCRIPT_H_
#define HOTCELL_GUEST_FORMATS_SIGNATURES_DISC_SCRIPT_H_

#include <cstddef>
#include <optional>
#include <span>

#include "guest/formats/signatures/signature_kind.h"

namespace hotcell::guest {

// kVisoScript, kCueSheet or nothing: what a file or a disk that begins with these bytes would be
// taken for.
std::optional<SignatureKind> DiscScriptOf(std::span<const std::byte> head);

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_SIGNATURES_DISC_SCRIPT_H_
