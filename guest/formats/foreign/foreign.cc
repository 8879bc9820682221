#include "guest/formats/foreign/foreign.h"

#include "base/text.h"
#include "guest/formats/signatures/disk_marks.h"
#include "guest/formats/signatures/signature_table.h"

namespace hotcell::guest::foreign {
namespace {

// Raw's are 1, and 5 with a partition table; disk images' are 100.
constexpr int kSure = 50;
constexpr int kBesidesPartitionTable = 3;

}  // namespace

int Score(const Kind& kind, std::span<const std::byte> head) {
  if (!HasSignature(head, kind.signature, kByProbe)) return 0;
  return HasPartitionTable(head) ? kBesidesPartitionTable : kSure;
}

Status Refusal(const Kind& kind) {
  return Unsupported(StrCat(kind.name, ": this is ", kind.what, ", not a disk image; ", kind.remedy,
                            ", or take its bytes as they are with -f raw"));
}

}  // namespace hotcell::guest::foreign
