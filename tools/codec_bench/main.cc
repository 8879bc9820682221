// Measures codecs on the clusters of a raw image, as plain code of this machine: the limit of what
// a conversion can reach with each.
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <regex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "nlohmann/json.hpp"
#include "tools/codec_bench/clusters.h"
#include "tools/codec_bench/codec.h"
#include "tools/codec_bench/memory_bench.h"

ABSL_FLAG(bool, json, false, "Print JSON instead of a table");
ABSL_FLAG(unsigned, threads, std::thread::hardware_concurrency(),
          "Threads that share the clusters");
ABSL_FLAG(unsigned, rounds, 3, "Rounds, after one that warms up; the median counts");
ABSL_FLAG(unsigned, clusters, 2048, "Clusters of 64 KiB taken, evenly from those with data");
ABSL_FLAG(std::string, only, "",
          "Regular expression: measure only what it finds in \"FORMAT OPERATION NAME\", such as "
          "\"deflate decompress\"");
ABSL_FLAG(std::vector<std::string>, zstd, {},
          "Further zstd compressors, such as level=2:hashLog=14,level=1:strategy=2");
ABSL_FLAG(bool, memory, false, "Also measure finding zeroes, copying and filling");

namespace hotcell::codec_bench {
namespace {

using nlohmann::ordered_json;

constexpr double kMib = 1 << 20;

// False, having said so, when a parameter of --zstd means nothing.
bool AddParameterized(std::vector<Codec>& codecs) {
  for (std::string parameters : absl::GetFlag(FLAGS_zstd)) {
    std::ranges::replace(parameters, ':', ',');
    codecs.push_back(ZstdWithParameters(parameters));
    if (codecs.back().make == nullptr) {
      std::fprintf(stderr, "codec_bench: zstd has no such parameters: %s\n", parameters.c_str());
      return false;
    }
  }
  return true;
}

std::vector<Codec> AllCodecs() {
  std::vector<Codec> codecs;
  for (const auto& some :
       {ZlibCodecs(), LibdeflateCodecs(), IsalCodecs(), ZstdCodecs(), GuestCodecs()}) {
    codecs.insert(codecs.end(), some.begin(), some.end());
  }
  return codecs;
}

// qemu's compressor of `format`: decompressors read its streams.
const Codec& Reference(const std::vector<Codec>& codecs, const std::string& format) {
  return *std::ranges::find_if(codecs, [&](const Codec& codec) {
    return codec.format == format && codec.operation == "compress" &&
           absl::StartsWith(codec.name, "qemu");
  });
}

ordered_json MeasureCodecs(const std::vector<Codec>& codecs, const Clusters& clusters) {
  const std::regex only(absl::GetFlag(FLAGS_only));
  const bool json = absl::GetFlag(FLAGS_json);
  std::map<std::string, Clusters> streams;
  ordered_json results = ordered_json::array();
  if (!json) {
    std::puts("format  operation  codec                          MiB/s   output MiB  failures");
  }
  for (const Codec& codec : codecs) {
    if (!std::regex_search(codec.format + " " + codec.operation + " " + codec.name, only)) continue;
    const bool compress = codec.operation == "compress";
    if (!compress && !streams.contains(codec.format)) {
      streams[codec.format] = Compressed(Reference(codecs, codec.format), clusters);
    }
    const Clusters& inputs = compress ? clusters : streams[codec.format];
    const Measurement measured =
        Measure(codec, inputs, absl::GetFlag(FLAGS_threads), absl::GetFlag(FLAGS_rounds));
    const auto disk_bytes =
        static_cast<double>(compress ? measured.input_size : measured.output_size);
    const double speed = disk_bytes / measured.seconds / kMib;
    if (json) {
      results.push_back({{"format", codec.format},
                         {"operation", codec.operation},
                         {"name", codec.name},
                         {"mib_per_second", speed},
                         {"input_bytes", measured.input_size},
                         {"output_bytes", measured.output_size},
                         {compress ? "stored_clusters" : "failures", measured.failures}});
    } else {
      std::puts(absl::StrFormat("%-7s %-10s %-28s %7.0f %12.2f %9d", codec.format, codec.operation,
                                codec.name, speed, static_cast<double>(measured.output_size) / kMib,
                                measured.failures)
                    .c_str());
      std::fflush(stdout);
    }
  }
  return results;
}

ordered_json MeasureMemoryCode() {
  ordered_json results = ordered_json::array();
  const bool json = absl::GetFlag(FLAGS_json);
  if (!json) std::puts("\noperation    code           block KiB  working set KiB   GiB/s");
  for (const MemoryMeasurement& measured : MeasureMemory(absl::GetFlag(FLAGS_rounds))) {
    if (json) {
      results.push_back({{"operation", measured.operation},
                         {"name", measured.name},
                         {"block_bytes", measured.block},
                         {"working_set_bytes", measured.working_set},
                         {"gib_per_second", measured.gib_per_second}});
    } else {
      std::puts(absl::StrFormat("%-12s %-14s %9d %16d %7.1f", measured.operation, measured.name,
                                measured.block >> 10, measured.working_set >> 10,
                                measured.gib_per_second)
                    .c_str());
    }
  }
  return results;
}

int Main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "measures codecs on the clusters of a raw image.\n\n  codec_bench [option]... IMAGE\n\n"
      "MiB/s are those of the disk: the input of a compressor, the output of a decompressor.\n"
      "Compressors store what they do not shrink; decompressors read what qemu's compressor "
      "wrote.");
  const std::vector<char*> arguments = absl::ParseCommandLine(argc, argv);
  if (arguments.size() != 2) {
    std::fputs("codec_bench: name one raw image; try --help\n", stderr);
    return 2;
  }
  const std::string path = arguments[1];
  std::vector<Codec> codecs = AllCodecs();
  if (!AddParameterized(codecs)) return 2;
  errno = 0;
  const Clusters clusters = LoadClusters(path, absl::GetFlag(FLAGS_clusters));
  if (clusters.empty()) {
    std::fprintf(stderr, "codec_bench: %s: %s\n", path.c_str(),
                 errno != 0 ? std::strerror(errno) : "holds no cluster with data");
    return 1;
  }
  ordered_json report = {{"image", path},
                         {"cluster_bytes", kClusterSize},
                         {"clusters", clusters.size()},
                         {"threads", absl::GetFlag(FLAGS_threads)}};
  report["codecs"] = MeasureCodecs(codecs, clusters);
  if (absl::GetFlag(FLAGS_memory)) report["memory"] = MeasureMemoryCode();
  if (absl::GetFlag(FLAGS_json)) std::puts(report.dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace hotcell::codec_bench

int main(int argc, char** argv) { return hotcell::codec_bench::Main(argc, argv); }
