#include "guest/ops/testing/testing_convert.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace hotcell::guest {

Result<ConvertSummary> RunConversion(const TestConversion& conversion) {
  NativeFiles files;
  const auto add_source = [&](const std::string& path) {
    const FileHandle file = files.AddPath(path, O_RDONLY);
    EXPECT_NE(file.slot, NativeFiles::kNoSlot) << path;
    return file;
  };
  std::optional<FileHandle> source;
  if (!conversion.source.empty()) source = add_source(conversion.source);
  std::vector<FileHandle> more_sources;
  for (const std::string& path : conversion.more_sources) more_sources.push_back(add_source(path));
  const ConvertRequest request = {
      .source = source,
      .more_sources = more_sources,
      .size = conversion.size,
      .window = conversion.window,
      .source_format = conversion.source_format,
      .target =
          files.AddPath(conversion.target, O_RDWR | O_CREAT | (conversion.existing ? 0 : O_TRUNC)),
      .target_format = conversion.target_format,
      .target_name = std::filesystem::path(conversion.target).filename(),
      .options = conversion.options,
      .compress = conversion.compress,
      .existing = conversion.existing,
      .sparse_size = conversion.sparse_size,
      .max_virtual_size = conversion.max_virtual_size,
      .snapshot = conversion.snapshot,
      .copy = conversion.copy,
      .existing_is_zero = conversion.existing_is_zero,
      .backing = conversion.backing,
  };
  EXPECT_NE(request.target.slot, NativeFiles::kNoSlot) << conversion.target;
  if (conversion.fault) files.set_fault_hook(conversion.fault);
  if (conversion.references) files.set_reference_opener(conversion.references);
  if (conversion.extents) {
    files.set_extent_opener([&](uint32_t number) {
      const int fd =
          open(conversion.extents(number).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
      return fd < 0 ? nullptr : std::make_unique<FdFile>(fd);
    });
  }
  NativeLanes lanes(files, conversion.lanes, conversion.buffer_count, conversion.buffer_size);
  auto result = Convert(lanes, MakeConvertJob(request));
  if (result.ok()) {
    EXPECT_EQ(lanes.total(), result->virtual_size);
    EXPECT_EQ(lanes.done(), result->virtual_size);
  }
  return result;
}

}  // namespace hotcell::guest
