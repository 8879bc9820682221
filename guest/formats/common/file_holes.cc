#include "guest/formats/common/file_holes.h"

#include <algorithm>
#include <mutex>
#include <span>

#include "base/text.h"

namespace hotcell::guest {

std::optional<FileHoles::Run> FileHoles::Window::Find(uint64_t offset, uint64_t length) const {
  if (offset < begin) return std::nullopt;
  const auto part = std::upper_bound(parts.begin(), parts.end(), offset,
                                     [](uint64_t at, const Part& one) { return at < one.end; });
  if (part == parts.end()) return std::nullopt;
  return Run{.is_hole = part->is_hole, .length = std::min(length, part->end - offset)};
}

void FileHoles::Window::Add(uint64_t end, bool is_hole) {
  if (!parts.empty() && parts.back().is_hole == is_hole) {
    parts.back().end = end;
  } else {
    parts.push_back({.end = end, .is_hole = is_hole});
  }
}

std::optional<FileHoles::Run> FileHoles::Lookup(uint64_t offset, uint64_t length) {
  const std::lock_guard lock(lock_);
  for (const Window& window : windows_) {
    if (const std::optional<Run> run = window.Find(offset, length)) return run;
  }
  return std::nullopt;
}

Result<FileHoles::Run> FileHoles::At(IoChannel& io, uint64_t offset, uint64_t length) {
  if (offset >= file_.size) return Run{.is_hole = false, .length = length};
  length = std::min(length, file_.size - offset);
  if (const std::optional<Run> known = Lookup(offset, length)) return *known;

  // The request begins a little before, so that clusters in any order do not take a request each.
  const uint64_t begin = offset - offset % kSegment;
  Result<std::optional<Run>> run = Ask(io, begin, offset, length);
  if (run.ok() && !run->has_value() && begin < offset) run = Ask(io, offset, offset, length);
  if (!run.ok()) return run.status();
  if (run->has_value()) return **run;
  return Status(Code::kIo, StrCat("cannot find the data after offset ", offset,
                                  ": the file has become shorter"));
}

Result<std::optional<FileHoles::Run>> FileHoles::Ask(IoChannel& io, uint64_t begin, uint64_t offset,
                                                     uint64_t length) {
  // The request is for all that is not known, so that a file of few runs costs one request.
  const uint64_t end = UnknownUntil(offset);
  std::array<abi::BlockRun, kRuns> runs;
  const IoResult status = io.BlockStatus(file_.slot, begin, end - begin, runs);
  if (!status.ok()) return IoError(status, StrCat("find the data after offset ", begin));
  const std::lock_guard lock(lock_);
  Window& window = windows_[next_];
  next_ = (next_ + 1) % kWindows;
  window.begin = begin;
  window.parts.clear();
  uint64_t at = begin;
  for (const abi::BlockRun& run : std::span(runs).first(status.value)) {
    if (run.length == 0 || run.length > end - at) break;
    at += run.length;
    window.Add(at, run.is_data == 0 && run.length >= min_hole_);
  }
  return window.Find(offset, length);
}

uint64_t FileHoles::UnknownUntil(uint64_t offset) {
  const std::lock_guard lock(lock_);
  uint64_t end = file_.size;
  for (const Window& window : windows_) {
    if (!window.parts.empty() && window.begin > offset) end = std::min(end, window.begin);
  }
  return end;
}

}  // namespace hotcell::guest
