// The conversion as a plain process, for profilers and for comparing the guest with:
//   convert_native [-c] [-l lanes] [-S bytes] [-o key=value]... in-format in out-format out
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "guest/ops/convert.h"
#include "guest/runtime/native/native_lanes.h"

int main(int argc, char** argv) {
  using namespace hotcell::guest;
  ConvertJob job;
  uint32_t lanes = 2;
  for (int option; (option = getopt(argc, argv, "cl:S:o:")) != -1;) {
    const std::string value = optarg != nullptr ? optarg : "";
    if (option == 'c') job.target.compress = true;
    if (option == 'l') lanes = static_cast<uint32_t>(std::strtoul(value.c_str(), nullptr, 0));
    if (option == 'S') job.sparse_size = std::strtoull(value.c_str(), nullptr, 0);
    if (option == 'o') {
      const size_t equals = std::min(value.find('='), value.size() - 1);
      job.target.options.push_back(
          {.key = value.substr(0, equals), .value = value.substr(equals + 1)});
    }
    if (option == '?') return 2;
  }
  if (argc - optind != 4) return 2;
  job.target.format = argv[optind + 2];
  job.target.name = std::filesystem::path(argv[optind + 3]).filename();

  NativeFiles files;
  const FileHandle source = files.AddPath(argv[optind + 1], O_RDONLY);
  job.source = {.file = source, .format = argv[optind]};
  job.target.slot = files.AddPath(argv[optind + 3], O_RDWR | O_CREAT | O_TRUNC).slot;
  if (source.slot == NativeFiles::kNoSlot || job.target.slot == NativeFiles::kNoSlot) {
    std::perror("open");
    return 1;
  }
  NativeLanes native(files, lanes, 8, 2 << 20);
  const auto result = Convert(native, job);
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().message().c_str());
    return 1;
  }
  std::printf("read %llu, wrote %llu, zero %llu bytes\n",
              static_cast<unsigned long long>(result->bytes_read),
              static_cast<unsigned long long>(result->bytes_written),
              static_cast<unsigned long long>(result->zero_bytes));
  return 0;
}
