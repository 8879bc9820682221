#include "guest/formats/vhdx/log.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/file_region.h"
#include "guest/formats/vhdx/crc32c.h"

namespace hotcell::guest::vhdx {
namespace {

// Bytes of the log that are looked at, some of them several times where it is damaged: what a
// second is enough for. Logs have 1 MiB unless someone asked for more.
constexpr uint64_t kMaxWork = 256 * kMiB;
// The most descriptors of all entries that are replayed: 256 MiB of data.
constexpr uint64_t kMaxDescriptors = 64 << 10;
// No file is so large; sums of two such offsets do not overflow.
constexpr uint64_t kMaxOffset = 1ull << 62;
constexpr size_t kReadAtOnce = 64 << 10;
static_assert(kReadAtOnce % kLogSector == 0);

struct Entry {
  uint64_t position = 0;  // in the log, bytes
  LogEntryHeader header = {};
};

class LogScanner {
 public:
  LogScanner(IoChannel& io, const FileHandle& file, const Header& header)
      : io_(io),
        file_(file),
        guid_(header.LogGuid),
        offset_(header.LogOffset),
        length_(header.LogLength),
        peeks_(1) {}

  Result<LogReplay> Run();

 private:
  // Nothing: there is no valid entry.
  Result<std::optional<Entry>> ReadEntry(uint64_t position);
  bool IsPlausible(const LogEntryHeader& header) const;
  Result<bool> IsRight(const Entry& entry);
  Result<std::vector<Entry>> ReadSequence(uint64_t tail);
  Result<std::vector<Entry>> FindActiveSequence();
  Status ReplayEntry(const Entry& entry, LogReplay& replay);
  Status AddRange(const LogDescriptor& descriptor, LoggedRange range);
  Status CheckTarget(const LoggedRange& range) const;
  std::vector<LoggedRange> JoinRanges();
  Status Spend(uint64_t bytes);
  // The file's offset of a byte of the log, which goes on at its start.
  uint64_t Place(uint64_t position) const { return offset_ + position % length_; }

  IoChannel& io_;
  const FileHandle file_;
  const Guid guid_;
  const uint64_t offset_;
  const uint64_t length_;
  PieceCache peeks_;
  uint64_t work_ = 0;
  std::vector<LoggedRange> ranges_;  // in the order in which they are written
};

uint64_t DescriptorSectors(const LogEntryHeader& header) {
  const uint64_t bytes =
      sizeof(LogEntryHeader) + header.DescriptorCount * uint64_t{sizeof(LogDescriptor)};
  return DivideUp(bytes, kLogSector);
}

Status LogScanner::Spend(uint64_t bytes) {
  work_ += bytes;
  if (work_ <= kMaxWork) return OkStatus();
  return LimitExceeded(StrCat("vhdx: the log at ", Hex(offset_), " (", length_,
                              " bytes) cannot be replayed by reading ", kMaxWork,
                              " bytes; it is too large or damaged"));
}

bool LogScanner::IsPlausible(const LogEntryHeader& header) const {
  return HasSignature(header.Signature, kLogEntrySignature) && header.LogGuid == guid_ &&
         header.SequenceNumber != 0 && header.EntryLength != 0 &&
         header.EntryLength % kLogSector == 0 && header.EntryLength <= length_ &&
         header.Tail % kLogSector == 0 && header.Tail < length_ &&
         DescriptorSectors(header) <= header.EntryLength / kLogSector;
}

// A pass over the entry: its checksum, and the sequence number in all descriptors and sectors.
Result<bool> LogScanner::IsRight(const Entry& entry) {
  const LogEntryHeader& header = entry.header;
  const uint64_t sequence = header.SequenceNumber;
  const uint64_t descriptor_sectors = DescriptorSectors(header);
  uint64_t descriptors_left = header.DescriptorCount;
  uint64_t data_descriptors = 0;
  uint64_t data_sectors = 0;
  uint32_t crc = 0;
  bool right = true;
  std::vector<std::byte> bytes;
  for (uint64_t done = 0; done < header.EntryLength; done += bytes.size()) {
    const uint64_t to_wrap = length_ - (entry.position + done) % length_;
    bytes.resize(std::min<uint64_t>({kReadAtOnce, header.EntryLength - done, to_wrap}));
    HOTCELL_RETURN_IF_ERROR(
        ReadExact(io_, file_, Place(entry.position + done), bytes, "vhdx: the log"));
    if (done == 0) {
      const std::span checksum = std::span(bytes).subspan(offsetof(LogEntryHeader, Checksum), 4);
      std::fill(checksum.begin(), checksum.end(), std::byte{0});
    }
    crc = Crc32c(bytes, crc);
    for (size_t at = 0; at < bytes.size(); at += kLogSector) {
      const auto sector = std::span<const std::byte>(bytes).subspan(at, kLogSector);
      if ((done + at) / kLogSector >= descriptor_sectors) {
        const auto data = LoadStruct<LogDataSector>(sector);
        right &= HasSignature(data.Signature, kDataSignature) &&
                 data.SequenceHigh == sequence >> 32 &&
                 data.SequenceLow == static_cast<uint32_t>(sequence);
        ++data_sectors;
        continue;
      }
      for (size_t in = done + at == 0 ? sizeof(LogEntryHeader) : 0;
           in < kLogSector && descriptors_left > 0; in += sizeof(LogDescriptor)) {
        const auto descriptor = LoadStruct<LogDescriptor>(sector, in);
        const bool is_data = HasSignature(descriptor.Signature, kDescriptorSignature);
        right &= (is_data || HasSignature(descriptor.Signature, kZeroSignature)) &&
                 descriptor.SequenceNumber == sequence;
        data_descriptors += is_data ? 1 : 0;
        --descriptors_left;
      }
    }
  }
  return right && data_descriptors == data_sectors && crc == header.Checksum;
}

Result<std::optional<Entry>> LogScanner::ReadEntry(uint64_t position) {
  Entry entry = {.position = position};
  HOTCELL_RETURN_IF_ERROR(Spend(kLogSector));
  HOTCELL_RETURN_IF_ERROR(peeks_.Read(io_, file_, Place(position),
                                      std::as_writable_bytes(std::span(&entry.header, 1)),
                                      "vhdx: the log"));
  if (!IsPlausible(entry.header)) return std::optional<Entry>();
  HOTCELL_RETURN_IF_ERROR(Spend(entry.header.EntryLength));
  const auto right = IsRight(entry);
  if (!right.ok()) return right.status();
  return *right ? std::optional(entry) : std::nullopt;
}

// Entries that follow each other from `tail` on.
Result<std::vector<Entry>> LogScanner::ReadSequence(uint64_t tail) {
  std::vector<Entry> sequence;
  for (uint64_t size = 0; size < length_;) {
    const auto entry = ReadEntry((tail + size) % length_);
    if (!entry.ok()) return entry.status();
    const bool follows =
        entry->has_value() &&
        (sequence.empty() ||
         (*entry)->header.SequenceNumber == sequence.back().header.SequenceNumber + uint64_t{1});
    size += follows ? uint64_t{(*entry)->header.EntryLength} : 0;
    if (!follows || size > length_) break;
    sequence.push_back(**entry);
  }
  return sequence;
}

// 2.3.3: of all sequences whose last entry says where it begins, the one of the highest number.
Result<std::vector<Entry>> LogScanner::FindActiveSequence() {
  std::vector<Entry> active;
  for (uint64_t tail = 0; tail < length_;) {
    auto sequence = ReadSequence(tail);
    if (!sequence.ok()) return sequence.status();
    tail += kLogSector;
    if (sequence->empty()) continue;
    const Entry head = sequence->back();
    const auto first = std::find_if(sequence->begin(), sequence->end(), [&](const Entry& entry) {
      return entry.position == head.header.Tail;
    });
    if (first == sequence->end()) continue;
    sequence->erase(sequence->begin(), first);
    if (active.empty() ||
        head.header.SequenceNumber > uint64_t{active.back().header.SequenceNumber}) {
      active = std::move(*sequence);
    }
    // A sequence that goes on at the log's start was met there already.
    const uint64_t end = head.position + head.header.EntryLength;
    if (end < tail) break;
    tail = end;
  }
  return active;
}

// The headers are never logged, and the log is not part of what it logs.
Status LogScanner::CheckTarget(const LoggedRange& range) const {
  const FileRegion fixed[] = {{.offset = 0, .size = kRegionTableOffsets[0], .what = "the headers"},
                              {.offset = offset_, .size = length_, .what = "the log itself"}};
  const FileRegion* const other = FindOverlap(fixed, range.begin, range.end - range.begin);
  if (other == nullptr) return OkStatus();
  return CorruptImage(StrCat("vhdx: the log at ", Hex(offset_), " would overwrite ", other->what,
                             ": ", range.end - range.begin, " bytes at ", Hex(range.begin)));
}

Status LogScanner::AddRange(const LogDescriptor& descriptor, LoggedRange range) {
  const uint64_t size = range.zero ? uint64_t{descriptor.LeadingBytes} : kLogSector;
  range.begin = descriptor.FileOffset;
  if (range.begin % kLogSector != 0 || size % kLogSector != 0 || range.begin > kMaxOffset ||
      size > kMaxOffset) {
    return CorruptImage(StrCat("vhdx: the log at ", Hex(offset_), " would overwrite ", size,
                               " bytes at ", Hex(range.begin), ", which are no whole sectors"));
  }
  if (size == 0) return OkStatus();
  range.end = range.begin + size;
  HOTCELL_RETURN_IF_ERROR(CheckTarget(range));
  if (ranges_.size() == kMaxDescriptors) {
    return LimitExceeded(StrCat("vhdx: the log at ", Hex(offset_), " has more than ",
                                kMaxDescriptors, " updates to replay"));
  }
  ranges_.push_back(range);
  return OkStatus();
}

Status LogScanner::ReplayEntry(const Entry& entry, LogReplay& replay) {
  uint64_t sector = entry.position + DescriptorSectors(entry.header) * kLogSector;
  for (uint64_t i = 0; i < entry.header.DescriptorCount; ++i) {
    const uint64_t place =
        Place(entry.position + sizeof(LogEntryHeader) + i * sizeof(LogDescriptor));
    LogDescriptor descriptor;
    HOTCELL_RETURN_IF_ERROR(peeks_.Read(
        io_, file_, place, std::as_writable_bytes(std::span(&descriptor, 1)), "vhdx: the log"));
    LoggedRange range = {.zero = HasSignature(descriptor.Signature, kZeroSignature),
                         .descriptor = place,
                         .sector = Place(sector)};
    if (!range.zero) sector += kLogSector;
    HOTCELL_RETURN_IF_ERROR(AddRange(descriptor, range));
  }
  ++replay.entries;
  return OkStatus();
}

// What is written later hides what was written before.
std::vector<LoggedRange> LogScanner::JoinRanges() {
  std::vector<uint64_t> bounds;
  std::vector<size_t> by_begin;
  for (size_t i = 0; i < ranges_.size(); ++i) {
    bounds.push_back(ranges_[i].begin);
    bounds.push_back(ranges_[i].end);
    by_begin.push_back(i);
  }
  std::sort(bounds.begin(), bounds.end());
  bounds.erase(std::unique(bounds.begin(), bounds.end()), bounds.end());
  std::sort(by_begin.begin(), by_begin.end(),
            [&](size_t a, size_t b) { return ranges_[a].begin < ranges_[b].begin; });

  std::vector<LoggedRange> joined;
  std::vector<size_t> open;  // a heap, the one written last on top
  auto next = by_begin.begin();
  for (size_t i = 0; i + 1 < bounds.size(); ++i) {
    for (; next != by_begin.end() && ranges_[*next].begin == bounds[i]; ++next) {
      open.push_back(*next);
      std::push_heap(open.begin(), open.end());
    }
    while (!open.empty() && ranges_[open.front()].end <= bounds[i]) {
      std::pop_heap(open.begin(), open.end());
      open.pop_back();
    }
    if (open.empty()) continue;
    LoggedRange part = ranges_[open.front()];
    part.begin = bounds[i];
    part.end = bounds[i + 1];
    if (part.zero && !joined.empty() && joined.back().zero && joined.back().end == part.begin) {
      joined.back().end = part.end;
    } else {
      joined.push_back(part);
    }
  }
  return joined;
}

Result<LogReplay> LogScanner::Run() {
  const auto active = FindActiveSequence();
  if (!active.ok()) return active.status();
  if (active->empty()) {
    return CorruptImage(StrCat("vhdx: the log at ", Hex(offset_), " (", length_,
                               " bytes) is to be replayed, but holds no valid sequence of entries; "
                               "the image is damaged"));
  }
  const LogEntryHeader& head = active->back().header;
  if (file_.size < head.FlushedFileOffset) {
    return CorruptImage(StrCat("vhdx: the file has ", file_.size, " bytes, but had at least ",
                               uint64_t{head.FlushedFileOffset},
                               " when its log was written; it is truncated"));
  }
  if (head.LastFileOffset > kMaxOffset) {
    return CorruptImage(StrCat("vhdx: the log at ", Hex(offset_), " would make the file ",
                               uint64_t{head.LastFileOffset}, " bytes long"));
  }
  LogReplay replay = {.ranges = {}, .last_file_offset = head.LastFileOffset};
  for (const Entry& entry : *active) HOTCELL_RETURN_IF_ERROR(ReplayEntry(entry, replay));
  replay.ranges = JoinRanges();
  return replay;
}

}  // namespace

Result<LogReplay> ReadLog(IoChannel& io, const FileHandle& file, const Header& header) {
  return LogScanner(io, file, header).Run();
}

}  // namespace hotcell::guest::vhdx
