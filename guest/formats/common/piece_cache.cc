#include "guest/formats/common/piece_cache.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "base/text.h"

namespace hotcell::guest {

PieceCache::Slot* PieceCache::Find(uint32_t file, uint64_t offset) {
  for (Slot& slot : slots_) {
    if (slot.offset == offset && slot.file == file) return &slot;
  }
  return nullptr;
}

bool PieceCache::TryRead(uint32_t file, uint64_t offset, std::span<std::byte> out) {
  const uint64_t in_piece = offset % kPieceSize;
  const std::lock_guard lock(lock_);
  Slot* const slot = Find(file, offset - in_piece);
  if (slot == nullptr || in_piece + out.size() > slot->size) return false;
  slot->last_use = ++clock_;
  std::memcpy(out.data(), slot->data.get() + in_piece, out.size());
  return true;
}

void PieceCache::Install(uint32_t file, uint64_t offset, std::span<const std::byte> data) {
  const std::lock_guard lock(lock_);
  if (Find(file, offset) != nullptr) return;  // another lane was faster
  Slot& slot = *std::min_element(slots_.begin(), slots_.end(), [](const Slot& a, const Slot& b) {
    return a.last_use < b.last_use;
  });
  if (slot.data == nullptr) slot.data = std::make_unique_for_overwrite<std::byte[]>(kPieceSize);
  slot.file = file;
  slot.offset = offset;
  slot.size = data.size();
  slot.last_use = ++clock_;
  std::memcpy(slot.data.get(), data.data(), data.size());
}

Status PieceCache::ReadFromPiece(IoChannel& io, const FileHandle& file, uint64_t offset,
                                 std::span<std::byte> out, std::string_view what) {
  if (TryRead(file.slot, offset, out)) return OkStatus();
  const uint64_t in_piece = offset % kPieceSize;
  const uint64_t begin = offset - in_piece;
  const ScopedBuffer buffer(io);
  const std::span<std::byte> piece =
      buffer.span().first(std::min<uint64_t>(kPieceSize, file.size - begin));
  const IoResult read = io.Wait(io.SubmitRead(file.slot, begin, piece));
  if (!read.ok()) return IoError(read, StrCat("read ", what, " at ", Hex(offset)));
  if (read.value < in_piece + out.size()) {
    return CorruptImage(StrCat(what, " at ", Hex(offset),
                               " reaches past the end of the file, which has become shorter"));
  }
  Install(file.slot, begin, piece.first(read.value));
  // This copies from the buffer: the cache may have evicted the piece already.
  std::memcpy(out.data(), piece.data() + in_piece, out.size());
  return OkStatus();
}

Status PieceCache::Read(IoChannel& io, const FileHandle& file, uint64_t offset,
                        std::span<std::byte> out, std::string_view what) {
  if (offset > file.size || out.size() > file.size - offset) {
    return CorruptImage(StrCat(what, " at ", Hex(offset), " (", out.size(),
                               " bytes) reaches past the end of the file (", file.size,
                               " bytes); the file is truncated or damaged"));
  }
  while (!out.empty()) {
    const size_t size = std::min<uint64_t>(out.size(), kPieceSize - offset % kPieceSize);
    HOTCELL_RETURN_IF_ERROR(ReadFromPiece(io, file, offset, out.first(size), what));
    offset += size;
    out = out.subspan(size);
  }
  return OkStatus();
}

}  // namespace hotcell::guest
