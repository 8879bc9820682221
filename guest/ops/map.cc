#include "guest/ops/map.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "guest/formats/chain.h"
#include "guest/runtime/text.h"

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

MapRecord MakeRecord(uint64_t start, const ImageChain::Location& location, bool is_raw) {
  const Extent& extent = location.extent;
  MapRecord record = {
      .start = start, .length = extent.length, .depth = static_cast<uint32_t>(location.depth)};
  bool has_offset = extent.reserved;
  switch (extent.kind) {
    case Extent::Kind::kUnallocated:
      record.flags = abi::kMapZero;
      break;
    case Extent::Kind::kZero:
      record.flags = abi::kMapZero | abi::kMapPresent;
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
  } else if (is_raw) {
    // A hole of a raw file has its place in it.
    record.offset = start;
    record.flags |= abi::kMapHasOffset;
  }
  return record;
}

}  // namespace

Result<MapSummary> Map(IoChannel& io, const hotcell_v1_Job& job) {
  const hotcell_v1_MapJob& map = job.operation.map;
  if (!map.has_source) return InvalidArgument("the job names no image to map");
  auto opened = ImageChain::Open(
      io, {.file = {.slot = map.source.slot, .size = map.source.size}, .format = map.source.format},
      {.max_depth = job.max_chain_depth, .max_virtual_size = job.max_virtual_size});
  if (!opened.ok()) return opened.status();
  ImageChain& chain = **opened;
  std::vector<bool> is_raw;
  for (size_t depth = 0; depth < chain.depth(); ++depth) {
    is_raw.push_back(chain.Describe(depth).format == "raw");
  }

  const uint64_t size = chain.virtual_size();
  const uint64_t begin = std::min(map.begin, size);
  const uint64_t end = begin + std::min(map.length, size - begin);
  RecordFile records(io, map.records_slot);
  for (uint64_t offset = begin; offset < end;) {
    const auto location = chain.Locate(io, offset, end - offset);
    if (!location.ok()) return location.status();
    HOTCELL_RETURN_IF_ERROR(records.Add(MakeRecord(offset, *location, is_raw[location->depth])));
    offset += location->extent.length;
  }
  const auto count = records.Finish();
  if (!count.ok()) return count.status();
  return MapSummary{.records = *count, .warnings = chain.warnings()};
}

}  // namespace hotcell::guest
