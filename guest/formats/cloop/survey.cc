#include "guest/formats/common/survey.h"

#include <algorithm>
#include <span>
#include <vector>

#include "base/text.h"
#include "guest/formats/cloop/cloop.h"
#include "guest/formats/cloop/on_disk.h"

namespace hotcell::guest {
namespace cloop {
namespace {

struct Offsets {
  bool ascend = true;
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t longest = 0;  // of the streams between them, bytes
};

// The table is read whole when the image is opened, here and by others.
Result<Offsets> ReadOffsets(IoChannel& io, const FileHandle& file, uint64_t count) {
  Offsets out;
  std::vector<Be64> piece((64 << 10) / sizeof(Be64));
  for (uint64_t first = 0; first < count; first += piece.size()) {
    const std::span offsets =
        std::span(piece).first(std::min<uint64_t>(piece.size(), count - first));
    HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, sizeof(Header) + first * sizeof(Be64),
                                      std::as_writable_bytes(offsets),
                                      "cloop: the table of offsets"));
    if (first == 0) out.first = out.last = offsets[0];
    for (size_t i = first == 0 ? 1 : 0; i < offsets.size(); ++i) {
      const uint64_t offset = offsets[i];
      out.ascend &= offset > out.last;
      if (offset > out.last) out.longest = std::max(out.longest, offset - out.last);
      out.last = offset;
    }
  }
  return out;
}

}  // namespace
}  // namespace cloop

Status SurveyCloop(IoChannel& io, const FileHandle& file, Survey& survey) {
  cloop::Header header;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&header, 1)), "cloop: the header"));
  const uint64_t count = uint64_t{header.num_blocks} + 1;
  const auto offsets = cloop::ReadOffsets(io, file, count);
  if (!offsets.ok()) return offsets.status();

  survey.AddReaderMemory(count * sizeof(Be64));
  survey.AddReaderMemory(header.block_size);
  survey.AddReaderMemory(offsets->longest);
  if (!offsets->ascend || offsets->first < sizeof(cloop::Header) + count * sizeof(Be64) ||
      offsets->last > file.size) {
    survey.Add(
        ConcernKind::kNotUnderstood,
        "its blocks do not follow each other between the table of offsets and the end of the "
        "file");
  }
  return OkStatus();
}

}  // namespace hotcell::guest
