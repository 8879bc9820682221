#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/check.h"
#include "guest/formats/vmdk/reader.h"
#include "guest/formats/vmdk/sector_map.h"
#include "guest/formats/vmdk/vmdk.h"

namespace hotcell::guest {
namespace vmdk {
namespace {

// A pass over the tables finds out who claims this much of the file: 16 MiB of bits.
constexpr uint64_t kWindowSectors = 128ull << 20;

uint64_t Sectors(uint64_t bytes) { return DivideUp(bytes, kSectorSize); }

class ExtentChecker {
 public:
  ExtentChecker(const ExtentInfo& info, GrainMap& map, bool on_device, CheckResult& result)
      : info_(info), map_(map), layout_(map.layout()), on_device_(on_device), result_(result) {}

  Status Run(IoChannel& io) {
    uint64_t end = Sectors(layout_.file.size);
    if (!map_.CheckTables(io).ok() && end > kWindowSectors) {
      // Tables that are claimed again and again would be walked again in each pass.
      end = kWindowSectors;
      tables_end_ = end * kSectorSize;
      Report(CheckFinding::Kind::kCheckError,
             StrCat("vmdk: the grain tables are damaged; what lies behind ", Hex(tables_end_),
                    " was not checked"));
    }
    for (uint64_t begin = 0; begin < end; begin = next_claim_) {
      window_end_ = std::min(begin + kWindowSectors, end);
      // A sparse file can be exabytes of nothing: on to what this pass meets beyond the window.
      next_claim_ = end;
      sectors_.emplace(begin, window_end_ - begin);
      first_pass_ = begin == 0;
      HOTCELL_RETURN_IF_ERROR(Pass(io));
      if (layout_.kind != SparseKind::kHosted) continue;
      HOTCELL_RETURN_IF_ERROR(FindLeaks(io));
      ReportLeak(window_end_, next_claim_);
    }
    return layout_.rgd_offset != 0 ? CompareDirectories(io) : OkStatus();
  }

 private:
  void Report(CheckFinding::Kind kind, const std::string& message) {
    result_.Add(kind, InExtent(info_, CorruptImage(message)).message());
  }
  void Corruption(const std::string& message) { Report(CheckFinding::Kind::kCorruption, message); }
  bool Claim(uint64_t sector, uint64_t count) {
    claimed_end_ = std::max(claimed_end_, sector + count);
    if (sector + count > window_end_) {
      next_claim_ = std::min(next_claim_, std::max(sector, window_end_));
    }
    return sectors_->Claim(sector, count);
  }
  // What every pass meets again is reported once.
  void CorruptionOnce(const Status& status) {
    if (first_pass_) Corruption(status.message());
  }

  Status Pass(IoChannel& io) {
    for (const Region& region : layout_.metadata) {
      // seSparse's tables claim this one by one.
      if (layout_.kind == SparseKind::kSeSparse && region.offset == layout_.tables.offset) continue;
      Claim(region.offset / kSectorSize, Sectors(region.size));
    }
    if (layout_.footer) {
      Claim(Sectors(layout_.file.size - sizeof(StreamEnd)), Sectors(sizeof(StreamEnd)));
      HOTCELL_RETURN_IF_ERROR(ClaimMarkerBefore(io, layout_.gd_offset, kMarkerGrainDirectory,
                                                Sectors(layout_.gd_entries * layout_.entry_size),
                                                "the grain directory"));
    }
    if (layout_.rgd_offset != 0) {
      HOTCELL_RETURN_IF_ERROR(WalkDirectory(io, layout_.rgd_offset, /*grains=*/false));
    }
    return WalkDirectory(io, layout_.gd_offset, /*grains=*/true);
  }

  // In a stream, metadata has a marker before it, by which a program that reads the stream from its
  // begin to its end skips it.
  Status ClaimMarkerBefore(IoChannel& io, uint64_t metadata, uint32_t type, uint64_t sectors,
                           std::string_view what) {
    const uint64_t place = metadata - kSectorSize;
    Claim(place / kSectorSize, 1);
    if (place < layout_.overhead || !layout_.markers) return OkStatus();
    auto marker = ReadMarker(io, place);
    if (!marker.ok()) return marker.status();
    if (marker->size == 0 && marker->type == type && marker->numSectors == sectors) {
      return OkStatus();
    }
    CorruptionOnce(CorruptImage(StrCat("vmdk: before ", what, " at ", Hex(metadata),
                                       " is not its marker, by which a stream is read")));
    return OkStatus();
  }

  struct Marker {
    Le64 numSectors;
    Le32 size;
    Le32 type;
  };
  // Precondition: `place` is a sector before the last one of the file.
  Result<Marker> ReadMarker(IoChannel& io, uint64_t place) {
    std::array<std::byte, sizeof(Marker)> bytes;
    HOTCELL_RETURN_IF_ERROR(map_.ReadFile(io, place, bytes, "vmdk: a marker"));
    return LoadStruct<Marker>(bytes);
  }

  Status WalkDirectory(IoChannel& io, uint64_t directory, bool grains) {
    std::array<uint64_t, GrainMap::kBatch> batch;
    for (uint64_t index = 0; index < layout_.gd_entries;) {
      const std::span entries =
          std::span(batch).first(std::min<uint64_t>(GrainMap::kBatch, layout_.gd_entries - index));
      HOTCELL_RETURN_IF_ERROR(map_.ReadDirectory(io, directory, index, entries));
      for (size_t i = 0; i < entries.size(); ++i) {
        auto table = map_.TableAt(index + i, entries[i]);
        if (!table.ok()) {
          CorruptionOnce(table.status());
          continue;
        }
        if (*table == 0) continue;
        // A table that is walked once is walked in a time that its bytes in the file pay for.
        if (!ClaimTable(index + i, *table)) continue;
        if (layout_.footer) {
          HOTCELL_RETURN_IF_ERROR(ClaimMarkerBefore(
              io, *table, kMarkerGrainTable, Sectors(layout_.table_size()), "the grain table"));
        }
        if (!grains) continue;
        HOTCELL_RETURN_IF_ERROR(WalkTable(io, index + i, *table));
      }
      index += entries.size();
    }
    return OkStatus();
  }

  bool ClaimTable(uint64_t index, uint64_t table) {
    if (table >= tables_end_) return false;
    if (Claim(table / kSectorSize, Sectors(layout_.table_size()))) return true;
    Corruption(StrCat("vmdk: the grain table at ", Hex(table), " (grain directory entry ", index,
                      ") overlaps something else"));
    return false;
  }

  Status WalkTable(IoChannel& io, uint64_t index, uint64_t table) {
    const uint64_t begin = index * layout_.table_coverage();
    const uint64_t end = std::min(begin + layout_.table_coverage(), layout_.capacity);
    std::array<uint64_t, GrainMap::kBatch> batch;
    uint64_t first = 0;
    for (uint64_t offset = begin; offset < end;) {
      const uint64_t left = (end - offset - 1) / layout_.grain_size + 1;
      const std::span entries = std::span(batch).first(std::min<uint64_t>(GrainMap::kBatch, left));
      HOTCELL_RETURN_IF_ERROR(map_.ReadTable(io, table, first, entries));
      for (const uint64_t entry : entries) {
        if (entry != 0) HOTCELL_RETURN_IF_ERROR(CheckGrain(io, offset, entry));
        offset += layout_.grain_size;
      }
      first += entries.size();
    }
    return OkStatus();
  }

  Status CheckGrain(IoChannel& io, uint64_t offset, uint64_t entry) {
    const uint64_t length = std::min(layout_.grain_size, layout_.capacity - offset);
    auto grain = map_.GrainAt(offset, length, entry);
    if (!grain.ok()) {
      CorruptionOnce(grain.status());
      return OkStatus();
    }
    if (grain->kind != Grain::Kind::kData) return OkStatus();
    uint64_t size = length;
    if (layout_.markers && layout_.compressed) {
      if (grain->offset < layout_.overhead) {
        CorruptionOnce(CorruptImage(
            StrCat("vmdk: the grain of extent offset ", Hex(offset), " at ", Hex(grain->offset),
                   " lies before the stream, which begins at ", Hex(layout_.overhead))));
      }
      auto stream = CheckMarker(io, offset, grain->offset);
      if (!stream.ok()) return stream.status();
      size = *stream;
    }
    if (!Claim(grain->offset / kSectorSize, Sectors(size))) {
      Corruption(StrCat("vmdk: the grain of extent offset ", Hex(offset), " at ",
                        Hex(grain->offset), " (", size, " bytes) overlaps something else"));
    }
    return OkStatus();
  }

  // The bytes of a compressed grain, its marker included.
  Result<uint64_t> CheckMarker(IoChannel& io, uint64_t offset, uint64_t place) {
    std::array<std::byte, sizeof(GrainMarker)> bytes;
    const uint64_t in_file = layout_.file.size - place;
    if (in_file < sizeof(GrainMarker)) {
      CorruptionOnce(
          CorruptImage(StrCat("vmdk: the file ends within the marker of the grain of "
                              "extent offset ",
                              Hex(offset))));
      return in_file;
    }
    HOTCELL_RETURN_IF_ERROR(map_.ReadFile(io, place, bytes, "vmdk: a grain's marker"));
    const auto marker = LoadStruct<GrainMarker>(bytes);
    const auto where = [&] {
      return StrCat("vmdk: the marker at ", Hex(place), " of the grain of extent offset ",
                    Hex(offset));
    };
    if (marker.lba != offset / kSectorSize) {
      CorruptionOnce(
          CorruptImage(StrCat(where(), " is that of the grain at sector ", uint64_t{marker.lba})));
    }
    if (marker.size == 0 || marker.size > in_file - sizeof(GrainMarker)) {
      CorruptionOnce(CorruptImage(
          StrCat(where(), " says ", uint32_t{marker.size}, " bytes of compressed data")));
      return sizeof(GrainMarker);
    }
    return sizeof(GrainMarker) + marker.size;
  }

  Status FindLeaks(IoChannel& io) {
    Status status = OkStatus();
    sectors_->ForEachFree([&](uint64_t begin, uint64_t count) {
      ReportLeak(begin, begin + count);
      if (status.ok() && layout_.compressed && layout_.markers) {
        status = FindHiddenGrain(io, begin, begin + count);
      }
    });
    return status;
  }

  // A program that reads a stream from its begin to its end goes by the markers alone: it takes a
  // grain that no table names for one of the disk.
  Status FindHiddenGrain(IoChannel& io, uint64_t begin, uint64_t end) {
    constexpr int kMaxMarkers = 16;  // more of metadata do not follow each other
    begin = std::max(begin, Sectors(layout_.overhead));
    end = std::min(end, layout_.file.size / kSectorSize);
    for (int i = 0; i < kMaxMarkers && begin < end; ++i) {
      auto marker = ReadMarker(io, begin * kSectorSize);
      if (!marker.ok()) return marker.status();
      if (marker->size != 0) {
        Corruption(StrCat("vmdk: at ", Hex(begin * kSectorSize),
                          " is a grain of the stream, for sector ", uint64_t{marker->numSectors},
                          ", that no grain table names"));
        return OkStatus();
      }
      // Zeroes are the end of the stream.
      if (marker->type == kMarkerEndOfStream || marker->type > kMarkerUnspecified) {
        return OkStatus();
      }
      const uint64_t sectors =
          marker->type == kMarkerUnspecified ? 0 : uint64_t{marker->numSectors};
      if (sectors >= end - begin) return OkStatus();
      begin += 1 + sectors;
    }
    return OkStatus();
  }

  // Padding is smaller than a grain.
  void ReportLeak(uint64_t begin, uint64_t end) {
    begin = std::max(begin, Sectors(layout_.overhead));
    if (on_device_) end = std::min(end, claimed_end_);
    if (begin >= end || end - begin < layout_.grain_size / kSectorSize) return;
    Report(CheckFinding::Kind::kLeak, StrCat("vmdk: nothing uses the ", end - begin, " sectors at ",
                                             Hex(begin * kSectorSize)));
  }

  // Both directories name tables for the same grains, whose entries are the same.
  Status CompareDirectories(IoChannel& io) {
    std::array<uint64_t, GrainMap::kBatch> batch;
    std::array<uint64_t, GrainMap::kBatch> redundant_batch;
    for (uint64_t index = 0; index < layout_.gd_entries;) {
      const uint64_t count = std::min<uint64_t>(GrainMap::kBatch, layout_.gd_entries - index);
      const std::span entries = std::span(batch).first(count);
      const std::span redundant = std::span(redundant_batch).first(count);
      HOTCELL_RETURN_IF_ERROR(map_.ReadDirectory(io, layout_.gd_offset, index, entries));
      HOTCELL_RETURN_IF_ERROR(map_.ReadDirectory(io, layout_.rgd_offset, index, redundant));
      for (size_t i = 0; i < count; ++i) {
        HOTCELL_RETURN_IF_ERROR(CompareTables(io, index + i, entries[i], redundant[i]));
      }
      index += count;
    }
    return OkStatus();
  }

  Status CompareTables(IoChannel& io, uint64_t index, uint64_t entry, uint64_t redundant_entry) {
    const auto table = map_.TableAt(index, entry);
    const auto redundant = map_.TableAt(index, redundant_entry);
    // Reported before.
    if (!table.ok() || !redundant.ok() || *table == *redundant) return OkStatus();
    if (*table == 0 || *redundant == 0) {
      Corruption(StrCat("vmdk: entry ", index,
                        " of the grain directory and of the redundant one differ: only one names "
                        "a table"));
      return OkStatus();
    }
    const uint64_t begin = index * layout_.table_coverage();
    const uint64_t grains = std::min<uint64_t>(
        layout_.gt_entries, (layout_.capacity - begin - 1) / layout_.grain_size + 1);
    std::array<uint64_t, GrainMap::kBatch> a;
    std::array<uint64_t, GrainMap::kBatch> b;
    for (uint64_t first = 0; first < grains; first += GrainMap::kBatch) {
      const uint64_t count = std::min<uint64_t>(GrainMap::kBatch, grains - first);
      HOTCELL_RETURN_IF_ERROR(map_.ReadTable(io, *table, first, std::span(a).first(count)));
      HOTCELL_RETURN_IF_ERROR(map_.ReadTable(io, *redundant, first, std::span(b).first(count)));
      const auto differing = std::mismatch(a.begin(), a.begin() + count, b.begin()).first;
      if (differing == a.begin() + count) continue;
      Corruption(StrCat("vmdk: the grain table at ", Hex(*table), " and the redundant one at ",
                        Hex(*redundant), " differ from entry ", first + (differing - a.begin()),
                        " on"));
      return OkStatus();
    }
    return OkStatus();
  }

  const ExtentInfo& info_;
  GrainMap& map_;
  const SparseLayout& layout_;
  const bool on_device_;
  CheckResult& result_;
  std::optional<SectorMap> sectors_;  // of the pass
  bool first_pass_ = true;
  uint64_t window_end_ = 0;           // sectors; of this pass
  uint64_t next_claim_ = 0;           // sectors; the first one claimed behind the window
  uint64_t claimed_end_ = 0;          // sectors; of all that was claimed, from the first pass on
  uint64_t tables_end_ = UINT64_MAX;  // those from here on are left out
};

// What the embedded descriptor says of the extent that it is in.
void CheckEmbedded(const ImageParts& parts, CheckResult& result) {
  const DiskExtent& own = parts.extents.front();
  const auto corruption = [&](std::string text) {
    result.Add(CheckFinding::Kind::kCorruption, std::move(text));
  };
  const Descriptor& descriptor = parts.descriptor;
  if (descriptor.create_type != parts.create_type) {
    corruption(StrCat("vmdk: the descriptor says createType '", descriptor.create_type,
                      "', the header that of ", parts.create_type));
  }
  if (descriptor.extents.size() != 1 || descriptor.extents[0].type != "SPARSE") {
    corruption(StrCat("vmdk: the descriptor has ", descriptor.extents.size(),
                      " extent lines, where one of type SPARSE should be"));
    return;
  }
  const uint64_t declared = descriptor.extents[0].sectors * kSectorSize;
  if (declared > own.length || own.length - declared >= own.info.cluster_size) {
    corruption(StrCat("vmdk: the descriptor says that the extent has ", declared,
                      " bytes, the header ", own.length));
  }
}

}  // namespace
}  // namespace vmdk

Result<CheckResult> CheckVmdk(IoChannel& io, const FileHandle& file, const OpenOptions& options) {
  auto parts = vmdk::OpenParts(io, file, options);
  if (!parts.ok()) return parts.status();
  CheckResult result;
  for (const vmdk::DiskExtent& extent : parts->extents) {
    if (extent.info.format.empty()) vmdk::CheckEmbedded(*parts, result);
    if (extent.grains == nullptr) continue;
    const bool on_device = options.on_device && extent.info.format.empty();
    const Status status =
        vmdk::ExtentChecker(extent.info, *extent.grains, on_device, result).Run(io);
    if (!status.ok()) return vmdk::InExtent(extent.info, status);
  }
  return result;
}

}  // namespace hotcell::guest
