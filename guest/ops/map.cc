#include "guest/ops/map.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "guest/formats/common/chain.h"

namespace hotcell::guest {
namespace {

using abi::MapRecord;

bool Continues(const MapRecord& last, const MapRecord& next) {
  if (last.length == 0 || last.flags != next.flags || last.depth != next.depth) return false;
  if ((last.flags & abi::kMapHasOffset) == 0) return true;
  return last.slot == next.slot && last.offset + last.length == next.offset;
}

// Joins records and writes them a buffer at a time.
class RecordFile {
 public:
  RecordFile(IoChannel& io, uint32_t slot)
      : io_(io), slot_(slot), buffer_(io), capacity_(io.buffer_size() / sizeof(MapRecord)) {}

  Status Add(const MapRecord& record) {
    if (Continues(last_, record)) {
      last_.length += record.length;
      return OkStatus();
    }
    HOTCELL_RETURN_IF_ERROR(Append());
    last_ = record;
    return OkStatus();
  }

  // Returns the number of records.
  Result<uint64_t> Finish() {
    HOTCELL_RETURN_IF_ERROR(Append());
    HOTCELL_RETURN_IF_ERROR(Flush());
    return written_;
  }

 private:
  Status Append() {
    if (last_.length == 0) return OkStatus();
    std::memcpy(buffer_.data() + filled_ * sizeof(MapRecord), &last_, sizeof(MapRecord));
    return ++filled_ == capacity_ ? Flush() : OkStatus();
  }

  Status Flush() {
    if (filled_ == 0) return OkStatus();
    const IoResult result = io_.Wait(io_.SubmitWrite(
        slot_, written_ * sizeof(MapRecord), {buffer_.data(), filled_ * sizeof(MapRecord)}));
    if (!result.ok()) return IoError(result, "write the map");
    written_ += filled_;
    filled_ = 0;
    return OkStatus();
  }

  IoChannel& io_;
  const uint32_t slot_;
  const ScopedBuffer buffer_;
  const size_t capacity_;  // records
  size_t filled_ = 0;
  uint64_t written_ = 0;
  MapRecord last_ = {};
};

// What qemu-img says of an image's format.
struct FormatTraits {
  bool is_raw = false;
  // Holes of the file show. Of others qemu-img does not ask where data has holes, which are small.
  bool shows_holes = true;
  // What is nowhere is present: no image of the format has another below it.
  bool is_always_present = false;
};

FormatTraits TraitsOf(const ImageDescription& image) {
  const bool is_vdi = image.format == "vdi";
  const bool is_vhd = image.format == "vpc";
  const bool is_fixed = image.variant == "static" || image.variant == "fixed";
  const bool has_two_levels = image.format == "qed" || image.format == "qcow";
  return {.is_raw = image.format == "raw",
          .shows_holes =
              !((is_vdi || is_vhd) && !is_fixed) && !has_two_levels && image.format != "parallels",
          .is_always_present = is_vdi || (is_vhd && !image.backing)};
}

MapRecord MakeRecord(uint64_t start, const ImageChain::Location& location,
                     const FormatTraits& traits) {
  const Extent& extent = location.extent;
  MapRecord record = {
      .start = start, .length = extent.length, .depth = static_cast<uint32_t>(location.depth)};
  bool has_offset = extent.reserved || extent.in_hole;
  switch (extent.kind) {
    case Extent::Kind::kUnallocated:
      record.flags = abi::kMapZero;
      if (traits.is_always_present) record.flags |= abi::kMapPresent;
      break;
    case Extent::Kind::kZero:
      record.flags = abi::kMapZero | abi::kMapPresent;
      if (!extent.in_hole) break;
      // Data, of which it is known or not known that it is zero.
      record.flags |= abi::kMapData;
      if (!traits.shows_holes) record.flags &= ~abi::kMapZero;
      break;
    case Extent::Kind::kData:
      record.flags = abi::kMapData | abi::kMapPresent;
      has_offset = true;
      break;
    case Extent::Kind::kCompressed:
      record.flags = abi::kMapData | abi::kMapPresent | abi::kMapCompressed;
      break;
  }
  if (has_offset) {
    record.slot = extent.slot;
    record.offset = extent.offset;
    record.flags |= abi::kMapHasOffset;
  } else if (traits.is_raw) {
    // A hole of a raw file has its place in it.
    record.offset = start;
    record.flags |= abi::kMapHasOffset;
  }
  return record;
}

}  // namespace

Result<MapSummary> Map(IoChannel& io, const MapJob& job) {
  auto opened = ImageChain::Open(io, job.source, job.limits);
  if (!opened.ok()) return opened.status();
  ImageChain& chain = **opened;
  std::vector<FormatTraits> traits;
  for (size_t depth = 0; depth < chain.depth(); ++depth) {
    traits.push_back(TraitsOf(chain.Describe(depth)));
  }

  const uint64_t size = chain.virtual_size();
  const uint64_t begin = std::min(job.begin, size);
  const uint64_t end = begin + std::min(job.length, size - begin);
  RecordFile records(io, job.records_slot);
  const auto add = [&](uint64_t offset, const ImageChain::Location& location) {
    return records.Add(MakeRecord(offset, location, traits[location.depth]));
  };
  HOTCELL_RETURN_IF_ERROR(chain.ForEach(io, begin, end, add));
  const auto count = records.Finish();
  if (!count.ok()) return count.status();
  return MapSummary{.records = *count, .warnings = chain.warnings()};
}

}  // namespace hotcell::guest
