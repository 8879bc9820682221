#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/common/two_level_reader.h"
#include "guest/formats/qcow/on_disk.h"
#include "guest/formats/qcow/qcow.h"

namespace hotcell::guest {
namespace qcow {
namespace {

struct ImageParts {
  TwoLevelLayout layout;
  uint32_t cluster_bits = 0;
  bool encrypted = false;
  std::optional<Reference> backing;
};

class Reader : public TwoLevelReader {
 public:
  explicit Reader(ImageParts parts) : TwoLevelReader(parts.layout), parts_(std::move(parts)) {}

  // Damage that does not keep the description from being true.
  void AddWarning(std::string text) { warnings_.push_back(std::move(text)); }

  std::optional<Reference> backing() const override { return parts_.backing; }

  ImageDescription Describe() const override {
    ImageDescription description;
    description.format = "qcow";
    description.virtual_size = layout().virtual_size;
    description.cluster_size = layout().cluster_size;
    description.encrypted = parts_.encrypted;
    if (parts_.encrypted) description.encryption = "aes";
    description.backing = parts_.backing;
    if (parts_.backing) description.references.push_back(*parts_.backing);
    description.features.emplace_back("version 1");
    description.warnings = warnings_;
    return description;
  }

 protected:
  Result<Extent> Decode(uint64_t entry, uint64_t cluster) const override {
    Extent extent = {.kind = Extent::Kind::kData,
                     .length = layout().cluster_size,
                     .slot = layout().file.slot,
                     .offset = entry};
    if ((entry & kEntryCompressed) == 0) {
      if (entry % kSectorSize == 0) return extent;
      return CorruptImage(StrCat("qcow: the cluster of disk offset ", Hex(cluster), " lies at ",
                                 Hex(entry), ", which is not a sector boundary"));
    }
    const uint32_t size_shift = 63 - parts_.cluster_bits;
    extent.kind = Extent::Kind::kCompressed;
    extent.offset = entry & ((uint64_t{1} << size_shift) - 1);
    extent.compressed_size = static_cast<uint32_t>((entry & ~kEntryCompressed) >> size_shift);
    if (extent.compressed_size == 0) {
      return CorruptImage(StrCat("qcow: the cluster of disk offset ", Hex(cluster),
                                 " is compressed to a stream of 0 bytes at ", Hex(extent.offset)));
    }
    extent.cluster_size = static_cast<uint32_t>(layout().cluster_size);
    extent.compression = Compression::kDeflate;
    return extent;
  }

 private:
  const ImageParts parts_;
  std::vector<std::string> warnings_;
};

Status CheckHeader(const Header& header) {
  if (header.magic != kMagic) {
    return CorruptImage("qcow: the file does not start with the magic bytes \"QFI\\xfb\"");
  }
  if (header.version != kVersion) {
    return Unsupported(StrCat("qcow: unsupported version ", uint32_t{header.version},
                              "; this is the format of version 1, and later ones are qcow2"));
  }
  if (header.size < 2) {
    return CorruptImage(
        StrCat("qcow: the disk has ", uint64_t{header.size}, " bytes; it must have at least 2"));
  }
  if (header.cluster_bits < kMinClusterBits || header.cluster_bits > kMaxClusterBits) {
    return CorruptImage(StrCat("qcow: cluster_bits is ", header.cluster_bits,
                               "; clusters have 512 bytes (9) to 64 KiB (16)"));
  }
  if (header.l2_bits < kMinL2Bits || header.l2_bits > kMaxL2Bits) {
    return CorruptImage(StrCat("qcow: l2_bits is ", header.l2_bits,
                               "; L2 tables have 64 entries (6) to 8192 (13)"));
  }
  if (header.crypt_method > kCryptAes) {
    return CorruptImage(StrCat("qcow: unknown encryption method ", uint32_t{header.crypt_method}));
  }
  return OkStatus();
}

Status CheckL1Size(const TwoLevelLayout& layout) {
  if (layout.l1_entries() <= kMaxL1Bytes / sizeof(Be64)) return OkStatus();
  return LimitExceeded(StrCat(
      "qcow: a disk of ", layout.virtual_size, " bytes needs an L1 table of ", layout.l1_entries(),
      " entries, more than the ", kMaxL1Bytes / sizeof(Be64), " that are read"));
}

Result<std::optional<Reference>> ReadBackingName(IoChannel& io, const FileHandle& file,
                                                 const Header& header) {
  const uint64_t offset = header.backing_file_offset;
  const uint32_t size = header.backing_file_size;
  if (offset == 0 || size == 0) return std::optional<Reference>();
  if (size > kMaxBackingFileName) {
    return CorruptImage(StrCat("qcow: the backing file name has ", size, " bytes, more than the ",
                               kMaxBackingFileName, " allowed"));
  }
  if (offset < sizeof(Header) || offset > file.size || size > file.size - offset) {
    return CorruptImage(StrCat("qcow: the backing file name at ", Hex(offset), " (", size,
                               " bytes) lies in the header or past the end of the file (",
                               file.size, " bytes)"));
  }
  Reference backing{
      .kind = ReferenceKind::kBackingFile, .name = std::string(size, '\0'), .format = {}};
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, offset,
                                    std::as_writable_bytes(std::span(backing.name)),
                                    "qcow: the backing file name"));
  return std::optional<Reference>(std::move(backing));
}

Result<ImageParts> ReadHeader(IoChannel& io, const FileHandle& file) {
  if (file.size < sizeof(Header)) {
    return CorruptImage(StrCat("qcow: the file has ", file.size, " bytes, the header has ",
                               sizeof(Header), "; the file is truncated or not qcow"));
  }
  Header header;
  HOTCELL_RETURN_IF_ERROR(
      ReadExact(io, file, 0, std::as_writable_bytes(std::span(&header, 1)), "qcow: the header"));
  HOTCELL_RETURN_IF_ERROR(CheckHeader(header));
  ImageParts parts;
  parts.cluster_bits = header.cluster_bits;
  parts.encrypted = header.crypt_method == kCryptAes;
  parts.layout = {
      .format = "qcow",
      .byte_order = std::endian::big,
      .file = file,
      .virtual_size = header.size,
      .cluster_size = uint64_t{1} << header.cluster_bits,
      .l2_entries = uint64_t{1} << header.l2_bits,
      .l1_offset = header.l1_table_offset,
      .header = {.offset = 0, .size = sizeof(Header), .what = "the header"},
  };
  HOTCELL_RETURN_IF_ERROR(CheckL1Size(parts.layout));
  auto backing = ReadBackingName(io, file, header);
  if (!backing.ok()) return backing.status();
  parts.backing = std::move(*backing);
  return parts;
}

}  // namespace
}  // namespace qcow

Result<std::unique_ptr<ImageReader>> OpenQcow(IoChannel& io, const FileHandle& file,
                                              const OpenOptions& options) {
  auto parts = qcow::ReadHeader(io, file);
  if (!parts.ok()) return parts.status();
  if (!options.describe_only && parts->encrypted) {
    return Unsupported(
        "qcow: the image is encrypted (aes); encrypted images can be inspected but not read");
  }
  HOTCELL_RETURN_IF_ERROR(CheckVirtualSize("qcow", parts->layout.virtual_size, options));
  auto reader = std::make_unique<qcow::Reader>(std::move(*parts));
  const Status tables = reader->CheckTables(io);
  if (!options.describe_only) HOTCELL_RETURN_IF_ERROR(tables);
  if (!tables.ok()) reader->AddWarning(tables.message());
  return std::unique_ptr<ImageReader>(std::move(reader));
}

}  // namespace hotcell::guest
