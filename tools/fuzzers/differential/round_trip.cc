#include "tools/fuzzers/differential/round_trip.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/fuzzers/differential/conversion.h"
#include "tools/fuzzers/differential/image_choice.h"
#include "tools/fuzzers/differential/random.h"
#include "tools/fuzzers/differential/shadow_disk.h"

namespace hotcell::fuzz {
namespace {

constexpr uint64_t kSector = 512;

uint64_t ChooseSize(Random& random) {
  const uint64_t most = random.Pick<uint64_t>({16 << 10, 1 << 20, 5 << 20});
  return (1 + random.Below(most / kSector)) * kSector;
}

// Our reader's disk, in "ours.raw", is the shadow.
std::string ReadBack(const std::string& directory, const std::string& image,
                     const std::string& format, const ShadowDisk& shadow, Random& random,
                     const std::optional<std::string>& snapshot = {}) {
  std::string problem = Convert({.directory = directory,
                                 .source = image,
                                 .source_format = format,
                                 .target = "ours.raw",
                                 .sparse_size = random.Pick<uint64_t>({0, 512, 4096, 65536}),
                                 .copy_offload = random.OneIn(3),
                                 .lanes = 1 + static_cast<uint32_t>(random.Below(3)),
                                 .snapshot = snapshot});
  if (problem.empty()) problem = shadow.CompareWith(directory + "/ours.raw");
  return problem;
}

// How qemu-io says an operation; empty: it cannot.
std::string QemuIoCommand(const DiskOperation& operation, Random& random) {
  const std::string range =
      std::to_string(operation.offset) + " " + std::to_string(operation.length);
  switch (operation.kind) {
    case DiskOperation::Kind::kPattern:
      return "write -P " + std::to_string(operation.pattern) + " " + range;
    case DiskOperation::Kind::kZeroes:
      return "write -z " + range;
    case DiskOperation::Kind::kHole:
      return (random.OneIn(2) ? "write -z -u " : "write -P 0 ") + range;
    default:
      return {};
  }
}

class QemuWriter {
 public:
  QemuWriter(Random& random, std::string directory)
      : random_(random),
        directory_(std::move(directory)),
        choice_(ChooseRead(random)),
        shadow_(ChooseSize(random)) {}

  const ImageChoice& choice() const { return choice_; }

  std::string Run() {
    std::string problem = Create();
    // Narrow refcounts cannot count them.
    const bool snapshots = choice_.format == "qcow2" && !Has("refcount_bits");
    for (uint64_t left = 1 + random_.Below(3); problem.empty() && left > 0; --left) {
      problem = Write();
      if (problem.empty() && snapshots && random_.OneIn(2)) problem = TakeSnapshot();
    }
    if (problem.empty()) problem = Compare();
    return problem;
  }

 private:
  std::string Create() {
    const bool backed = (choice_.format == "qcow2" || choice_.format == "qed") &&
                        !Has("preallocation") && random_.OneIn(3);
    std::string backing;
    if (backed) {
      std::vector<DiskOperation> operations = {ChooseOperation(random_, shadow_.size())};
      shadow_.Apply(operations[0], random_);
      if (!shadow_.WriteTo(directory_ + "/base.raw", operations)) return "cannot write base.raw";
      backing = " -b base.raw -F raw";
    }
    std::string options;
    for (const auto& [key, value] : choice_.options) options += " -o " + key + "=" + value;
    return RunCommand(directory_, "qemu-img create -f " + choice_.format + options + backing + " " +
                                      kImage + " " + std::to_string(shadow_.size()));
  }

  bool Has(std::string_view option) const {
    return std::any_of(choice_.options.begin(), choice_.options.end(),
                       [&](const auto& chosen) { return chosen.first == option; });
  }

  std::string Write() {
    std::string command = "qemu-io -f " + choice_.format;
    for (uint64_t left = 1 + random_.Below(12); left > 0; --left) {
      const DiskOperation operation = ChooseOperation(random_, shadow_.size());
      const std::string text = QemuIoCommand(operation, random_);
      if (text.empty()) continue;
      shadow_.Apply(operation, random_);
      command += " -c '" + text + "'";
    }
    return RunCommand(directory_, command + " -c flush " + kImage);
  }

  std::string TakeSnapshot() {
    const std::string name = "snapshot " + std::to_string(snapshots_.size());
    snapshots_.emplace_back(name, shadow_);
    return RunCommand(directory_, "qemu-img snapshot -c '" + name + "' " + kImage);
  }

  std::string Compare() {
    std::string problem = ReadBack(directory_, kImage, choice_.format, shadow_, random_);
    for (const auto& [name, disk] : snapshots_) {
      if (!problem.empty()) break;
      problem = ReadBack(directory_, kImage, choice_.format, disk, random_, name);
    }
    if (problem.empty()) problem = CheckImage(directory_, kImage, choice_.format, true);
    return problem;
  }

  static constexpr const char* kImage = "image";

  Random& random_;
  std::string directory_;
  ImageChoice choice_;
  ShadowDisk shadow_;
  std::vector<std::pair<std::string, ShadowDisk>> snapshots_;
};

}  // namespace

Outcome WriteAndRead(uint64_t seed, const std::string& directory) {
  Random random(seed);
  ShadowDisk shadow(ChooseSize(random));
  std::vector<DiskOperation> operations;
  for (uint64_t left = random.Below(24); left > 0; --left) {
    operations.push_back(ChooseOperation(random, shadow.size()));
    shadow.Apply(operations.back(), random);
  }
  if (!shadow.WriteTo(directory + "/disk.raw", operations)) {
    return {.what = "a disk", .problem = "cannot write it"};
  }
  const std::string image = "image.vmdk";  // extents are named after it
  const ImageChoice choice = ChooseWritten(random);
  Outcome outcome = {.what = "writing " + choice.Text() + ", " + std::to_string(shadow.size()) +
                             " bytes"};
  const Conversion conversion = {.directory = directory,
                                 .source = "disk.raw",
                                 .source_format = "raw",
                                 .target = image,
                                 .target_choice = choice,
                                 .sparse_size = random.Pick<uint64_t>({0, 512, 4096, 65536}),
                                 .copy_offload = random.OneIn(3),
                                 .lanes = 1 + static_cast<uint32_t>(random.Below(3))};
  std::string& problem = outcome.problem;
  problem = Convert(conversion);
  if (problem.empty()) problem = ReadBack(directory, image, choice.format, shadow, random);
  if (problem.empty()) problem = CheckImage(directory, image, choice.format, false);
  if (problem.empty()) {
    problem =
        RunCommand(directory, "qemu-img compare -f raw -F " + choice.format + " disk.raw " + image);
  }
  const bool checks = choice.format != "raw" && choice.format != "vpc" && choice.format != "qcow";
  if (problem.empty() && checks) {
    problem = RunCommand(directory, "qemu-img check -q -f " + choice.format + " " + image);
  }
  return outcome;
}

Outcome ReadWritten(uint64_t seed, const std::string& directory) {
  Random random(seed);
  QemuWriter writer(random, directory);
  std::string problem = writer.Run();
  return {.what = "reading " + writer.choice().Text(), .problem = std::move(problem)};
}

}  // namespace hotcell::fuzz
