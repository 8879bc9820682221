#include "guest/formats/qcow2/write_options.h"

#include <bit>
#include <string_view>

#include "guest/formats/common/output_options.h"
#include "guest/formats/qcow2/on_disk.h"

namespace hotcell::guest::qcow2 {
namespace {

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
  constexpr std::string_view kCompat[] = {"0.10", "v2", "1.1", "v3"};
  constexpr std::string_view kCompressionType[] = {"zlib", "zstd"};
  constexpr std::string_view kPreallocation[] = {"off", "metadata", "falloc", "full"};
  uint64_t cluster_size = 64 << 10;
  uint64_t refcount_bits = 16;
  std::string_view compat = "1.1";
  std::string_view compression_type = "zlib";
  std::string_view preallocation = "off";
  WriteOptions chosen;

  OptionParser parser("qcow2", options.options);
  parser.Size("cluster_size", &cluster_size);
  parser.Choice("compat", kCompat, &compat);
  parser.Choice("compression_type", kCompressionType, &compression_type);
  parser.OnOff("extended_l2", &chosen.extended_l2);
  parser.OnOff("lazy_refcounts", &chosen.lazy_refcounts);
  parser.Choice("preallocation", kPreallocation, &preallocation);
  parser.Number("refcount_bits", &refcount_bits);
  for (const std::string_view key : {"backing_file", "backing_fmt"}) {
    if (options.backing) {
      parser.Accept(key);
    } else {
      parser.Refuse(key, "name the backing image and its format with -B and -F");
    }
  }
  constexpr std::string_view kNoDataFile = "output with an external data file is not done";
  parser.Refuse("data_file", kNoDataFile);
  parser.RefuseUnlessOff("data_file_raw", kNoDataFile);
  constexpr std::string_view kNoEncryption = "encrypted output is not done";
  parser.RefuseUnlessOff("encryption", kNoEncryption);
  for (const std::string_view key :
       {"encrypt.format", "encrypt.key-secret", "encrypt.cipher-alg", "encrypt.cipher-mode",
        "encrypt.ivgen-alg", "encrypt.ivgen-hash-alg", "encrypt.hash-alg", "encrypt.iter-time"}) {
    parser.Refuse(key, kNoEncryption);
  }
  HOTCELL_RETURN_IF_ERROR(parser.Done());

  if (!std::has_single_bit(cluster_size) || cluster_size < 1ull << kMinClusterBits ||
      cluster_size > 1ull << kMaxClusterBits) {
    return InvalidArgument("qcow2: cluster_size must be a power of two between 512 and 2048k");
  }
  if (!std::has_single_bit(refcount_bits) || refcount_bits > 1u << kMaxRefcountOrder) {
    return InvalidArgument("qcow2: refcount_bits must be a power of two, at most 64");
  }
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
