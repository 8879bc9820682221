#include "guest/ops/pipeline/nested_image.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/text.h"
#include "guest/formats/signatures/disc_script.h"
#include "guest/formats/signatures/signature_table.h"
#include "guest/formats/vmdk/descriptor_survey.h"
#include "guest/ops/pipeline/chunk_reader.h"

namespace hotcell::guest {
namespace {

// Bytes of a disk, of one piece after the other.
class DiskBytes {
 public:
  DiskBytes(IoChannel& io, const MapDisk& map) : io_(io), map_(map) {}

  // Fills `out` from `offset` on. What a file ends before reads as zeroes.
  Status Read(uint64_t offset, std::span<std::byte> out) {
    std::fill(out.begin(), out.end(), std::byte{0});
    for (uint64_t done = 0; done < out.size();) {
      const Result<Extent> extent = map_(offset + done, out.size() - done);
      if (!extent.ok()) return extent.status();
      const auto piece = out.subspan(done, extent->length);
      HOTCELL_RETURN_IF_ERROR(ReadExtent(*extent, piece));
      done += extent->length;
    }
    return OkStatus();
  }

 private:
  Status ReadExtent(const Extent& extent, std::span<std::byte> out) {
    const bool compressed = extent.kind == Extent::Kind::kCompressed;
    if (!compressed && extent.kind != Extent::Kind::kData) return OkStatus();
    const ScopedBuffer buffer(io_);
    const uint64_t wanted = compressed ? extent.compressed_size : extent.length;
    // No stream of a cluster that anybody reads is longer than a buffer.
    const auto bytes = buffer.span().first(std::min<uint64_t>(wanted, io_.buffer_size()));
    const IoResult read = io_.Wait(io_.SubmitRead(extent.slot, extent.offset, bytes));
    if (!read.ok()) return IoError(read, StrCat("read the image at offset ", extent.offset));
    const auto got = bytes.first(std::min<uint64_t>(read.value, bytes.size()));
    if (compressed) return unpacker_.Unpack(extent, got, out);
    std::copy(got.begin(), got.end(), out.begin());
    return OkStatus();
  }

  IoChannel& io_;
  const MapDisk& map_;
  Unpacker unpacker_;
};

// How many bytes of a disk of `size` bytes are probed, with the zeroes that probes want after the
// end of a short one.
size_t HeadSize(uint64_t size) { return std::clamp<uint64_t>(size, kMinProbeSize, kProbeHeadSize); }

// Trailers count here whatever they say of the rest: other programs open what is behind a wrong
// checksum, a part of the disk, or a disk with a parent.
void AddTrailers(std::span<const std::byte> tail, uint64_t size, std::vector<NestedImage>& found) {
  const std::string_view text(reinterpret_cast<const char*>(tail.data()), tail.size());
  const auto add = [&](std::string_view format) {
    const bool known = std::any_of(found.begin(), found.end(), [&](const NestedImage& nested) {
      return nested.format == format && nested.offset != 0;
    });
    if (!known) found.push_back({.format = format, .offset = size - tail.size()});
  };
  // Virtual PC's of before 2004 begins one byte later.
  const auto cookie = SignatureBytes(SignatureKind::kVhdFooter, SignaturePlace::kEnd);
  if (text.starts_with(cookie) ||
      text.substr(std::min<size_t>(1, text.size())).starts_with(cookie)) {
    add("vpc");
  }
  const auto trailer = SignatureBytes(SignatureKind::kDmgTrailer, SignaturePlace::kEnd);
  if (text.find(trailer) != std::string_view::npos) add("dmg");
}

std::vector<NestedImage> FindIn(std::span<const std::byte> head, std::span<const std::byte> tail,
                                uint64_t size) {
  std::vector<NestedImage> found;
  for (const FormatDriver* const format : ProbeBytes(head, tail, size)) {
    if (format->refused || format->name == "raw") continue;
    const bool at_start = format->probe(head, size) > 0;
    found.push_back({.format = format->name, .offset = at_start ? 0 : size - tail.size()});
  }
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  const bool is_vmdk = std::any_of(found.begin(), found.end(), [](const NestedImage& nested) {
    return nested.format == "vmdk" && nested.offset == 0;
  });
  // A text that is a descriptor to some programs only.
  if (!is_vmdk && vmdk::LooksLikeDescriptor(text)) found.push_back({.format = "vmdk"});
  if (const auto script = DiscScriptOf(head)) {
    found.push_back({.format = *script == SignatureKind::kVisoScript ? "VISO" : "CUE"});
  }
  AddTrailers(tail, size, found);
  return found;
}

// The part of a run that lies in `out`, which begins at `offset` of the disk.
void CopyOverlap(const Run& run, uint64_t offset, std::span<std::byte> out) {
  const uint64_t begin = std::max(run.offset, offset);
  const uint64_t end = std::min(run.offset + run.size, offset + out.size());
  if (begin < end) std::memcpy(&out[begin - offset], run.data + (begin - run.offset), end - begin);
}

}  // namespace

Result<std::vector<NestedImage>> FindNestedImages(IoChannel& io, const MapDisk& map,
                                                  uint64_t size) {
  DiskBytes disk(io, map);
  std::vector<std::byte> head(HeadSize(size));
  HOTCELL_RETURN_IF_ERROR(disk.Read(0, std::span(head).first(std::min(head.size(), size))));
  std::vector<std::byte> tail(std::min<uint64_t>(kProbeTailSize, size));
  HOTCELL_RETURN_IF_ERROR(disk.Read(size - tail.size(), tail));
  return FindIn(head, tail, size);
}

DiskEnds::DiskEnds(uint64_t size)
    : size_(size), head_(HeadSize(size)), tail_(std::min<uint64_t>(kProbeTailSize, size)) {}

void DiskEnds::Add(const Chunk& chunk) {
  const uint64_t tail_begin = size_ - tail_.size();
  if (chunk.offset >= head_.size() && chunk.offset + chunk.length <= tail_begin) return;
  for (const Run& run : chunk.runs) {
    if (run.kind != Run::Kind::kData) continue;
    CopyOverlap(run, 0, head_);
    CopyOverlap(run, tail_begin, tail_);
  }
}

std::vector<NestedImage> DiskEnds::FindNestedImages() const { return FindIn(head_, tail_, size_); }

std::string Describe(const NestedImage& nested) {
  return StrCat("the disk ", nested.offset == 0 ? "begins" : "ends", " as a ", nested.format,
                " image does");
}

}  // namespace hotcell::guest
