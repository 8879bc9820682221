// "Header extensions" of a qcow2 file.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_HEADER_EXTENSIONS_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_HEADER_EXTENSIONS_H_

#include <cstddef>
#include <span>
#include <vector>

#include "guest/formats/qcow2/header.h"
#include "guest/formats/qcow2/on_disk.h"

namespace hotcell::guest::qcow2 {

// `area` is what may hold extensions: from the header's end, which is at `area_offset` in the file,
// to the backing file name or else to the cluster's end. Fills the extensions' fields of `header`,
// whose others are set; unknown extensions are skipped.
Status ParseExtensions(std::span<const std::byte> area, uint64_t area_offset, ImageHeader& header);

// Whether the extensions come to an end in the first part of their area, so that what follows it
// need not be read.
bool ExtensionsEnd(std::span<const std::byte> part);

// All extensions of the area but those of `type`, one after the other and padded, without an end
// marker.
std::vector<std::byte> ExtensionsWithout(uint32_t type, std::span<const std::byte> area);

// The feature name table, as far as it can be found; for error messages.
std::vector<FeatureName> FindFeatureNames(std::span<const std::byte> area);

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_HEADER_EXTENSIONS_H_
