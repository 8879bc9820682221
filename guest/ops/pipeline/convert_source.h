// The disk that a conversion reads: images one after the other, a window of one, or nothing at all.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_CONVERT_SOURCE_H_
#define HOTCELL_GUEST_OPS_PIPELINE_CONVERT_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "guest/formats/common/chain.h"
#include "guest/ops/jobs.h"

namespace hotcell::guest {

class ConvertSource : public Disk {
 public:
  static Result<ConvertSource> Open(IoChannel& io, const ConvertJob& job);

  uint64_t size() const { return size_; }  // bytes, a multiple of 512
  // The format of the first image; empty: there is none.
  std::string_view format() const { return format_; }
  // The largest of the images' clusters, bytes; 0: they have none.
  uint64_t cluster_size() const { return cluster_size_; }
  // Bytes of a sector of the first image's disk; 512 where size() is no multiple of that.
  uint64_t sector_size() const { return size_ % sector_size_ == 0 ? sector_size_ : 512; }
  // What the user should know of the images though they can be read.
  std::vector<std::string> warnings() const;

  // Precondition: length > 0, offset + length <= size().
  Result<Extent> Map(IoChannel& io, uint64_t offset, uint64_t length) override;
  // Where there is no image, all is left to the image below.
  Result<Extent> MapTop(IoChannel& io, uint64_t offset, uint64_t length) override;

 private:
  // An image, or the part of it that is wanted, with the zeroes that round it up to sectors.
  struct Piece {
    std::unique_ptr<ImageChain> image;
    uint64_t image_offset;  // bytes
    uint64_t image_length;  // bytes; zeroes follow
    uint64_t end;           // in this disk, bytes; it begins where the one before ends
  };
  using MapFunction = Result<Extent> (ImageChain::*)(IoChannel&, uint64_t, uint64_t);

  ConvertSource() = default;
  Status AddImage(IoChannel& io, const ConvertJob& job, const SourceImage& image);
  void Cut(const DiskWindow& window);
  Result<Extent> MapWith(MapFunction map, IoChannel& io, uint64_t offset, uint64_t length);

  std::vector<Piece> pieces_;
  uint64_t size_ = 0;
  uint64_t cluster_size_ = 0;
  uint64_t sector_size_ = 512;
  std::string_view format_;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_CONVERT_SOURCE_H_
