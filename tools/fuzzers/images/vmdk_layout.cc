#include "tools/fuzzers/images/vmdk_layout.h"

#include <array>

#include "guest/formats/vmdk/on_disk.h"

namespace hotcell::fuzz {
namespace {

using namespace guest::vmdk;  // NOLINT(google-build-using-namespace)

constexpr std::array kSparseHeader = {HOTCELL_FIELD(SparseExtentHeader, version),
                                      HOTCELL_FIELD(SparseExtentHeader, flags),
                                      HOTCELL_FIELD(SparseExtentHeader, capacity),
                                      HOTCELL_FIELD(SparseExtentHeader, grainSize),
                                      HOTCELL_FIELD(SparseExtentHeader, descriptorOffset),
                                      HOTCELL_FIELD(SparseExtentHeader, descriptorSize),
                                      HOTCELL_FIELD(SparseExtentHeader, numGTEsPerGT),
                                      HOTCELL_FIELD(SparseExtentHeader, rgdOffset),
                                      HOTCELL_FIELD(SparseExtentHeader, gdOffset),
                                      HOTCELL_FIELD(SparseExtentHeader, overHead),
                                      HOTCELL_FIELD(SparseExtentHeader, uncleanShutdown),
                                      HOTCELL_FIELD(SparseExtentHeader, singleEndLineChar),
                                      HOTCELL_FIELD(SparseExtentHeader, compressAlgorithm)};
constexpr std::array kMarker = {HOTCELL_FIELD(MetadataMarker, numSectors),
                                HOTCELL_FIELD(MetadataMarker, size),
                                HOTCELL_FIELD(MetadataMarker, type)};
constexpr std::array kCowdHeader = {
    HOTCELL_FIELD(CowdHeader, version),    HOTCELL_FIELD(CowdHeader, flags),
    HOTCELL_FIELD(CowdHeader, numSectors), HOTCELL_FIELD(CowdHeader, grainSize),
    HOTCELL_FIELD(CowdHeader, gdOffset),   HOTCELL_FIELD(CowdHeader, numGDEntries)};
constexpr std::array kSeSparse = {HOTCELL_FIELD(SeSparseConstHeader, version),
                                  HOTCELL_FIELD(SeSparseConstHeader, capacity),
                                  HOTCELL_FIELD(SeSparseConstHeader, grain_size),
                                  HOTCELL_FIELD(SeSparseConstHeader, grain_table_size),
                                  HOTCELL_FIELD(SeSparseConstHeader, flags),
                                  HOTCELL_FIELD(SeSparseConstHeader, volatile_header_offset),
                                  HOTCELL_FIELD(SeSparseConstHeader, volatile_header_size),
                                  HOTCELL_FIELD(SeSparseConstHeader, journal_header_offset),
                                  HOTCELL_FIELD(SeSparseConstHeader, journal_offset),
                                  HOTCELL_FIELD(SeSparseConstHeader, grain_dir_offset),
                                  HOTCELL_FIELD(SeSparseConstHeader, grain_dir_size),
                                  HOTCELL_FIELD(SeSparseConstHeader, grain_tables_offset),
                                  HOTCELL_FIELD(SeSparseConstHeader, grain_tables_size),
                                  HOTCELL_FIELD(SeSparseConstHeader, grains_offset),
                                  HOTCELL_FIELD(SeSparseConstHeader, grains_size)};
constexpr std::array kVolatile = {HOTCELL_FIELD(SeSparseVolatileHeader, magic),
                                  HOTCELL_FIELD(SeSparseVolatileHeader, replay_journal)};

constexpr int64_t kStreamEnd = -static_cast<int64_t>(sizeof(StreamEnd));

constexpr std::array kStructures = {
    Structure{.fields = kSparseHeader},
    Structure{.at = kStreamEnd, .fields = kMarker},
    Structure{.at = kStreamEnd + static_cast<int64_t>(offsetof(StreamEnd, footer)),
              .fields = kSparseHeader},
    Structure{.at = kStreamEnd + static_cast<int64_t>(offsetof(StreamEnd, end_of_stream)),
              .fields = kMarker},
    Structure{.fields = kCowdHeader},
    Structure{.fields = kSeSparse},
    Structure{.pointer = {.at = offsetof(SeSparseConstHeader, volatile_header_offset),
                          .width = 8,
                          .unit = kSectorSize},
              .fields = kVolatile},
};

constexpr Table kGrainTable = {.width = 4, .entries = 32};
constexpr std::array kTables = {
    Table{
        .pointer = {.at = offsetof(SparseExtentHeader, gdOffset), .width = 8, .unit = kSectorSize},
        .width = 4,
        .entries = 4,
        .below = &kGrainTable,
        .unit = kSectorSize},
    Table{
        .pointer = {.at = offsetof(SparseExtentHeader, rgdOffset), .width = 8, .unit = kSectorSize},
        .width = 4,
        .entries = 4,
        .below = &kGrainTable,
        .unit = kSectorSize},
    Table{.pointer = {.at = offsetof(CowdHeader, gdOffset), .width = 4, .unit = kSectorSize},
          .width = 4,
          .entries = 4,
          .below = &kGrainTable,
          .unit = kSectorSize},
    Table{.pointer = {.at = offsetof(SeSparseConstHeader, grain_dir_offset),
                      .width = 8,
                      .unit = kSectorSize},
          .width = 8,
          .entries = 4},
    Table{.pointer = {.at = offsetof(SeSparseConstHeader, grain_tables_offset),
                      .width = 8,
                      .unit = kSectorSize},
          .width = 8,
          .entries = 32},
};

constexpr std::array<uint64_t, 11> kValues = {kFlagNewlineDetection,
                                              kFlagRedundantTables,
                                              kFlagZeroedGrains,
                                              kFlagCompressed,
                                              kFlagMarkers,
                                              kFlagCompressed | kFlagMarkers | 1,
                                              kGdAtEnd,
                                              kSeSparseGdeAllocated,
                                              kSeSparseGteUnmapped,
                                              kSeSparseGteZero,
                                              kSeSparseGteAllocated};

}  // namespace

constinit const Layout kVmdkLayout = {.format = "vmdk",
                                      .unit = kSectorSize,
                                      .structures = kStructures,
                                      .tables = kTables,
                                      .values = kValues};

}  // namespace hotcell::fuzz
