#include "guest/formats/raw/raw_writer.h"

#include "base/text.h"
#include "formats_generated/raw_options.h"
#include "guest/formats/common/output_options.h"

namespace hotcell::guest {
namespace {

class RawWriter : public ImageWriter {
 public:
  RawWriter(bool zeroes_as_data, bool write_zeroes)
      : zeroes_as_data_(zeroes_as_data), write_zeroes_(write_zeroes) {}

  WriterTraits traits() const override {
    return {.ordered = false, .zeroes_as_data = zeroes_as_data_, .begins_with_disk = true};
  }

  Status Place(IoChannel& /*io*/, Chunk& chunk) override {
    for (const Run& run : chunk.runs) {
      if (run.kind == Run::Kind::kZero && !write_zeroes_) continue;
      chunk.writes.push_back({.offset = run.offset, .length = run.length, .data = run.data});
    }
    return OkStatus();
  }

  Status Finish(IoChannel& /*io*/) override { return OkStatus(); }

 private:
  const bool zeroes_as_data_;
  const bool write_zeroes_;
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> CreateRaw(IoChannel& io, const CreateOptions& options) {
  OptionParser parser(raw::kOptions, options.options);
  const std::string_view preallocation = parser.Choice("preallocation");
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  if (options.compress) return Unsupported("raw: compression not supported for this file format");
  if (options.backing) return Unsupported("raw: backing file not supported for this file format");

  if (options.exists) {
    if (options.file_size < options.virtual_size) {
      return InvalidArgument(StrCat("output file is smaller than input file: ", options.file_size,
                                    " bytes, but ", options.virtual_size, " are needed"));
    }
  } else if (const IoResult sized = io.SetSize(options.slot, options.virtual_size); !sized.ok()) {
    return IoError(sized, StrCat("make the target ", options.virtual_size, " bytes long"));
  }
  return std::unique_ptr<ImageWriter>(
      std::make_unique<RawWriter>(preallocation != "off", options.exists && !options.is_zero));
}

}  // namespace hotcell::guest
