#include "guest/formats/qcow2/rebase.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "guest/formats/qcow2/header.h"
#include "guest/formats/qcow2/header_extensions.h"
#include "guest/formats/qcow2/on_disk.h"

namespace hotcell::guest {
namespace qcow2 {
namespace {

void Append(std::span<const std::byte> bytes, std::vector<std::byte>& out) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

void AppendExtension(uint32_t type, std::string_view data, std::vector<std::byte>& out) {
  const ExtensionHeader header = {.type = type, .length = static_cast<uint32_t>(data.size())};
  Append(std::as_bytes(std::span(&header, 1)), out);
  Append(std::as_bytes(std::span(data)), out);
  out.resize(out.size() + -data.size() % 8);
}

// The header, its extensions and the name, in the place of those of `cluster`, the file's first.
std::vector<std::byte> MakeHeader(std::span<const std::byte> cluster, const ImageHeader& header,
                                  const BackingNames& names) {
  Header raw = {};
  std::memcpy(&raw, cluster.data(), std::min<size_t>(header.header_length, sizeof(raw)));
  const uint64_t limit = raw.backing_file_offset != 0
                             ? std::min<uint64_t>(raw.backing_file_offset, cluster.size())
                             : cluster.size();
  const std::span<const std::byte> extensions =
      cluster.first(limit).subspan(std::min<uint64_t>(header.header_length, limit));

  std::vector<std::byte> bytes(cluster.begin(),
                               cluster.begin() + static_cast<ptrdiff_t>(header.header_length));
  if (!names.name.empty() && !names.format.empty()) {
    AppendExtension(kExtensionBackingFormat, names.format, bytes);
  }
  Append(ExtensionsWithout(kExtensionBackingFormat, extensions), bytes);
  AppendExtension(kExtensionEnd, {}, bytes);
  raw.backing_file_offset = names.name.empty() ? 0 : bytes.size();
  raw.backing_file_size = static_cast<uint32_t>(names.name.size());
  raw.autoclear_features =
      uint64_t{raw.autoclear_features} & (kAutoclearBitmaps | kAutoclearRawDataFile);
  std::memcpy(bytes.data(), &raw, std::min<size_t>(header.header_length, sizeof(raw)));
  Append(std::as_bytes(std::span(names.name)), bytes);
  return bytes;
}

// Bytes up to the last that is not zero.
size_t UsedSize(std::span<const std::byte> bytes) {
  const auto last = std::find_if(bytes.rbegin(), bytes.rend(),
                                 [](std::byte byte) { return byte != std::byte{0}; });
  return static_cast<size_t>(bytes.rend() - last);
}

Status CheckRequest(const ImageHeader& header, const BackingNames& names) {
  if (header.corrupt()) {
    return CorruptImage("qcow2: Image is corrupt; cannot be opened read/write");
  }
  if (!names.name.empty() && header.data_file_raw()) {
    return InvalidArgument(
        "qcow2: the image's data file is to hold the whole disk, so that there can be no backing "
        "file");
  }
  if (names.name.size() > kMaxBackingFileName || names.format.size() > kMaxBackingFormat) {
    return InvalidArgument("qcow2: the backing file's name or its format's is too long");
  }
  return OkStatus();
}

}  // namespace
}  // namespace qcow2

Result<bool> RebaseQcow2(IoChannel& io, const FileHandle& file, const BackingNames& names) {
  const Result<qcow2::ImageHeader> header = qcow2::ReadHeader(io, file);
  if (!header.ok()) return header.status();
  HOTCELL_RETURN_IF_ERROR(qcow2::CheckRequest(*header, names));
  std::vector<std::byte> cluster(std::min(header->cluster_size, file.size));
  HOTCELL_RETURN_IF_ERROR(ReadExact(io, file, 0, cluster, "qcow2: the header"));
  std::vector<std::byte> bytes = qcow2::MakeHeader(cluster, *header, names);
  if (bytes.size() > header->cluster_size) return false;
  bytes.resize(std::max(bytes.size(), qcow2::UsedSize(cluster)));
  HOTCELL_RETURN_IF_ERROR(WriteAll(io, file.slot, 0, bytes, "the qcow2 header"));
  const IoResult flushed = io.Flush(file.slot);
  if (!flushed.ok()) return IoError(flushed, "flush the image");
  return true;
}

}  // namespace hotcell::guest
