#include "guest/formats/qcow2/header_extensions.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/alignment.h"
#include "base/text.h"

namespace hotcell::guest::qcow2 {
namespace {

struct Extension {
  uint64_t offset = 0;  // of its header, in the area
  uint32_t type = kExtensionEnd;
  uint32_t length = 0;              // as declared
  std::span<const std::byte> data;  // empty when it does not fit
  bool fits = true;
};

// Walks the extensions of an area.
class ExtensionCursor {
 public:
  explicit ExtensionCursor(std::span<const std::byte> area) : area_(area) {}

  // No value at the end marker, at the area's end, and after an extension that does not fit.
  std::optional<Extension> Next() {
    const std::span<const std::byte> rest = area_.subspan(position_);
    if (rest.size() < sizeof(ExtensionHeader)) return TakeRemainder(rest);
    const auto raw = LoadStruct<ExtensionHeader>(area_, position_);
    if (raw.type == kExtensionEnd) {
      at_marker_ = true;
      return std::nullopt;
    }
    Extension extension{.offset = position_, .type = raw.type, .length = raw.length, .data = {}};
    position_ += sizeof(ExtensionHeader);
    if (extension.length > area_.size() - position_) {
      extension.fits = false;
      position_ = area_.size();
      return extension;
    }
    extension.data = area_.subspan(position_, extension.length);
    const uint64_t padded = AlignUp(extension.length, 8);
    position_ = std::min<uint64_t>(position_ + padded, area_.size());
    return extension;
  }

  // Next() ended at the marker.
  bool at_marker() const { return at_marker_; }

 private:
  // Other programs read an extension's header even where it reaches past the area's end.
  std::optional<Extension> TakeRemainder(std::span<const std::byte> rest) {
    const auto is_zero = [](std::byte byte) { return byte == std::byte{0}; };
    if (std::all_of(rest.begin(), rest.end(), is_zero)) return std::nullopt;
    std::array<std::byte, sizeof(ExtensionHeader)> padded = {};
    std::copy(rest.begin(), rest.end(), padded.begin());
    const auto raw = LoadStruct<ExtensionHeader>(padded);
    Extension extension{
        .offset = position_, .type = raw.type, .length = raw.length, .data = {}, .fits = false};
    position_ = area_.size();
    return extension;
  }

  const std::span<const std::byte> area_;
  size_t position_ = 0;
  bool at_marker_ = false;
};

std::string ToString(std::span<const std::byte> bytes) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Status WrongLength(std::string_view what, const Extension& extension, size_t expected) {
  return CorruptImage(
      StrCat("qcow2: ", what, " extension has ", extension.length, " bytes instead of ", expected));
}

Status ParseBitmaps(const Extension& extension, ImageHeader& header) {
  if (extension.length != sizeof(BitmapsExtension)) {
    return WrongLength("the bitmaps", extension, sizeof(BitmapsExtension));
  }
  const auto raw = LoadStruct<BitmapsExtension>(extension.data);
  // Without this bit the extension is left over from before a program changed the image that knows
  // no bitmaps.
  if (header.version < 3 || (header.autoclear & kAutoclearBitmaps) == 0) return OkStatus();
  const uint64_t size = raw.bitmap_directory_size;
  const uint64_t offset = raw.bitmap_directory_offset;
  if (raw.nb_bitmaps == 0 || raw.nb_bitmaps > kMaxBitmaps || size > kMaxBitmapDirectoryBytes ||
      offset == 0 || offset % header.cluster_size != 0) {
    return CorruptImage(StrCat("qcow2: the bitmap directory at ", Hex(offset), " (",
                               uint32_t{raw.nb_bitmaps}, " bitmaps, ", size,
                               " bytes) is not valid"));
  }
  header.bitmaps = {.count = raw.nb_bitmaps, .offset = offset, .size = size};
  return OkStatus();
}

Status ParseEncryption(const Extension& extension, ImageHeader& header) {
  if (extension.length != sizeof(EncryptionExtension)) {
    return WrongLength("the encryption header", extension, sizeof(EncryptionExtension));
  }
  const auto raw = LoadStruct<EncryptionExtension>(extension.data);
  const uint64_t offset = raw.offset;
  const uint64_t length = raw.length;
  if (offset == 0 || offset % header.cluster_size != 0 || length > UINT64_MAX - offset) {
    return CorruptImage(StrCat("qcow2: the encryption header at ", Hex(offset), " (", length,
                               " bytes) is not valid"));
  }
  header.encryption_header =
      Region{.offset = offset, .size = length, .what = "the encryption header"};
  return OkStatus();
}

Status ParseBackingFormat(const Extension& extension, ImageHeader& header) {
  if (extension.length > kMaxBackingFormat) {
    return CorruptImage(StrCat("qcow2: the backing format name has ", extension.length,
                               " bytes, more than the ", kMaxBackingFormat, " allowed"));
  }
  header.backing_format = ToString(extension.data);
  if (header.backing) header.backing->format = *header.backing_format;
  return OkStatus();
}

Status ParseDataFile(const Extension& extension, ImageHeader& header) {
  if (extension.length > abi::kMaxReferenceName) {
    return CorruptImage(StrCat("qcow2: the data file's name has ", extension.length,
                               " bytes, more than the ", abi::kMaxReferenceName,
                               " that a name can have"));
  }
  header.data_file = ToString(extension.data);
  return OkStatus();
}

Status ParseOne(const Extension& extension, ImageHeader& header) {
  switch (extension.type) {
    case kExtensionBackingFormat:
      return ParseBackingFormat(extension, header);
    case kExtensionBitmaps:
      return ParseBitmaps(extension, header);
    case kExtensionEncryption:
      return ParseEncryption(extension, header);
    case kExtensionDataFile:
      return ParseDataFile(extension, header);
    default:
      return OkStatus();
  }
}

bool IsKnown(uint32_t type) {
  return type == kExtensionBackingFormat || type == kExtensionBitmaps ||
         type == kExtensionEncryption || type == kExtensionDataFile;
}

}  // namespace

Status ParseExtensions(std::span<const std::byte> area, uint64_t area_offset, ImageHeader& header) {
  std::vector<uint32_t> seen;
  ExtensionCursor cursor(area);
  while (const std::optional<Extension> extension = cursor.Next()) {
    if (!extension->fits) {
      return CorruptImage(StrCat("qcow2: the header extension ", Hex(extension->type), " at ",
                                 Hex(area_offset + extension->offset), " claims ",
                                 extension->length, " bytes, more than the header has"));
    }
    ++header.extension_count;
    header.extensions_size += sizeof(ExtensionHeader) + extension->length;
    if (IsKnown(extension->type)) {
      if (std::find(seen.begin(), seen.end(), extension->type) != seen.end()) {
        return CorruptImage(StrCat("qcow2: the header extension ", Hex(extension->type),
                                   " appears twice, again at ",
                                   Hex(area_offset + extension->offset)));
      }
      seen.push_back(extension->type);
    }
    HOTCELL_RETURN_IF_ERROR(ParseOne(*extension, header));
  }
  return OkStatus();
}

bool ExtensionsEnd(std::span<const std::byte> part) {
  ExtensionCursor cursor(part);
  while (cursor.Next()) {
  }
  return cursor.at_marker();
}

std::vector<std::byte> ExtensionsWithout(uint32_t type, std::span<const std::byte> area) {
  std::vector<std::byte> bytes;
  ExtensionCursor cursor(area);
  while (const std::optional<Extension> extension = cursor.Next()) {
    if (extension->type == type || !extension->fits) continue;
    const auto whole = area.subspan(extension->offset, sizeof(ExtensionHeader) + extension->length);
    bytes.insert(bytes.end(), whole.begin(), whole.end());
    bytes.resize(AlignUp(bytes.size(), 8));
  }
  return bytes;
}

std::vector<FeatureName> FindFeatureNames(std::span<const std::byte> area) {
  std::vector<FeatureName> names;
  ExtensionCursor cursor(area);
  while (const std::optional<Extension> extension = cursor.Next()) {
    if (extension->type != kExtensionFeatureNames) continue;
    for (size_t at = 0; extension->data.size() - at >= sizeof(FeatureName);
         at += sizeof(FeatureName)) {
      names.push_back(LoadStruct<FeatureName>(extension->data, at));
    }
    break;
  }
  return names;
}

}  // namespace hotcell::guest::qcow2
