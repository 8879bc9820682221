#include <array>

#include "guest/formats/vpc/on_disk.h"
#include "tools/fuzzers/images/repaired_layouts.h"

namespace hotcell::fuzz {
namespace {

using namespace guest::vpc;  // NOLINT(google-build-using-namespace)

constexpr std::array kFooter = {
    HOTCELL_FIELD(Footer, cookie),
    HOTCELL_FIELD(Footer, features),
    HOTCELL_FIELD(Footer, file_format_version),
    HOTCELL_FIELD(Footer, data_offset),
    HOTCELL_FIELD(Footer, time_stamp),
    HOTCELL_FIELD(Footer, creator_application),
    HOTCELL_FIELD(Footer, original_size),
    HOTCELL_FIELD(Footer, current_size),
    HOTCELL_FIELD(Footer, cylinders),
    HOTCELL_FIELD(Footer, heads),
    HOTCELL_FIELD(Footer, sectors_per_cylinder),
    HOTCELL_FIELD(Footer, disk_type),
    HOTCELL_FIELD(Footer, unique_id),
    HOTCELL_FIELD(Footer, saved_state),
};
constexpr std::array kHeader = {
    HOTCELL_FIELD(DynamicHeader, cookie),
    HOTCELL_FIELD(DynamicHeader, data_offset),
    HOTCELL_FIELD(DynamicHeader, table_offset),
    HOTCELL_FIELD(DynamicHeader, header_version),
    HOTCELL_FIELD(DynamicHeader, max_table_entries),
    HOTCELL_FIELD(DynamicHeader, block_size),
    HOTCELL_FIELD(DynamicHeader, parent_unique_id),
    HOTCELL_FIELD(DynamicHeader, parent_unicode_name),
};
constexpr std::array kLocator = {HOTCELL_FIELD(ParentLocator, platform_code),
                                 HOTCELL_FIELD(ParentLocator, platform_data_space),
                                 HOTCELL_FIELD(ParentLocator, platform_data_length),
                                 HOTCELL_FIELD(ParentLocator, platform_data_offset)};

// Where the copy of the footer leads; in the seeds that is right after it.
constexpr Pointer kDynamicHeader = {.at = offsetof(Footer, data_offset), .width = 8};
constexpr uint64_t kUsualHeader = sizeof(Footer);

constexpr std::array kStructures = {
    Structure{.at = -static_cast<int64_t>(sizeof(Footer)), .fields = kFooter},
    Structure{.fields = kFooter},
    Structure{.pointer = kDynamicHeader, .fields = kHeader},
    Structure{.at = offsetof(DynamicHeader, parent_locators),
              .pointer = kDynamicHeader,
              .fields = kLocator,
              .count = 8,
              .stride = sizeof(ParentLocator)},
};
constexpr std::array kTables = {
    Table{.pointer = {.at = kUsualHeader + offsetof(DynamicHeader, table_offset), .width = 8},
          .width = 4,
          .entries = 16}};
constexpr std::array<uint64_t, 9> kValues = {kUnallocated,      kTypeFixed,    kTypeDynamic,
                                             kTypeDifferencing, kPlatformW2ru, kPlatformW2ku,
                                             kPlatformWi2k,     kPlatformMacX, kNoOffset};

template <typename T>
void RepairAt(SparseFile& file, uint64_t at) {
  if (at > file.size || sizeof(T) > file.size - at || !file.HasData(at, sizeof(T))) return;
  T structure;
  file.Read(at, std::as_writable_bytes(std::span(&structure, 1)));
  const guest::Be32 checksum = ChecksumOf(structure);
  file.Write(at + offsetof(T, checksum), std::as_bytes(std::span(&checksum, 1)));
}

void Repair(SparseFile& file) {
  RepairAt<Footer>(file, 0);
  if (file.size >= sizeof(Footer)) RepairAt<Footer>(file, file.size - sizeof(Footer));
  guest::Be64 header;
  file.Read(offsetof(Footer, data_offset), std::as_writable_bytes(std::span(&header, 1)));
  RepairAt<DynamicHeader>(file, header);
}

}  // namespace

constinit const Layout kVpcLayout = {.format = "vpc",
                                     .big_endian = true,
                                     .structures = kStructures,
                                     .tables = kTables,
                                     .values = kValues,
                                     .repair = Repair};

}  // namespace hotcell::fuzz
