#include "guest/formats/common/table_cache.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "base/text.h"
#include "guest/formats/common/endian.h"

namespace hotcell::guest {

void TableCache::CopyEntries(const std::byte* table, size_t first, std::span<uint64_t> out) const {
  std::memcpy(out.data(), table + first * sizeof(uint64_t), out.size_bytes());
  if (order_ == std::endian::native) return;
  for (uint64_t& entry : out) entry = SwapBytes(entry);
}

TableCache::Slot* TableCache::Find(uint64_t slice_offset) {
  for (Slot& slot : slots_) {
    if (slot.offset == slice_offset) return &slot;
  }
  return nullptr;
}

bool TableCache::TryRead(uint64_t slice_offset, size_t first, std::span<uint64_t> out) {
  const std::lock_guard lock(lock_);
  Slot* const slot = Find(slice_offset);
  if (slot == nullptr) return false;
  slot->last_use = ++clock_;
  CopyEntries(slot->data.get(), first, out);
  return true;
}

void TableCache::Install(const Slice& slice, const std::byte* data) {
  const std::lock_guard lock(lock_);
  Slot* slot = Find(slice.offset);
  if (slot != nullptr) return;  // another lane was faster
  slot = &*std::min_element(slots_.begin(), slots_.end(),
                            [](const Slot& a, const Slot& b) { return a.last_use < b.last_use; });
  if (slot->data == nullptr) slot->data = std::make_unique_for_overwrite<std::byte[]>(slice_size_);
  slot->offset = slice.offset;
  slot->last_use = ++clock_;
  std::memcpy(slot->data.get(), data, slice.size);
}

Status TableCache::Read(IoChannel& io, const FileHandle& file, std::span<const Slice> slices,
                        size_t first, std::span<uint64_t> out, std::string_view what) {
  if (TryRead(slices[0].offset, first, out)) return OkStatus();

  const ScopedBuffer buffer(io);
  std::array<IoChannel::Ticket, kMaxLoad> tickets;
  const size_t count = std::min(slices.size(), kMaxLoad);
  for (size_t i = 0; i < count; ++i) {
    tickets[i] =
        io.SubmitRead(file.slot, slices[i].offset,
                      {buffer.data() + i * slice_size_, static_cast<size_t>(slices[i].size)});
  }
  Status status;
  for (size_t i = 0; i < count; ++i) {
    const IoResult read = io.Wait(tickets[i]);
    const bool whole = read.ok() && read.value == slices[i].size;
    if (whole) {
      Install(slices[i], buffer.data() + i * slice_size_);
    } else if (i == 0 && !read.ok()) {
      status = IoError(read, StrCat("read ", what, " at ", Hex(slices[i].offset)));
    } else if (i == 0) {
      status = CorruptImage(StrCat(format_, ": ", what, " at ", Hex(slices[i].offset),
                                   " reaches past the end of the file, which has become shorter"));
    }
  }
  // This copies from the buffer: the cache may have evicted the slice already.
  if (status.ok()) CopyEntries(buffer.data(), first, out);
  return status;
}

}  // namespace hotcell::guest
