#include "guest/codecs/xz.h"

#include <lzma.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>

#include "base/text.h"

namespace hotcell::guest {
namespace {

// What a filter chain asks for is allocated by lzma_block_header_decode().
struct Filters {
  Filters() { chain[0].id = LZMA_VLI_UNKNOWN; }
  ~Filters() { lzma_filters_free(chain.data(), nullptr); }
  Filters(const Filters&) = delete;
  Filters& operator=(const Filters&) = delete;

  // A match reaches back within its block only, which is no longer than the cluster.
  void LimitDictionary(size_t size) {
    for (const lzma_filter& filter : chain) {
      if (filter.id == LZMA_VLI_UNKNOWN) return;
      if (filter.id != LZMA_FILTER_LZMA2) continue;
      auto& options = *static_cast<lzma_options_lzma*>(filter.options);
      options.dict_size = static_cast<uint32_t>(std::min<uint64_t>(options.dict_size, size));
    }
  }

  std::array<lzma_filter, LZMA_FILTERS_MAX + 1> chain = {};
};

struct IndexHashEnd {
  void operator()(lzma_index_hash* hash) const { lzma_index_hash_end(hash, nullptr); }
};
using IndexHash = std::unique_ptr<lzma_index_hash, IndexHashEnd>;

// One stream under way. liblzma's own decoder of streams takes a dictionary for what it is said to
// be, so the parts of the stream are put together here.
class XzStream {
 public:
  XzStream(std::span<const std::byte> stream, std::span<std::byte> cluster)
      : in_(reinterpret_cast<const uint8_t*>(stream.data())),
        in_size_(stream.size()),
        out_(reinterpret_cast<uint8_t*>(cluster.data())),
        out_size_(cluster.size()) {}

  Status Unpack() {
    HOTCELL_RETURN_IF_ERROR(TakeHeader());
    hash_.reset(lzma_index_hash_init(nullptr, nullptr));
    if (hash_ == nullptr) return OutOfMemory();
    // The index begins with a zero, which is no size of a block's header.
    while (taken_ < in_size_ && in_[taken_] != 0) HOTCELL_RETURN_IF_ERROR(TakeBlock());
    HOTCELL_RETURN_IF_ERROR(TakeIndex());
    HOTCELL_RETURN_IF_ERROR(TakeFooter());
    if (filled_ == out_size_) return OkStatus();
    return CorruptImage(StrCat("the xz stream unpacks to ", filled_,
                               " bytes, less than a cluster (", out_size_, " bytes)"));
  }

 private:
  static Status OutOfMemory() {
    return Status(Code::kOutOfMemory, "no memory to unpack an xz stream");
  }
  static Status Damaged() { return CorruptImage("the xz stream is damaged"); }

  static Status StatusOf(lzma_ret result) {
    switch (result) {
      case LZMA_OK:
      case LZMA_STREAM_END:
        return OkStatus();
      case LZMA_MEM_ERROR:
        return OutOfMemory();
      case LZMA_FORMAT_ERROR:
        return CorruptImage("the chunk is no xz stream");
      case LZMA_OPTIONS_ERROR:
        return Unsupported("the xz stream needs a filter or an option that is not known");
      default:
        return Damaged();
    }
  }

  Status TakeHeader() {
    if (in_size_ < LZMA_STREAM_HEADER_SIZE) return Damaged();
    HOTCELL_RETURN_IF_ERROR(StatusOf(lzma_stream_header_decode(&flags_, in_)));
    if (lzma_check_is_supported(flags_.check) == 0) {
      return Unsupported(StrCat("the xz stream has checks of a kind that is not known (",
                                static_cast<int>(flags_.check), ")"));
    }
    taken_ = LZMA_STREAM_HEADER_SIZE;
    return OkStatus();
  }

  Status TakeBlock() {
    Filters filters;
    lzma_block block = {};
    block.version = 1;
    block.check = flags_.check;
    block.filters = filters.chain.data();
    block.header_size = lzma_block_header_size_decode(in_[taken_]);
    if (block.header_size > in_size_ - taken_) return Damaged();
    HOTCELL_RETURN_IF_ERROR(StatusOf(lzma_block_header_decode(&block, nullptr, in_ + taken_)));
    taken_ += block.header_size;
    filters.LimitDictionary(out_size_);

    const lzma_ret result = lzma_block_buffer_decode(&block, nullptr, in_, &taken_, in_size_, out_,
                                                     &filled_, out_size_);
    if (result == LZMA_BUF_ERROR) {
      return CorruptImage(
          StrCat("the xz stream unpacks to more than a cluster (", out_size_, " bytes)"));
    }
    HOTCELL_RETURN_IF_ERROR(StatusOf(result));
    return StatusOf(lzma_index_hash_append(hash_.get(), lzma_block_unpadded_size(&block),
                                           block.uncompressed_size));
  }

  // The index has to list the blocks as they were.
  Status TakeIndex() {
    if (taken_ == in_size_) return Damaged();
    const lzma_ret result = lzma_index_hash_decode(hash_.get(), in_, &taken_, in_size_);
    return result == LZMA_OK ? Damaged() : StatusOf(result);
  }

  Status TakeFooter() {
    if (in_size_ - taken_ < LZMA_STREAM_HEADER_SIZE) return Damaged();
    lzma_stream_flags footer = {};
    const lzma_ret result = lzma_stream_footer_decode(&footer, in_ + taken_);
    // Here, what is no footer is damage.
    if (result == LZMA_FORMAT_ERROR) return Damaged();
    HOTCELL_RETURN_IF_ERROR(StatusOf(result));
    if (footer.backward_size != lzma_index_hash_size(hash_.get()) ||
        lzma_stream_flags_compare(&flags_, &footer) != LZMA_OK) {
      return Damaged();
    }
    return OkStatus();
  }

  const uint8_t* const in_;
  const size_t in_size_;
  uint8_t* const out_;
  const size_t out_size_;
  size_t taken_ = 0;
  size_t filled_ = 0;
  lzma_stream_flags flags_ = {};
  IndexHash hash_;
};

}  // namespace

Status UnpackXz(std::span<const std::byte> stream, std::span<std::byte> cluster) {
  return XzStream(stream, cluster).Unpack();
}

}  // namespace hotcell::guest
