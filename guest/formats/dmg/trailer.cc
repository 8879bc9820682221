#include "guest/formats/dmg/trailer.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "base/text.h"
#include "guest/formats/dmg/on_disk.h"

namespace hotcell::guest::dmg {
namespace {

Status RefuseEncrypted(IoChannel& io, const FileHandle& file) {
  std::array<std::byte, kEncryptedMagic.size()> magic;
  if (file.size < magic.size()) return OkStatus();
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, magic, "dmg: the start of the file"));
  if (std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size()) !=
      kEncryptedMagic) {
    return OkStatus();
  }
  return Unsupported(
      "dmg: the image is encrypted; macOS can convert it to one that is not (hdiutil convert)");
}

Status CheckPart(std::string_view what, uint64_t offset, uint64_t length, uint64_t end) {
  if (offset <= end && length <= end - offset) return OkStatus();
  return CorruptImage(StrCat("dmg: ", what, " at ", Hex(offset), " (", length,
                             " bytes) reaches past the trailer at ", Hex(end),
                             "; the file is truncated or damaged"));
}

Status CheckDescription(std::string_view what, uint64_t offset, uint64_t length, uint64_t end) {
  HOTCELL_RETURN_IF_ERROR(CheckPart(what, offset, length, end));
  if (length <= kMaxDescriptionLength) return OkStatus();
  return LimitExceeded(StrCat("dmg: ", what, " has ", length, " bytes, more than the supported ",
                              kMaxDescriptionLength));
}

}  // namespace

bool ReachesTrailer(const Trailer& trailer, uint64_t end) {
  const struct {
    uint64_t offset;
    uint64_t length;
  } parts[] = {{trailer.data_fork_offset, trailer.data_fork_length},
               {trailer.rsrc_fork_offset, trailer.rsrc_fork_length},
               {trailer.xml_offset, trailer.xml_length},
               {trailer.code_signature_offset, trailer.code_signature_length}};
  return std::any_of(std::begin(parts), std::end(parts), [end](const auto& part) {
    return part.length > 0 && part.offset <= end && part.length <= end - part.offset &&
           end - part.offset - part.length < kSectorSize;
  });
}

Result<ImageTrailer> ReadTrailer(IoChannel& io, const FileHandle& file) {
  HOTCELL_RETURN_IF_ERROR(RefuseEncrypted(io, file));
  Trailer trailer;
  if (file.size < sizeof(trailer)) {
    return CorruptImage(StrCat("dmg: a file of ", file.size, " bytes has no room for a trailer"));
  }
  ImageTrailer image;
  image.end = file.size - sizeof(trailer);
  HOTCELL_RETURN_IF_ERROR(ReadExact(
      io, file, image.end, std::as_writable_bytes(std::span(&trailer, 1)), "dmg: the trailer"));
  if (trailer.signature != kTrailerSignature) {
    return CorruptImage(
        "dmg: the file does not end with a UDIF trailer; it is truncated or no "
        "disk image of this kind");
  }
  if (trailer.version != kTrailerVersion || trailer.header_size != sizeof(trailer)) {
    return Unsupported(StrCat("dmg: a trailer of version ", uint32_t{trailer.version}, " with ",
                              uint32_t{trailer.header_size}, " bytes is not supported"));
  }
  if (trailer.segment_count > 1) {
    return Unsupported(StrCat("dmg: the image is one of ", uint32_t{trailer.segment_count},
                              " segments; only whole images are supported"));
  }
  image.sectors = trailer.sector_count;
  image.data_fork = trailer.data_fork_offset;
  image.data_fork_length = trailer.data_fork_length;
  image.resource_fork_offset = trailer.rsrc_fork_offset;
  image.resource_fork_length = trailer.rsrc_fork_length;
  image.xml_offset = trailer.xml_offset;
  image.xml_length = trailer.xml_length;
  if (image.sectors > (UINT64_MAX >> 1) / kSectorSize) {
    return CorruptImage(
        StrCat("dmg: a disk of ", image.sectors, " sectors is more than there can be"));
  }
  HOTCELL_RETURN_IF_ERROR(
      CheckPart("the data fork", image.data_fork, trailer.data_fork_length, image.end));
  HOTCELL_RETURN_IF_ERROR(CheckDescription("the resource fork", image.resource_fork_offset,
                                           image.resource_fork_length, image.end));
  HOTCELL_RETURN_IF_ERROR(
      CheckDescription("the property list", image.xml_offset, image.xml_length, image.end));
  image.parts_length = image.resource_fork_length + image.xml_length;
  const uint64_t signature = trailer.code_signature_length;
  if (signature <= kMaxDescriptionLength) image.parts_length += signature;
  return image;
}

}  // namespace hotcell::guest::dmg
