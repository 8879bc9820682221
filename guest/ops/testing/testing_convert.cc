#include "guest/ops/testing/testing_convert.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace hotcell::guest {

namespace {

ConvertJob MakeJob(const TestConversion& conversion, NativeFiles& files) {
  const auto source = [&](const std::string& path) -> SourceImage {
    const FileHandle file = files.AddPath(path, O_RDONLY);
    EXPECT_NE(file.slot, NativeFiles::kNoSlot) << path;
    return {.file = file, .format = conversion.source_format};
  };
  ConvertJob job = {.limits = {.max_virtual_size = conversion.max_virtual_size},
                    .size = conversion.size,
                    .window = conversion.window,
                    .snapshot = {.id_or_name = conversion.snapshot},
                    .sparse_size = conversion.sparse_size,
                    .copy_offload = conversion.copy_offload};
  if (!conversion.source.empty()) job.source = source(conversion.source);
  for (const std::string& path : conversion.more_sources) job.more_sources.push_back(source(path));
  const FileHandle target =
      files.AddPath(conversion.target, O_RDWR | O_CREAT | (conversion.target_exists ? 0 : O_TRUNC));
  job.target = {.slot = target.slot,
                .name = std::filesystem::path(conversion.target).filename(),
                .format = conversion.target_format,
                .options = conversion.options,
                .compress = conversion.compress,
                .backing = conversion.backing,
                .exists = conversion.target_exists,
                .file_size = conversion.target_exists ? target.size : 0,
                .is_zero = conversion.target_is_zero};
  return job;
}

}  // namespace

Result<ConvertSummary> RunConversion(const TestConversion& conversion) {
  NativeFiles files;
  const ConvertJob job = MakeJob(conversion, files);
  EXPECT_NE(job.target.slot, NativeFiles::kNoSlot) << conversion.target;
  if (conversion.fault) files.set_fault_hook(conversion.fault);
  if (conversion.references) files.set_reference_opener(conversion.references);
  if (conversion.extents) {
    files.set_extent_file_opener([&](uint32_t number) {
      const int fd =
          open(conversion.extents(number).c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
      return fd < 0 ? nullptr : std::make_unique<FdFile>(fd);
    });
  }
  NativeLanes lanes(files, conversion.lanes, conversion.buffer_count, conversion.buffer_size);
  auto result = Convert(lanes, job);
  if (result.ok()) {
    EXPECT_EQ(lanes.total(), result->virtual_size);
    EXPECT_EQ(lanes.done(), result->virtual_size);
  }
  return result;
}

}  // namespace hotcell::guest
