#include "guest/formats/vmdk/vmdk_writer_sparse.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "guest/formats/vmdk/vmdk_writer_descriptor.h"
#include "guest/formats/vmdk/vmdk_writer_extent.h"

namespace hotcell::guest::vmdk {
namespace {

class MonolithicWriter : public ImageWriter {
 public:
  MonolithicWriter(const CreateOptions& create, const WriteOptions& options)
      : name_(NameInDescriptor(create.name)),
        virtual_size_(create.virtual_size),
        options_(options),
        extent_(create.slot, virtual_size_ / kSectorSize, /*has_descriptor=*/true) {}

  WriterTraits traits() const override { return {.cluster_size = kGrainSize, .ordered = true}; }

  Status Place(IoChannel& io, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind != Run::Kind::kData) continue;
      HOTCELL_RETURN_IF_ERROR(extent_.PlaceData(io, run, run.offset, content_id_, chunk.writes));
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override {
    HOTCELL_RETURN_IF_ERROR(extent_.FinishTables(io));
    content_id_.Add(virtual_size_);
    const DescribedExtent described = {
        .sectors = extent_.sectors(), .type = "SPARSE", .name = name_};
    return extent_.Finish(
        io, options_.zeroed_grain,
        MakeDescriptor(options_, virtual_size_, content_id_.value(), {&described, 1}));
  }

 private:
  const std::string name_;
  const uint64_t virtual_size_;
  const WriteOptions options_;
  ContentId content_id_;
  SparseExtent extent_;
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateSparse(IoChannel& /*io*/, const CreateOptions& create,
                                                  const WriteOptions& options) {
  if (options.subformat == Subformat::kTwoGbMaxExtentSparse) {
    return Unsupported("vmdk: subformat=twoGbMaxExtentSparse is not done");
  }
  return std::unique_ptr<ImageWriter>(std::make_unique<MonolithicWriter>(create, options));
}

}  // namespace hotcell::guest::vmdk
