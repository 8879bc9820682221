#include "guest/formats/vmdk/vmdk_writer_files.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/vmdk/on_disk.h"
#include "guest/formats/vmdk/vmdk_writer_common.h"

namespace hotcell::guest::vmdk {

std::string ExtentName(std::string_view target, Subformat subformat, uint32_t number) {
  const size_t dot = std::min(target.rfind('.'), target.size());
  const std::string_view stem = target.substr(0, dot);
  const std::string_view extension = target.substr(dot);
  if (subformat == Subformat::kMonolithicFlat) return StrCat(stem, "-flat", extension);
  const std::string digits = StrCat(number + 1);
  const std::string zeroes(3 - std::min<size_t>(digits.size(), 3), '0');
  return StrCat(stem, subformat == Subformat::kTwoGbMaxExtentFlat ? "-f" : "-s", zeroes, digits,
                extension);
}

Result<std::vector<ExtentFile>> CreateExtentFiles(IoChannel& io, const CreateOptions& create,
                                                  const WriteOptions& options) {
  if (create.name.empty() || !FitsInQuotes(create.name)) {
    return InvalidArgument("vmdk: the target's name cannot stand in a descriptor; use another");
  }
  const uint64_t size = create.virtual_size;
  const uint64_t step = options.subformat == Subformat::kMonolithicFlat
                            ? std::max<uint64_t>(size, 1)
                            : kMaxExtentSize;
  if (DivideUp(size, step) > abi::kMaxExtentFiles) {
    return LimitExceeded(StrCat("vmdk: ", options.create_type, " would take ", DivideUp(size, step),
                                " files; the most is ", abi::kMaxExtentFiles));
  }
  std::vector<ExtentFile> files;
  for (uint64_t begin = 0; begin < size; begin += step) {
    const auto number = static_cast<uint32_t>(files.size());
    const IoResult made = io.CreateExtentFile(create.slot, number);
    if (made.status == IoStatus::kRefused) {
      return Status(Code::kReferenceRefused,
                    StrCat("vmdk: ", options.create_type,
                           " is written to several files, and there can be only one here"));
    }
    std::string name = ExtentName(create.name, options.subformat, number);
    if (!made.ok()) return IoError(made, StrCat("create the extent ", name));
    files.push_back({.slot = static_cast<uint32_t>(made.value),
                     .size = std::min(step, size - begin),
                     .name = std::move(name)});
  }
  return files;
}

Status WriteDescriptorFile(IoChannel& io, uint32_t slot, const WriteOptions& options,
                           ContentId content_id, const std::vector<ExtentFile>& files) {
  const bool flat = options.subformat != Subformat::kTwoGbMaxExtentSparse;
  uint64_t virtual_size = 0;
  std::vector<DescribedExtent> described;
  for (const ExtentFile& file : files) {
    described.push_back(
        {.sectors = file.size / kSectorSize, .type = flat ? "FLAT" : "SPARSE", .name = file.name});
    virtual_size += file.size;
  }
  content_id.Add(virtual_size);
  const std::string text = MakeDescriptor(options, virtual_size, content_id.value(), described);
  return WriteAll(io, slot, 0, std::as_bytes(std::span(text)), "the vmdk descriptor");
}

}  // namespace hotcell::guest::vmdk
