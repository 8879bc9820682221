#include "guest/formats/vhdx/write_options.h"

#include "base/alignment.h"
#include "base/text.h"
#include "formats_generated/vhdx_options.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/vhdx/on_disk.h"

namespace hotcell::guest::vhdx {
namespace {

// As qemu-img chooses it.
uint64_t BlockSizeFor(uint64_t virtual_size) {
  constexpr uint64_t kGiB = 1 << 30;
  if (virtual_size > 32 * 1024 * kGiB) return 64 * kMiB;
  if (virtual_size > 100 * kGiB) return 32 * kMiB;
  if (virtual_size > kGiB) return 16 * kMiB;
  return 8 * kMiB;
}

static_assert(kOptions.RangeOf("block_size").minimum == kMinBlockSize);
static_assert(kOptions.RangeOf("block_size").maximum == kMaxBlockSize);

}  // namespace

Result<WriteOptions> ParseWriteOptions(const CreateOptions& options) {
  OptionParser parser(kOptions, options.options);
  WriteOptions chosen = {.fixed = parser.Choice("subformat") == "fixed",
                         .block_size = parser.Size("block_size"),
                         .log_size = AlignUp(parser.Size("log_size"), kMiB),
                         .block_state_zero = parser.OnOff("block_state_zero")};
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  if (options.virtual_size > kMaxVirtualSize) {
    return InvalidArgument(StrCat("vhdx: the image size is too large for the format: ",
                                  options.virtual_size, " bytes, but it can hold 64 TiB"));
  }
  if (chosen.block_size == 0) chosen.block_size = BlockSizeFor(options.virtual_size);
  return chosen;
}

}  // namespace hotcell::guest::vhdx
