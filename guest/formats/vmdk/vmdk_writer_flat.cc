#include "guest/formats/vmdk/vmdk_writer_flat.h"

#include <utility>
#include <vector>

#include "base/text.h"
#include "guest/formats/vmdk/vmdk_writer_files.h"

namespace hotcell::guest::vmdk {
namespace {

class FlatWriter : public ImageWriter {
 public:
  FlatWriter(uint32_t slot, WriteOptions options, std::vector<ExtentFile> files)
      : slot_(slot), options_(std::move(options)), files_(std::move(files)) {}

  WriterTraits traits() const override { return {.ordered = false}; }

  // Chunks of data do not cross from one file to the next.
  Status Place(IoChannel& /*io*/, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind != Run::Kind::kData) continue;
      const uint64_t index = files_.size() == 1 ? 0 : run.offset / kMaxExtentSize;
      chunk.writes.push_back({.slot = files_[index].slot,
                              .offset = run.offset - index * kMaxExtentSize,
                              .length = run.length,
                              .data = run.data});
    }
    return OkStatus();
  }

  Status Finish(IoChannel& io) override {
    ContentId content_id;
    for (const ExtentFile& file : files_) {
      content_id.Add(file.name);
      if (const IoResult flushed = io.Flush(file.slot); !flushed.ok()) {
        return IoError(flushed, StrCat("flush ", file.name));
      }
    }
    return WriteDescriptorFile(io, slot_, options_, content_id, files_);
  }

 private:
  const uint32_t slot_;  // of the descriptor
  const WriteOptions options_;
  const std::vector<ExtentFile> files_;
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateFlat(IoChannel& io, const CreateOptions& create,
                                                const WriteOptions& options) {
  auto files = CreateExtentFiles(io, create, options);
  if (!files.ok()) return files.status();
  for (const ExtentFile& file : *files) {
    if (const IoResult sized = io.SetSize(file.slot, file.size); !sized.ok()) {
      return IoError(sized, StrCat("make ", file.name, " ", file.size, " bytes long"));
    }
  }
  return std::unique_ptr<ImageWriter>(
      std::make_unique<FlatWriter>(create.slot, options, *std::move(files)));
}

}  // namespace hotcell::guest::vmdk
