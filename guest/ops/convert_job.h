// Convert jobs for native tests and tools; the broker makes those of the guest.
#ifndef HOTCELL_GUEST_OPS_CONVERT_JOB_H_
#define HOTCELL_GUEST_OPS_CONVERT_JOB_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "guest/runtime/common/io.h"
#include "protos/job.pb.h"

namespace hotcell::guest {

struct ConvertRequest {
  std::optional<FileHandle> source;           // nullopt: a disk of `size` bytes that holds nothing
  std::vector<FileHandle> more_sources = {};  // follow it, in the same format
  uint64_t size = 0;
  std::optional<std::pair<uint64_t, uint64_t>> window;  // begin and end, bytes
  std::string source_format;                            // empty: probe
  FileHandle target;
  std::string target_format;
  std::string target_name;  // without its directory
  std::vector<std::pair<std::string, std::string>> options;
  bool compress = false;
  bool existing = false;
  uint64_t sparse_size = 4096;              // bytes
  uint64_t max_virtual_size = 64ull << 40;  // bytes
  std::optional<std::string> snapshot;      // id or name
  bool copy = false;
  bool existing_is_zero = false;
  // The target's backing image: its name, and the size of its disk in bytes.
  std::optional<std::pair<std::string, uint64_t>> backing;
};

// Into one of nanopb's arrays of bytes.
template <typename Bytes>
void CopyBytes(const std::string& text, Bytes& out) {
  out.size = static_cast<pb_size_t>(std::min(text.size(), sizeof(out.bytes)));
  std::memcpy(out.bytes, text.data(), out.size);
}

inline hotcell_v1_Job MakeConvertJob(const ConvertRequest& request) {
  hotcell_v1_Job job = hotcell_v1_Job_init_zero;
  job.max_virtual_size = request.max_virtual_size;
  job.max_chain_depth = 16;
  job.which_operation = hotcell_v1_Job_convert_tag;
  hotcell_v1_ConvertJob& convert = job.operation.convert;
  convert.has_target = true;
  convert.has_source = request.source.has_value();
  convert.size = request.size;
  const auto set_source = [&](const FileHandle& file, hotcell_v1_SourceImage& image) {
    image.slot = file.slot;
    image.size = file.size;
    CopyBytes(request.source_format, image.format);
  };
  if (request.source) set_source(*request.source, convert.source);
  for (const FileHandle& file : request.more_sources) {
    set_source(file, convert.more_sources[convert.more_sources_count++]);
  }
  convert.has_window = request.window.has_value();
  if (request.window) {
    convert.window = {.begin = request.window->first, .end = request.window->second};
  }
  hotcell_v1_TargetImage& target = convert.target;
  target.slot = request.target.slot;
  target.compress = request.compress;
  target.existing = request.existing;
  target.existing_size = request.existing ? request.target.size : 0;
  CopyBytes(request.target_format, target.format);
  CopyBytes(request.target_name, target.name);
  target.existing_is_zero = request.existing_is_zero;
  target.has_backing = request.backing.has_value();
  if (request.backing) {
    CopyBytes(request.backing->first, target.backing.name);
    CopyBytes("raw", target.backing.format);
    target.backing.size = request.backing->second;
  }
  for (const auto& [key, value] : request.options) {
    hotcell_v1_FormatOption& option = target.options[target.options_count++];
    CopyBytes(key, option.key);
    CopyBytes(value, option.value);
  }
  convert.has_snapshot = request.snapshot.has_value();
  if (request.snapshot) {
    convert.snapshot.has_id_or_name = true;
    CopyBytes(*request.snapshot, convert.snapshot.id_or_name);
  }
  convert.sparse_size = request.sparse_size;
  convert.copy = request.copy;
  return job;
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_CONVERT_JOB_H_
