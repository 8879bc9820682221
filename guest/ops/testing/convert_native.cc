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
#include "guest/ops/convert_job.h"
#include "guest/runtime/native/native_lanes.h"

int main(int argc, char** argv) {
  using namespace hotcell::guest;
  ConvertRequest request;
  uint32_t lanes = 2;
  for (int option; (option = getopt(argc, argv, "cl:S:o:")) != -1;) {
    const std::string value = optarg != nullptr ? optarg : "";
    if (option == 'c') request.compress = true;
    if (option == 'l') lanes = static_cast<uint32_t>(std::strtoul(value.c_str(), nullptr, 0));
    if (option == 'S') request.sparse_size = std::strtoull(value.c_str(), nullptr, 0);
    if (option == 'o') {
      const size_t equals = std::min(value.find('='), value.size() - 1);
      request.options.emplace_back(value.substr(0, equals), value.substr(equals + 1));
    }
    if (option == '?') return 2;
  }
  if (argc - optind != 4) return 2;
  request.source_format = argv[optind];
  request.target_format = argv[optind + 2];
  request.target_name = std::filesystem::path(argv[optind + 3]).filename();

  NativeFiles files;
  const FileHandle source = files.AddPath(argv[optind + 1], O_RDONLY);
  request.source = source;
  request.target = files.AddPath(argv[optind + 3], O_RDWR | O_CREAT | O_TRUNC);
  if (source.slot == NativeFiles::kNoSlot || request.target.slot == NativeFiles::kNoSlot) {
    std::perror("open");
    return 1;
  }
  NativeLanes native(files, lanes, 8, 2 << 20);
  const auto result = Convert(native, MakeConvertJob(request));
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
