#include "tools/fuzzers/differential/image_choice.h"

namespace hotcell::fuzz {
namespace {

using Text = const char*;

ImageChoice ChooseQcow2(Random& random, bool compressible) {
  ImageChoice choice = {.format = "qcow2"};
  auto& options = choice.options;
  const bool old = random.OneIn(6);
  const bool subclusters = !old && random.OneIn(4);
  if (subclusters) {
    options.emplace_back("extended_l2", "on");
    options.emplace_back("cluster_size", random.Pick<Text>({"16k", "64k", "256k"}));
  } else {
    options.emplace_back("cluster_size",
                         random.Pick<Text>({"512", "1k", "4k", "16k", "64k", "64k", "256k", "2M"}));
  }
  choice.compress = compressible && random.OneIn(3);
  if (old) {
    options.emplace_back("compat", "0.10");
  } else {
    if (random.OneIn(3)) {
      options.emplace_back("refcount_bits", random.Pick<Text>({"1", "2", "4", "8", "32", "64"}));
    }
    if (random.OneIn(4)) options.emplace_back("lazy_refcounts", "on");
    if (random.OneIn(2)) {
      options.emplace_back("compression_type", random.Pick<Text>({"zlib", "zstd"}));
    }
  }
  if (!choice.compress && random.OneIn(4)) {
    options.emplace_back("preallocation", random.Pick<Text>({"metadata", "falloc", "full"}));
  }
  return choice;
}

ImageChoice ChooseVhdx(Random& random) {
  if (random.OneIn(4)) return {.format = "vhdx", .options = {{"subformat", "fixed"}}};
  return {.format = "vhdx",
          .options = {{"block_size", random.Pick<Text>({"1M", "2M", "0"})},
                      {"block_state_zero", random.Pick<Text>({"on", "off"})}}};
}

ImageChoice ChooseVpc(Random& random) {
  return {.format = "vpc",
          .options = {{"subformat", random.Pick<Text>({"dynamic", "dynamic", "fixed"})},
                      {"force_size", random.Pick<Text>({"on", "off"})}}};
}

ImageChoice ChooseQed(Random& random) {
  return {.format = "qed",
          .options = {{"cluster_size", random.Pick<Text>({"4k", "16k", "64k", "1M"})},
                      {"table_size", random.Pick<Text>({"2", "4", "16"})}}};
}

ImageChoice ChooseVmdk(Random& random, bool compressible) {
  if (compressible && random.OneIn(4)) {
    return {.format = "vmdk", .options = {{"subformat", "streamOptimized"}}, .compress = true};
  }
  const std::string subformat =
      random.Pick<Text>({"monolithicSparse", "monolithicSparse", "monolithicFlat",
                         "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"});
  ImageChoice choice = {.format = "vmdk", .options = {{"subformat", subformat}}};
  // A flat image has no grains.
  if (subformat.ends_with("Sparse") && random.OneIn(2)) {
    choice.options.emplace_back("zeroed_grain", "on");
  }
  return choice;
}

ImageChoice ChooseVdi(Random& random) {
  if (random.OneIn(3)) return {.format = "vdi", .options = {{"static", "on"}}};
  return {.format = "vdi"};
}

ImageChoice ChooseParallels(Random& random) {
  return {.format = "parallels",
          .options = {{"cluster_size", random.Pick<Text>({"4k", "64k", "1M"})}}};
}

}  // namespace

std::string ImageChoice::Text() const {
  std::string text = format;
  if (compress) text += " -c";
  for (const auto& [key, value] : options) text += " -o " + key + "=" + value;
  return text;
}

ImageChoice ChooseWritten(Random& random) {
  switch (random.Below(14)) {
    case 0:
      return {.format = "raw", .options = {{"preallocation", random.Pick<Text>({"off", "full"})}}};
    case 1:
      return {.format = "qcow", .compress = random.OneIn(2)};
    case 2:
      return ChooseQed(random);
    case 3:
      return ChooseVdi(random);
    case 4:
    case 5:
      return ChooseVhdx(random);
    case 6:
      return ChooseVpc(random);
    case 7:
      return ChooseParallels(random);
    case 8:
    case 9:
      return ChooseVmdk(random, true);
    default:
      return ChooseQcow2(random, true);
  }
}

ImageChoice ChooseRead(Random& random) {
  switch (random.Below(11)) {
    case 0:
      return {.format = "qcow"};
    case 1:
      return ChooseQed(random);
    case 2:
      return ChooseVdi(random);
    case 3:
    case 4:
      return ChooseVhdx(random);
    case 5:
      return ChooseVpc(random);
    case 6:
      return ChooseParallels(random);
    case 7:
      return ChooseVmdk(random, false);
    default:
      return ChooseQcow2(random, false);
  }
}

}  // namespace hotcell::fuzz
