#include "guest/formats/qcow2/cluster.h"

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "guest/formats/qcow2/on_disk.h"

namespace hotcell::guest::qcow2 {
namespace {

std::string At(const ClusterEntry& entry) {
  return StrCat("qcow2: the cluster of disk offset ", Hex(entry.virtual_offset));
}

}  // namespace

ClusterDecoder::ClusterDecoder(const ImageHeader& header, const FileHandle& data_file)
    : version_(header.version),
      cluster_bits_(header.cluster_bits),
      cluster_size_(header.cluster_size),
      extended_(header.extended_l2()),
      external_(header.has_data_file()),
      compression_(header.compression),
      data_file_(data_file) {}

Result<Extent> ClusterDecoder::Decode(const ClusterEntry& entry, uint64_t offset_in_cluster) const {
  if ((entry.descriptor & kEntryCompressed) != 0) {
    return DecodeCompressed(entry, offset_in_cluster);
  }
  if (extended_) return DecodeSubclusters(entry, offset_in_cluster);

  const uint64_t rest = cluster_size_ - offset_in_cluster;
  if ((entry.descriptor & kEntryZero) != 0) {
    if (version_ < 3) {
      return CorruptImage(At(entry) + " is marked as zero, which version 2 images do not know");
    }
    return Hole(Extent::Kind::kZero, entry, offset_in_cluster, rest);
  }
  const bool at_zero_of_data_file = external_ && (entry.descriptor & kEntryCopied) != 0;
  if ((entry.descriptor & kOffsetMask) == 0 && !at_zero_of_data_file) {
    return Extent{.kind = Extent::Kind::kUnallocated, .length = rest};
  }
  return Data(entry, offset_in_cluster, rest);
}

Result<Extent> ClusterDecoder::DecodeSubclusters(const ClusterEntry& entry,
                                                 uint64_t offset_in_cluster) const {
  const auto allocated = static_cast<uint32_t>(entry.bitmap);
  const auto zero = static_cast<uint32_t>(entry.bitmap >> 32);
  if ((allocated & zero) != 0) {
    return CorruptImage(At(entry) + " has subclusters that are both allocated and zero");
  }
  const bool has_offset = (entry.descriptor & kOffsetMask) != 0 ||
                          (external_ && (entry.descriptor & kEntryCopied) != 0);
  if (allocated != 0 && !has_offset) {
    return CorruptImage(At(entry) + " has allocated subclusters but no place in the file");
  }

  const uint64_t subcluster_size = cluster_size_ / kSubclusters;
  const auto first = static_cast<uint32_t>(offset_in_cluster / subcluster_size);
  // The run of subclusters that are like the first one.
  const bool is_allocated = (allocated >> first & 1) != 0;
  const bool is_zero = (zero >> first & 1) != 0;
  const uint32_t alike = (is_allocated ? allocated : ~allocated) & (is_zero ? zero : ~zero);
  const auto count = static_cast<uint32_t>(std::countr_one(alike >> first));
  const uint64_t length = (first + count) * subcluster_size - offset_in_cluster;

  if (is_allocated) return Data(entry, offset_in_cluster, length);
  const auto kind = is_zero ? Extent::Kind::kZero : Extent::Kind::kUnallocated;
  return Hole(kind, entry, offset_in_cluster, length);
}

// The entry may have a place in the file all the same.
Extent ClusterDecoder::Hole(Extent::Kind kind, const ClusterEntry& entry,
                            uint64_t offset_in_cluster, uint64_t length) const {
  const uint64_t host = entry.descriptor & kOffsetMask;
  if (host == 0) return {.kind = kind, .length = length};
  return {.kind = kind,
          .length = length,
          .slot = data_file_.slot,
          .offset = host + offset_in_cluster,
          .reserved = true};
}

Result<Extent> ClusterDecoder::Data(const ClusterEntry& entry, uint64_t offset_in_cluster,
                                    uint64_t length) const {
  const uint64_t host = entry.descriptor & kOffsetMask;
  if (host % cluster_size_ != 0) {
    return CorruptImage(
        StrCat(At(entry), " lies at ", Hex(host), ", which is not a cluster boundary"));
  }
  if (external_ && host != entry.virtual_offset) {
    return CorruptImage(StrCat(At(entry), " lies at ", Hex(host),
                               " of the data file instead of at the same offset"));
  }
  if (host >= data_file_.size) {
    return CorruptImage(StrCat(At(entry), " lies at ", Hex(host), ", past the end of the ",
                               external_ ? "data file" : "file", " (", data_file_.size,
                               " bytes); the file is truncated or damaged"));
  }
  // The file may end within its last cluster; the missing bytes read as zeroes.
  const uint64_t present = data_file_.size - host;
  if (offset_in_cluster >= present) return Extent{.kind = Extent::Kind::kZero, .length = length};
  return Extent{.kind = Extent::Kind::kData,
                .length = std::min(length, present - offset_in_cluster),
                .slot = data_file_.slot,
                .offset = host + offset_in_cluster};
}

Result<Extent> ClusterDecoder::DecodeCompressed(const ClusterEntry& entry,
                                                uint64_t offset_in_cluster) const {
  if (external_) {
    return CorruptImage(At(entry) +
                        " is compressed, which images with an external data file cannot have");
  }
  const uint32_t size_bits = cluster_bits_ - 8;
  const uint32_t offset_bits = 62 - size_bits;
  const uint64_t host = entry.descriptor & ((1ull << offset_bits) - 1);
  const uint64_t more_sectors = entry.descriptor >> offset_bits & ((1ull << size_bits) - 1);
  const uint64_t stream_size = (more_sectors + 1) * 512 - host % 512;
  if (host >= data_file_.size) {
    return CorruptImage(StrCat(At(entry), " is compressed at ", Hex(host),
                               ", past the end of the file (", data_file_.size,
                               " bytes); the file is truncated or damaged"));
  }
  return Extent{
      .kind = Extent::Kind::kCompressed,
      .length = cluster_size_ - offset_in_cluster,
      .slot = data_file_.slot,
      .offset = host,
      .compressed_size = static_cast<uint32_t>(std::min(stream_size, data_file_.size - host)),
      .cluster_size = static_cast<uint32_t>(cluster_size_),
      .offset_in_cluster = static_cast<uint32_t>(offset_in_cluster),
      .compression = compression_};
}

}  // namespace hotcell::guest::qcow2
