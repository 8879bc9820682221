// Sequential reading of a table whose entries have variable lengths.
#ifndef HOTCELL_GUEST_FORMATS_COMMON_STREAM_READER_H_
#define HOTCELL_GUEST_FORMATS_COMMON_STREAM_READER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/endian.h"
#include "guest/runtime/common/io.h"
#include "guest/runtime/common/status.h"

namespace hotcell::guest {

// Reads at most `limit` bytes from `begin`, in big pieces. `what` names the table in errors.
class StreamReader {
 public:
  StreamReader(IoChannel& io, const FileHandle& file, uint64_t begin, uint64_t limit,
               std::string_view what)
      : io_(io), file_(file), begin_(begin), limit_(limit), what_(what) {}

  // Bytes taken so far.
  uint64_t position() const { return position_; }

  // The next `size` bytes, valid until the next call.
  Result<std::span<const std::byte>> Take(size_t size);
  Status Skip(uint64_t size);
  Status SkipPadding(uint64_t alignment) {
    return Skip((alignment - position_ % alignment) % alignment);
  }
  Result<std::string> TakeString(size_t size);
  template <typename T>
  Result<T> TakeStruct() {
    auto bytes = Take(sizeof(T));
    if (!bytes.ok()) return bytes.status();
    return LoadStruct<T>(*bytes);
  }

 private:
  static constexpr size_t kWindow = 64 << 10;

  Status Check(uint64_t size) const;
  Status Fill(size_t size);

  IoChannel& io_;
  const FileHandle file_;
  const uint64_t begin_;
  const uint64_t limit_;
  const std::string_view what_;
  uint64_t position_ = 0;
  uint64_t window_begin_ = 0;  // relative to begin_
  std::vector<std::byte> window_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_FORMATS_COMMON_STREAM_READER_H_
