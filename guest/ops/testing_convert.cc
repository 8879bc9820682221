#include "guest/ops/testing_convert.h"

#include <fcntl.h>
#include <gtest/gtest.h>

namespace hotcell::guest {

Result<ConvertSummary> RunConversion(const TestConversion& conversion) {
  NativeFiles files;
  const ConvertRequest request = {
      .source = files.AddPath(conversion.source, O_RDONLY),
      .source_format = conversion.source_format,
      .target =
          files.AddPath(conversion.target, O_RDWR | O_CREAT | (conversion.existing ? 0 : O_TRUNC)),
      .target_format = conversion.target_format,
      .options = conversion.options,
      .compress = conversion.compress,
      .existing = conversion.existing,
      .sparse_size = conversion.sparse_size,
      .max_virtual_size = conversion.max_virtual_size,
      .snapshot = conversion.snapshot,
      .copy = conversion.copy,
  };
  EXPECT_NE(request.source.slot, NativeFiles::kNoSlot) << conversion.source;
  EXPECT_NE(request.target.slot, NativeFiles::kNoSlot) << conversion.target;
  if (conversion.fault) files.set_fault_hook(conversion.fault);
  if (conversion.references) files.set_reference_opener(conversion.references);
  NativeLanes lanes(files, conversion.lanes, conversion.buffer_count, conversion.buffer_size);
  auto result = Convert(lanes, MakeConvertJob(request));
  if (result.ok()) {
    EXPECT_EQ(lanes.total(), result->virtual_size);
    EXPECT_EQ(lanes.done(), result->virtual_size);
  }
  return result;
}

}  // namespace hotcell::guest
