#include "guest/formats/common/stream_reader.h"

#include <algorithm>

#include "base/text.h"

namespace hotcell::guest {

Status StreamReader::Check(uint64_t size) const {
  if (size > limit_ - position_) {
    return CorruptImage(StrCat(what_, " at ", Hex(begin_), " needs more than the ", limit_,
                               " bytes it may have; it is damaged"));
  }
  if (begin_ > file_.size || position_ + size > file_.size - begin_) {
    return CorruptImage(StrCat(what_, " at ", Hex(begin_), " (at least ", position_ + size,
                               " bytes) reaches past the end of the file (", file_.size,
                               " bytes); the file is truncated or damaged"));
  }
  return OkStatus();
}

Status StreamReader::Fill(size_t size) {
  const uint64_t in_file = file_.size - begin_ - position_;
  const uint64_t wanted = std::max<uint64_t>(size, kWindow);
  window_.resize(std::min({wanted, in_file, limit_ - position_}));
  window_begin_ = position_;
  return ReadExact(io_, file_, begin_ + position_, window_, what_);
}

Result<std::span<const std::byte>> StreamReader::Take(size_t size) {
  HOTCELL_RETURN_IF_ERROR(Check(size));
  const bool in_window =
      position_ >= window_begin_ && position_ + size <= window_begin_ + window_.size();
  if (!in_window) HOTCELL_RETURN_IF_ERROR(Fill(size));
  const auto bytes = std::span<const std::byte>(window_).subspan(position_ - window_begin_, size);
  position_ += size;
  return bytes;
}

Status StreamReader::Skip(uint64_t size) {
  HOTCELL_RETURN_IF_ERROR(Check(size));
  position_ += size;
  return OkStatus();
}

Result<std::string> StreamReader::TakeString(size_t size) {
  auto bytes = Take(size);
  if (!bytes.ok()) return bytes.status();
  return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
}

}  // namespace hotcell::guest
