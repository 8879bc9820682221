#include "guest/formats/testing/write_image.h"

#include <fcntl.h>

#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest {
namespace {

Status WriteRun(IoChannel& io, ImageWriter& writer, uint32_t slot, const TestRun& run) {
  const std::vector<std::byte> data(run.kind == Run::Kind::kData ? run.length : 0,
                                    static_cast<std::byte>(run.byte));
  Chunk chunk = {.offset = run.offset, .length = run.length};
  chunk.runs.push_back({.kind = run.kind,
                        .offset = run.offset,
                        .length = run.length,
                        .data = data.data(),
                        .size = data.size()});
  HOTCELL_RETURN_IF_ERROR(writer.Place(io, chunk));
  for (const FileWrite& write : chunk.writes) {
    HOTCELL_RETURN_IF_ERROR(
        WriteAll(io, slot, write.offset, {write.data, write.length}, "the test's data"));
  }
  return OkStatus();
}

}  // namespace

Status WriteImage(const FormatDriver& driver, const std::string& path, CreateOptions options,
                  const std::vector<TestRun>& runs) {
  NativeFiles files;
  options.slot = files.AddPath(path, O_RDWR | O_CREAT | O_TRUNC).slot;
  NativeChannel io(files);
  auto writer = driver.create(io, options);
  if (!writer.ok()) return writer.status();
  for (const TestRun& run : runs) {
    HOTCELL_RETURN_IF_ERROR(WriteRun(io, **writer, options.slot, run));
  }
  return (*writer)->Finish(io);
}

}  // namespace hotcell::guest
