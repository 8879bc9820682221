#include "guest/formats/vhdx/write_options.h"

#include <bit>
#include <string_view>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/vhdx/on_disk.h"

namespace hotcell::guest::vhdx {
namespace {

constexpr uint64_t kMaxLogSize = UINT32_MAX / kMiB * kMiB;

// As qemu-img chooses it.
uint64_t BlockSizeFor(uint64_t virtual_size) {
  constexpr uint64_t kGiB = 1 << 30;
  if (virtual_size > 32 * 1024 * kGiB) return 64 * kMiB;
  if (virtual_size > 100 * kGiB) return 32 * kMiB;
  if (virtual_size > kGiB) return 16 * kMiB;
  return 8 * kMiB;
}

}  // namespace

Result<WriteOptions> ParseWriteOptions(const CreateOptions& options) {
  constexpr std::string_view kSubformats[] = {"dynamic", "fixed"};
  std::string_view subformat = "dynamic";
  WriteOptions chosen = {.log_size = kMiB};
  OptionParser parser("vhdx", options.options);
  parser.Size("block_size", &chosen.block_size);
  parser.OnOff("block_state_zero", &chosen.block_state_zero);
  parser.Size("log_size", &chosen.log_size);
  parser.Choice("subformat", kSubformats, &subformat);
  HOTCELL_RETURN_IF_ERROR(parser.Done());
  chosen.fixed = subformat == "fixed";
  if (options.virtual_size > kMaxVirtualSize) {
    return InvalidArgument(StrCat("vhdx: the image size is too large for the format: ",
                                  options.virtual_size, " bytes, but it can hold 64 TiB"));
  }
  if (chosen.block_size == 0) chosen.block_size = BlockSizeFor(options.virtual_size);
  if (!std::has_single_bit(chosen.block_size) || chosen.block_size < kMinBlockSize ||
      chosen.block_size > kMaxBlockSize) {
    return InvalidArgument("vhdx: block_size must be a power of two between 1M and 256M");
  }
  if (chosen.log_size < kMiB || chosen.log_size > kMaxLogSize) {
    return InvalidArgument("vhdx: log_size must be between 1M and 4095M");
  }
  chosen.log_size = AlignUp(chosen.log_size, kMiB);
  return chosen;
}

}  // namespace hotcell::guest::vhdx
