#include "guest/formats/vmdk/vmdk_writer_sparse.h"

#include <string>
#include <utility>
#include <vector>

#include "guest/formats/vmdk/vmdk_writer_descriptor.h"
#include "guest/formats/vmdk/vmdk_writer_extent.h"
#include "guest/formats/vmdk/vmdk_writer_files.h"

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

// Each extent has tables of its own, and only the one that data goes to now holds them in memory.
class SplitWriter : public ImageWriter {
 public:
  SplitWriter(uint32_t slot, WriteOptions options, std::vector<ExtentFile> files)
      : slot_(slot), options_(std::move(options)), files_(std::move(files)) {
    for (const ExtentFile& file : files_) {
      extents_.emplace_back(file.slot, file.size / kSectorSize, /*has_descriptor=*/false);
    }
  }

  WriterTraits traits() const override { return {.cluster_size = kGrainSize, .ordered = true}; }

  // Chunks of data do not cross from one file to the next.
  Status Place(IoChannel& io, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind != Run::Kind::kData) continue;
      const uint64_t index = run.offset / kMaxExtentSize;
      if (index != current_) {
        HOTCELL_RETURN_IF_ERROR(extents_[current_].FinishTables(io));
        current_ = index;
        content_id_.Add(index);
      }
      HOTCELL_RETURN_IF_ERROR(extents_[index].PlaceData(io, run, run.offset % kMaxExtentSize,
                                                        content_id_, chunk.writes));
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override {
    for (SparseExtent& extent : extents_) {
      HOTCELL_RETURN_IF_ERROR(extent.FinishTables(io));
      HOTCELL_RETURN_IF_ERROR(extent.Finish(io, options_.zeroed_grain, ""));
    }
    return WriteDescriptorFile(io, slot_, options_, content_id_, files_);
  }

 private:
  const uint32_t slot_;  // of the descriptor
  const WriteOptions options_;
  const std::vector<ExtentFile> files_;
  ContentId content_id_;
  std::vector<SparseExtent> extents_;
  uint64_t current_ = 0;
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateSparse(IoChannel& io, const CreateOptions& create,
                                                  const WriteOptions& options) {
  if (options.subformat == Subformat::kTwoGbMaxExtentSparse) {
    auto files = CreateExtentFiles(io, create, options);
    if (!files.ok()) return files.status();
    return std::unique_ptr<ImageWriter>(
        std::make_unique<SplitWriter>(create.slot, options, *std::move(files)));
  }
  return std::unique_ptr<ImageWriter>(std::make_unique<MonolithicWriter>(create, options));
}

}  // namespace hotcell::guest::vmdk
