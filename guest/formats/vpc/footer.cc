#include "guest/formats/vpc/footer.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <string_view>

#include "base/text.h"

namespace hotcell::guest::vpc {
namespace {

Result<std::optional<Footer>> ReadFooter(IoChannel& io, const FileHandle& file, uint64_t offset) {
  Footer footer;
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, offset, std::as_writable_bytes(std::span(&footer, 1)),
                                    "vpc: the footer"));
  return HasCookie(footer) ? std::optional(footer) : std::nullopt;
}

// The footer that begins in the last sector of a file that ends within it: the rest is zero, as in
// QEMU.
Result<std::optional<Footer>> ReadShortFooter(IoChannel& io, const FileHandle& file) {
  Footer footer = {};
  const uint64_t size = file.size % kSectorSize;
  if (size <= offsetof(Footer, saved_state)) return std::optional<Footer>();
  const auto bytes = std::as_writable_bytes(std::span(&footer, 1));
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, file.size - size, bytes.first(size), "vpc: the footer"));
  return HasCookie(footer) ? std::optional(footer) : std::nullopt;
}

}  // namespace

bool SameDisk(Footer a, Footer b) {
  for (Footer* const footer : {&a, &b}) {
    footer->saved_state = 0;
    footer->time_stamp = 0;
    footer->checksum = 0;
  }
  return std::memcmp(&a, &b, sizeof(Footer)) == 0;
}

uint32_t Checksum(std::span<const std::byte> bytes) {
  return ~std::accumulate(bytes.begin(), bytes.end(), uint32_t{0}, [](uint32_t sum, std::byte b) {
    return sum + std::to_integer<uint32_t>(b);
  });
}

bool HasCookie(const Footer& footer) {
  return std::string_view(footer.cookie, sizeof(footer.cookie)) == kFooterCookie;
}

bool HasRightChecksum(const Footer& footer) { return ChecksumOf(footer) == footer.checksum; }

Result<Footers> ReadFooters(IoChannel& io, const FileHandle& file) {
  if (file.size < sizeof(Footer)) {
    return CorruptImage(
        StrCat("vpc: the file has ", file.size,
               " bytes, fewer than the footer of a VHD; it is truncated or no VHD"));
  }
  auto first = ReadFooter(io, file, 0);
  if (!first.ok()) return first.status();
  auto last = ReadFooter(io, file, file.size - sizeof(Footer));
  if (!last.ok()) return last.status();
  // A file of one sector is nothing but a footer.
  if (file.size == sizeof(Footer)) first->reset();
  auto last_sector = ReadShortFooter(io, file);
  if (!last_sector.ok()) return last_sector.status();
  Footers footers = {.first = *first, .last = *last, .end = file.size};
  if (footers.last) {
    footers.end -= sizeof(Footer);
    footers.two_ends = last_sector->has_value();
  } else if (*last_sector) {
    footers.last = *last_sector;
    footers.end -= file.size % kSectorSize;
  }
  return footers;
}

Result<ChosenFooter> ChooseFooter(const Footers& footers) {
  const bool first_is_right = footers.first && HasRightChecksum(*footers.first);
  const bool last_is_right = footers.last && HasRightChecksum(*footers.last);
  if (last_is_right && footers.last->disk_type == kTypeFixed) {
    // What lies at the start of a fixed disk is the disk's own, but who looks there first takes it
    // for another disk.
    if (first_is_right && footers.first->disk_type != kTypeFixed) {
      return CorruptImage(
          "vpc: the footer at the start of the file is that of another kind of disk "
          "than the one at its end; which disk this is, is not sure");
    }
    return ChosenFooter{.footer = *footers.last, .warnings = {}};
  }
  if (!footers.first && !footers.last) {
    return CorruptImage(
        "vpc: there is a footer neither at the start nor at the end of the file; it is truncated "
        "or no VHD");
  }
  if (!first_is_right && !last_is_right) {
    return CorruptImage(
        "vpc: incorrect header checksum: that of the footer, and there is no copy "
        "of it that is right; the image is damaged");
  }
  ChosenFooter chosen = {.footer = first_is_right ? *footers.first : *footers.last, .warnings = {}};
  if (!first_is_right) {
    chosen.warnings.emplace_back(
        "vpc: the copy of the footer at the start of the file is damaged; the one at the end is "
        "used");
  } else if (!footers.last) {
    chosen.warnings.emplace_back(
        "vpc: there is no footer at the end of the file; its copy at the start is used");
  } else if (!last_is_right) {
    chosen.warnings.emplace_back(
        "vpc: the footer at the end of the file is damaged; its copy at the start is used");
  } else if (!SameDisk(*footers.first, *footers.last)) {
    chosen.warnings.emplace_back(
        "vpc: the footer and its copy at the start of the file differ; the copy is used, other "
        "programs may use the footer");
  }
  return chosen;
}

Geometry GeometryOf(const Footer& footer) {
  return {footer.cylinders, footer.heads, footer.sectors_per_cylinder};
}

uint64_t VirtualSize(const Footer& footer) {
  const Geometry geometry = GeometryOf(footer);
  const std::string_view creator(footer.creator_application, sizeof(footer.creator_application));
  const bool by_geometry = (creator == "vpc " || creator == "qemu") &&
                           geometry.sectors() != kMaxGeometrySectors && geometry.sectors() != 0;
  if (by_geometry) return geometry.sectors() * kSectorSize;
  return footer.current_size / kSectorSize * kSectorSize;
}

Geometry CalculateGeometry(uint64_t sectors) {
  sectors = std::min(sectors, kMaxGeometrySectors);
  uint64_t per_track = 17;
  uint64_t heads = 16;
  if (sectors >= uint64_t{65535} * 16 * 63) {
    per_track = 255;
  } else {
    heads = std::max<uint64_t>((sectors / per_track + 1023) / 1024, 4);
    if (sectors / per_track >= heads * 1024 || heads > 16) {
      per_track = 31;
      heads = 16;
    }
    if (sectors / per_track >= heads * 1024) per_track = 63;
  }
  return {.cylinders = static_cast<uint16_t>(sectors / per_track / heads),
          .heads = static_cast<uint8_t>(heads),
          .sectors_per_cylinder = static_cast<uint8_t>(per_track)};
}

Geometry GeometryToHold(uint64_t sectors) {
  if (sectors >= kMaxGeometrySectors) return kMaxGeometry;
  Geometry geometry;
  for (uint64_t wanted = sectors; geometry.sectors() < sectors; ++wanted) {
    geometry = CalculateGeometry(wanted);
  }
  return geometry;
}

std::string FormatUuid(std::span<const uint8_t, 16> uuid) {
  if (std::all_of(uuid.begin(), uuid.end(), [](uint8_t byte) { return byte == 0; })) return {};
  std::string text;
  for (size_t i = 0; i < uuid.size(); ++i) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(kDigits[uuid[i] >> 4]);
    text.push_back(kDigits[uuid[i] & 15]);
  }
  return text;
}

}  // namespace hotcell::guest::vpc
