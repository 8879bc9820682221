#include "guest/formats/qcow2/write_options.h"

#include <bit>
#include <string_view>

#include "formats_generated/qcow2_options.h"
#include "guest/formats/common/output_options.h"
#include "guest/formats/qcow2/on_disk.h"

namespace hotcell::guest::qcow2 {
namespace {

static_assert(kOptions.RangeOf("cluster_size").minimum == 1u << kMinClusterBits);
static_assert(kOptions.RangeOf("cluster_size").maximum == 1u << kMaxClusterBits);
static_assert(kOptions.RangeOf("refcount_bits").maximum == 1u << kMaxRefcountOrder);

// What version 2 has no fields for.
Status CheckVersion2(const WriteOptions& chosen) {
  if (chosen.extended_l2) return InvalidArgument("qcow2: extended_l2=on needs compat=1.1");
  if (chosen.refcount_order != 4) {
    return InvalidArgument("qcow2: refcount_bits other than 16 need compat=1.1");
  }
  if (chosen.lazy_refcounts) return InvalidArgument("qcow2: lazy_refcounts=on needs compat=1.1");
  if (chosen.zstd) return InvalidArgument("qcow2: compression_type=zstd needs compat=1.1");
  return OkStatus();
}

Status CheckCombination(const WriteOptions& chosen, const CreateOptions& options) {
  if (chosen.version == 2) HOTCELL_RETURN_IF_ERROR(CheckVersion2(chosen));
  if (chosen.extended_l2 && chosen.cluster_bits < kMinExtendedL2ClusterBits) {
    return InvalidArgument("qcow2: extended_l2=on needs a cluster_size of at least 16k");
  }
  if (options.compress && chosen.preallocate_metadata) {
    return InvalidArgument("qcow2: compression and preallocation are not supported together");
  }
  // A cluster that has its place hides the backing image, unless its subclusters can say otherwise.
  if (options.backing && chosen.preallocate_metadata && !chosen.extended_l2) {
    return InvalidArgument(
        "qcow2: a backing file and preallocation go together only with extended_l2=on");
  }
  if (options.backing && chosen.preallocate_data) {
    return InvalidArgument("qcow2: with a backing file, preallocation can only be off or metadata");
  }
  return OkStatus();
}

}  // namespace

Result<WriteOptions> ParseWriteOptions(const CreateOptions& options) {
  OptionParser parser(kOptions, options.options);
  const uint64_t cluster_size = parser.Size("cluster_size");
  const std::string_view compat = parser.Choice("compat");
  const std::string_view compression_type = parser.Choice("compression_type");
  const std::string_view preallocation = parser.Choice("preallocation");
  const uint64_t refcount_bits = parser.Number("refcount_bits");
  WriteOptions chosen = {.lazy_refcounts = parser.OnOff("lazy_refcounts"),
                         .extended_l2 = parser.OnOff("extended_l2")};
  if (options.backing) {
    parser.Accept("backing_file");
    parser.Accept("backing_fmt");
  }
  HOTCELL_RETURN_IF_ERROR(parser.Done());

  chosen.cluster_bits = static_cast<uint32_t>(std::countr_zero(cluster_size));
  chosen.refcount_order = static_cast<uint32_t>(std::countr_zero(refcount_bits));
  chosen.version = compat == "0.10" || compat == "v2" ? 2 : 3;
  chosen.zstd = compression_type == "zstd";
  chosen.preallocate_metadata = preallocation != "off";
  chosen.preallocate_data = preallocation == "falloc" || preallocation == "full";
  HOTCELL_RETURN_IF_ERROR(CheckCombination(chosen, options));
  return chosen;
}

}  // namespace hotcell::guest::qcow2
