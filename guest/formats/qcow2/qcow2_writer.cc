#include "guest/formats/qcow2/qcow2_writer.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/cluster_encoder.h"
#include "guest/formats/common/file_writes.h"
#include "guest/formats/qcow2/cluster_allocator.h"
#include "guest/formats/qcow2/mapping_builder.h"
#include "guest/formats/qcow2/on_disk.h"
#include "guest/formats/qcow2/write_options.h"

namespace hotcell::guest {
namespace qcow2 {
namespace {

void AppendExtension(uint32_t type, std::string_view data, std::string& out) {
  const ExtensionHeader header = {.type = type, .length = static_cast<uint32_t>(data.size())};
  out.append(reinterpret_cast<const char*>(&header), sizeof(header));
  out += data;
  out.append(-data.size() % 8, '\0');
}

// Whether the first cluster has room for the backing image's names.
Status CheckBacking(const BackingImage& backing, const WriteOptions& options) {
  const size_t room = (1ull << options.cluster_bits) - sizeof(Header) -
                      2 * sizeof(ExtensionHeader) - AlignUp(backing.format.size(), 8);
  if (backing.format.size() <= kMaxBackingFormat && backing.name.size() <= kMaxBackingFileName &&
      backing.name.size() <= room) {
    return OkStatus();
  }
  return InvalidArgument(StrCat("qcow2: the backing file's name has ", backing.name.size(),
                                " bytes; at most ", kMaxBackingFileName,
                                " that fit in the first cluster are allowed"));
}

class Writer : public ImageWriter {
 public:
  Writer(const CreateOptions& create, const WriteOptions& options)
      : slot_(create.slot),
        virtual_size_(create.virtual_size),
        compress_(create.compress),
        options_(options),
        cluster_size_(1ull << options.cluster_bits),
        allocator_(slot_, options.cluster_bits, options.refcount_order),
        mapping_(slot_, options.cluster_bits, options.extended_l2, allocator_) {
    if (create.backing) {
      backing_ = {.name = std::string(create.backing->name),
                  .format = std::string(create.backing->format)};
    }
  }

  Status Start(IoChannel& io) { return mapping_.Start(io, virtual_size_); }

  WriterTraits traits() const override {
    return {.cluster_size = cluster_size_,
            .ordered = true,
            .zeroes_as_data = options_.preallocate_data,
            .encodes = compress_};
  }

  Result<std::unique_ptr<LaneEncoder>> MakeEncoder() override {
    return MakeClusterEncoder(options_.zstd ? Compression::kZstd : Compression::kDeflate,
                              cluster_size_);
  }

  Status Place(IoChannel& io, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      switch (run.kind) {
        case Run::Kind::kZero:
          HOTCELL_RETURN_IF_ERROR(PlaceZeroes(io, run));
          break;
        case Run::Kind::kData:
          HOTCELL_RETURN_IF_ERROR(PlaceData(io, run, chunk.writes));
          break;
        case Run::Kind::kCompressed:
          HOTCELL_RETURN_IF_ERROR(PlaceStream(io, run, chunk.writes));
          break;
        case Run::Kind::kUnallocated:
          if (options_.preallocate_metadata) HOTCELL_RETURN_IF_ERROR(PreallocateRun(io, run));
          break;
      }
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override;

 private:
  struct Backing {
    std::string name;
    std::string format;
  };

  Status PlaceZeroes(IoChannel& io, const Run& run);
  Status PreallocateRun(IoChannel& io, const Run& run);
  Status HideBacking(IoChannel& io, const Run& run);
  Status PlaceData(IoChannel& io, const Run& run, std::vector<FileWrite>& writes);
  Status PlaceStream(IoChannel& io, const Run& run, std::vector<FileWrite>& writes);
  Result<uint64_t> AllocateBytes(IoChannel& io, uint64_t size);
  Status MapNewClusters(IoChannel& io, uint64_t cluster, uint64_t count);
  void MarkSubclusters(uint64_t begin, uint64_t end);
  Status WriteHeader(IoChannel& io, const ClusterAllocator::RefcountTable& refcounts);

  const uint32_t slot_;
  const uint64_t virtual_size_;
  const bool compress_;
  const WriteOptions options_;
  const uint64_t cluster_size_;
  ClusterAllocator allocator_;
  MappingBuilder mapping_;
  std::optional<Backing> backing_;
  // Where the next compressed stream goes if it fits; cluster aligned: nowhere yet.
  uint64_t stream_end_ = 0;
};

// Precondition: the clusters are of the current L2 table, and not mapped.
Status Writer::MapNewClusters(IoChannel& io, uint64_t cluster, uint64_t count) {
  const auto offset = allocator_.Allocate(io, count);
  if (!offset.ok()) return offset.status();
  for (uint64_t i = 0; i < count; ++i) {
    mapping_.SetEntry(cluster + i, (*offset + (i << options_.cluster_bits)) | kEntryCopied);
  }
  return OkStatus();
}

// Zeroes need no place: what is not mapped, and what is mapped and not written, reads as zeroes. A
// backing image has to be hidden.
Status Writer::PlaceZeroes(IoChannel& io, const Run& run) {
  const bool can_be_marked = options_.version >= 3;
  if (options_.preallocate_metadata || (backing_ && !can_be_marked)) {
    HOTCELL_RETURN_IF_ERROR(PreallocateRun(io, run));
  }
  return backing_ && can_be_marked ? HideBacking(io, run) : OkStatus();
}

// Precondition: the run has whole clusters.
Status Writer::HideBacking(IoChannel& io, const Run& run) {
  const uint64_t end = run.offset + run.length;
  for (uint64_t cluster = run.offset >> options_.cluster_bits;
       cluster << options_.cluster_bits < end; ++cluster) {
    HOTCELL_RETURN_IF_ERROR(mapping_.Select(io, cluster));
    if (options_.extended_l2) {
      mapping_.AddToBitmap(cluster, kAllSubclustersZero);
    } else {
      mapping_.SetEntry(cluster, kEntryZero);
    }
  }
  return OkStatus();
}

// The clusters that data at [begin, end) of the disk touches.
void Writer::MarkSubclusters(uint64_t begin, uint64_t end) {
  const uint64_t subcluster_size = cluster_size_ / kSubclusters;
  while (begin < end) {
    const uint64_t cluster = begin >> options_.cluster_bits;
    const uint64_t cluster_begin = cluster << options_.cluster_bits;
    const uint64_t piece_end = std::min(end, cluster_begin + cluster_size_);
    const uint64_t first = (begin - cluster_begin) / subcluster_size;
    const uint64_t last = (piece_end - 1 - cluster_begin) / subcluster_size;
    mapping_.AddToBitmap(cluster, (2ull << last) - (1ull << first));
    begin = piece_end;
  }
}

// One cluster at a time: where clusters go must not depend on how zeroes are cut into runs.
Status Writer::PreallocateRun(IoChannel& io, const Run& run) {
  const uint64_t end = run.offset + run.length;
  for (uint64_t cluster = run.offset >> options_.cluster_bits;
       cluster << options_.cluster_bits < end; ++cluster) {
    HOTCELL_RETURN_IF_ERROR(mapping_.Select(io, cluster));
    if (mapping_.Entry(cluster) != 0) continue;
    HOTCELL_RETURN_IF_ERROR(MapNewClusters(io, cluster, 1));
  }
  return OkStatus();
}

Status Writer::PlaceData(IoChannel& io, const Run& run, std::vector<FileWrite>& writes) {
  const uint64_t end = run.offset + run.length;
  const uint64_t end_cluster = (end + cluster_size_ - 1) >> options_.cluster_bits;
  for (uint64_t at = run.offset; at < end;) {
    const uint64_t cluster = at >> options_.cluster_bits;
    HOTCELL_RETURN_IF_ERROR(mapping_.Select(io, cluster));
    uint64_t count = 1;
    // Only the first cluster of a run can be there already, from a run before it.
    if (mapping_.Entry(cluster) == 0) {
      count = std::min(end_cluster, mapping_.TableEnd()) - cluster;
      HOTCELL_RETURN_IF_ERROR(MapNewClusters(io, cluster, count));
    }
    const uint64_t host = (mapping_.Entry(cluster) & kOffsetMask) + at % cluster_size_;
    const uint64_t piece_end = std::min(end, (cluster + count) << options_.cluster_bits);
    if (options_.extended_l2) MarkSubclusters(at, piece_end);
    AddWrite(writes,
             {.offset = host, .length = piece_end - at, .data = run.data + (at - run.offset)});
    at = piece_end;
  }
  return OkStatus();
}

// Streams are packed byte by byte. One that does not fit in what is left of a cluster goes on in
// the next, if that one is free; each cluster counts the streams that are in it.
Result<uint64_t> Writer::AllocateBytes(IoChannel& io, uint64_t size) {
  const uint64_t left = -stream_end_ % cluster_size_;
  const bool fits = size <= left;
  const bool goes_on =
      left > 0 && stream_end_ + left == allocator_.end() && allocator_.NextIsAdjacent();
  uint64_t begin = stream_end_;
  if (left > 0 && (fits || goes_on) && allocator_.Share(stream_end_)) {
    if (!fits) {
      if (const auto next = allocator_.Allocate(io, 1); !next.ok()) return next.status();
    }
  } else {
    const auto next = allocator_.Allocate(io, 1);
    if (!next.ok()) return next.status();
    begin = *next;
  }
  stream_end_ = begin + size;
  return begin;
}

Status Writer::PlaceStream(IoChannel& io, const Run& run, std::vector<FileWrite>& writes) {
  const uint64_t cluster = run.offset >> options_.cluster_bits;
  HOTCELL_RETURN_IF_ERROR(mapping_.Select(io, cluster));
  const auto begin = AllocateBytes(io, run.size);
  if (!begin.ok()) return begin.status();
  const uint32_t shift = 62 - (options_.cluster_bits - 8);
  const uint64_t more_sectors = ((*begin + run.size - 1) >> 9) - (*begin >> 9);
  if (*begin >> shift != 0) {
    return InvalidArgument("qcow2: the file is too large for compressed clusters of this size");
  }
  mapping_.SetEntry(cluster, kEntryCompressed | more_sectors << shift | *begin);
  AddWrite(writes, {.offset = *begin, .length = run.size, .data = run.data});
  return OkStatus();
}

Status Writer::Finish(IoChannel& io) {
  HOTCELL_RETURN_IF_ERROR(mapping_.Finish(io));
  const auto refcounts = allocator_.Finish(io);
  if (!refcounts.ok()) return refcounts.status();
  // Whole clusters: what was left out at their ends reads as zeroes.
  if (const IoResult sized = io.SetSize(slot_, allocator_.end()); !sized.ok()) {
    return IoError(sized, "set the size of the qcow2 file");
  }
  // A file without a header is no image, so that one which is not complete cannot be taken for one.
  if (const IoResult flushed = io.Flush(slot_); !flushed.ok()) {
    return IoError(flushed, "flush the qcow2 file");
  }
  return WriteHeader(io, *refcounts);
}

Status Writer::WriteHeader(IoChannel& io, const ClusterAllocator::RefcountTable& refcounts) {
  Header header = {};
  header.magic = kMagic;
  header.version = options_.version;
  header.cluster_bits = options_.cluster_bits;
  header.size = virtual_size_;
  header.crypt_method = kCryptNone;
  header.l1_size = mapping_.l1_entries();
  header.l1_table_offset = mapping_.l1_offset();
  header.refcount_table_offset = refcounts.offset;
  header.refcount_table_clusters = refcounts.clusters;
  header.refcount_order = options_.refcount_order;
  header.header_length = uint32_t{sizeof(Header)};
  uint64_t incompatible = 0;
  if (options_.zstd) {
    incompatible |= kIncompatibleCompression;
    header.compression_type = kCompressionZstd;
  }
  if (options_.extended_l2) incompatible |= kIncompatibleExtendedL2;
  header.incompatible_features = incompatible;
  if (options_.lazy_refcounts) header.compatible_features = kCompatibleLazyRefcounts;
  const size_t length = options_.version == 2 ? kHeaderLengthV2 : sizeof(Header);

  std::string extensions;
  if (backing_) {
    if (!backing_->format.empty()) {
      AppendExtension(kExtensionBackingFormat, backing_->format, extensions);
    }
    header.backing_file_offset = length + extensions.size() + sizeof(ExtensionHeader);
    header.backing_file_size = static_cast<uint32_t>(backing_->name.size());
  }
  AppendExtension(kExtensionEnd, {}, extensions);
  if (backing_) extensions += backing_->name;

  std::vector<std::byte> bytes(length + extensions.size());
  std::memcpy(bytes.data(), &header, length);
  std::memcpy(bytes.data() + length, extensions.data(), extensions.size());
  return WriteAll(io, slot_, 0, bytes, "the qcow2 header");
}

}  // namespace
}  // namespace qcow2

Result<std::unique_ptr<ImageWriter>> CreateQcow2(IoChannel& io, const CreateOptions& options) {
  const auto parsed = qcow2::ParseWriteOptions(options);
  if (!parsed.ok()) return parsed.status();
  if (options.exists) return MakesImagesAnew("qcow2");
  if (options.backing) HOTCELL_RETURN_IF_ERROR(qcow2::CheckBacking(*options.backing, *parsed));
  auto writer = std::make_unique<qcow2::Writer>(options, *parsed);
  HOTCELL_RETURN_IF_ERROR(writer->Start(io));
  return std::unique_ptr<ImageWriter>(std::move(writer));
}

}  // namespace hotcell::guest
