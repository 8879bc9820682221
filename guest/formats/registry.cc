#include <algorithm>

#include "guest/formats/format.h"
#include "guest/formats/qcow2/qcow2.h"
#include "guest/formats/raw/raw.h"
#include "guest/runtime/text.h"

namespace hotcell::guest {
namespace {

constexpr const FormatDriver* kFormats[] = {
    &kQcow2Format,
    &kRawFormat,
};
constexpr size_t kProbeSize = 64 << 10;

}  // namespace

std::span<const FormatDriver* const> Formats() { return kFormats; }

const FormatDriver* FindFormat(std::string_view name) {
  for (const FormatDriver* format : kFormats) {
    if (format->name == name) return format;
  }
  return nullptr;
}

Result<const FormatDriver*> ProbeFormat(IoChannel& io, const FileHandle& file) {
  const size_t size = std::min<uint64_t>(kProbeSize, file.size);
  const ScopedBuffer buffer(io);
  const std::span<std::byte> head = buffer.span().first(size);
  if (size > 0) {
    const IoResult read = io.Wait(io.SubmitRead(file.slot, 0, head));
    if (!read.ok()) return IoError(read, "read the start of the image");
  }
  const FormatDriver* surest = &kRawFormat;
  int best = 0;
  for (const FormatDriver* format : kFormats) {
    const int score = format->probe(head, file.size);
    if (score > best) {
      best = score;
      surest = format;
    }
  }
  return surest;
}

Status CheckVirtualSize(std::string_view format, uint64_t virtual_size,
                        const OpenOptions& options) {
  if (options.describe_only || options.max_virtual_size == 0 ||
      virtual_size <= options.max_virtual_size)
    return OkStatus();
  return LimitExceeded(StrCat(format, ": the disk has ", virtual_size,
                              " bytes, more than the limit of ", options.max_virtual_size));
}

}  // namespace hotcell::guest
