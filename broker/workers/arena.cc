#include "broker/workers/arena.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/alignment.h"
#include "broker/host/posix_error.h"
#include "broker/workers/shared_memory.h"

namespace hotcell::broker {
namespace {

// Linux 6.3; not in Debian 12's headers.
constexpr unsigned kMfdNoexecSeal = 0x0008;

UniqueFd CreateSealableMemfd() {
  // Without the execute bits, and with F_SEAL_EXEC, where the kernel knows them: a worker must not
  // turn its one writable file into a program.
  UniqueFd fd(memfd_create("hotcell-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING | kMfdNoexecSeal));
  if (!fd.valid() && errno == EINVAL) {
    fd = UniqueFd(memfd_create("hotcell-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
  return fd;
}

// Hands out page-aligned areas one after the other.
class AreaAllocator {
 public:
  uint64_t Take(uint64_t size) {
    if (size == 0) return 0;
    const uint64_t offset = end_;
    end_ += AlignUp(size, abi::kPageSize);
    return offset;
  }
  uint64_t end() const { return end_; }

 private:
  uint64_t end_ = 0;
};

}  // namespace

absl::StatusOr<Arena> Arena::Plan(const ArenaLayout& layout) {
  constexpr uint64_t kMaxArea = 16ull << 30;
  if (layout.lanes > abi::kMaxLanes) {
    return absl::InvalidArgumentError(absl::StrCat("at most ", abi::kMaxLanes, " lanes"));
  }
  for (const uint64_t size :
       {layout.report_capacity, layout.program_size, layout.input_size, layout.output_capacity}) {
    if (size > kMaxArea) {
      return absl::ResourceExhaustedError(
          absl::StrCat("an area of ", size, " bytes is more than an arena holds (", kMaxArea, ")"));
    }
  }
  Arena arena;
  AreaAllocator areas;
  abi::ArenaHeader& header = arena.header_;
  areas.Take(sizeof(abi::ArenaHeader));
  header.magic = abi::kArenaMagic;
  header.version = abi::kVersion;
  header.lane_count = layout.lanes;
  header.status_offset = areas.Take(sizeof(abi::GuestStatus));
  header.job_offset = areas.Take(kJobCapacity);
  header.report_offset = areas.Take(layout.report_capacity);
  header.report_capacity = layout.report_capacity;
  header.lanes_offset = areas.Take(layout.lanes * abi::kLaneStride);
  header.lane_stride = abi::kLaneStride;
  header.buffers_offset = areas.Take(uint64_t{layout.lanes} * kBuffersPerLane * kBufferSize);
  header.buffer_size = kBufferSize;
  header.buffers_per_lane = kBuffersPerLane;
  header.ring_entries = abi::kRingEntries;
  header.input_offset = areas.Take(layout.input_size);
  header.input_size = layout.input_size;
  header.output_offset = areas.Take(layout.output_capacity);
  header.output_capacity = layout.output_capacity;
  arena.program_offset_ = areas.Take(layout.program_size);
  arena.program_size_ = layout.program_size;
  header.arena_size = areas.end();
  constexpr uint64_t kLaneSize = kBuffersPerLane * kBufferSize;
  arena.warm_size_ = std::min(layout.warm_size, kLaneSize);
  arena.warm_later_size_ = std::min(layout.warm_later_size, kLaneSize);
  return arena;
}

uint64_t Arena::SizeOf(const ArenaLayout& layout) {
  const absl::StatusOr<Arena> arena = Plan(layout);
  return arena.ok() ? arena->header().arena_size : 0;
}

absl::StatusOr<Arena> Arena::Create(const ArenaLayout& layout) {
  absl::StatusOr<Arena> planned = Plan(layout);
  if (!planned.ok()) return planned.status();
  Arena& arena = *planned;
  const abi::ArenaHeader& header = arena.header_;
  arena.fd_ = CreateSealableMemfd();
  if (!arena.fd_.valid()) return CallError(errno, "create the arena (memfd_create)");
  if (ftruncate(arena.fd(), static_cast<off_t>(header.arena_size)) != 0) {
    return CallError(errno, "size the arena (ftruncate)");
  }
  if (fcntl(arena.fd(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return CallError(errno, "seal the arena (fcntl)");
  }
  void* data = mmap(nullptr, header.arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, arena.fd(), 0);
  if (data == MAP_FAILED) return CallError(errno, "map the arena (mmap)");
  arena.mapping_ = Mapping(data, header.arena_size);
  // It holds bytes of images, which do not belong where crash dumps go.
  if (madvise(data, header.arena_size, MADV_DONTDUMP) != 0) {
    return CallError(errno, "leave the arena out of dumps (madvise)");
  }
  // A child of this process does not get the arena: it could change a job of its parent's with it.
  if (madvise(data, header.arena_size, MADV_DONTFORK) != 0) {
    return CallError(errno, "keep the arena from children (madvise)");
  }
  std::memcpy(arena.mapping_.data(), &header, sizeof(header));
  return planned;
}

void Arena::Warm() const {
  if (warm_size_ == 0) return;
  for (uint32_t i = 0; i < header_.lane_count; ++i) {
    std::byte* const buffers =
        mapping_.data() + header_.buffers_offset + uint64_t{i} * kBuffersPerLane * kBufferSize;
    // Linux 5.14; without it the pages come when they are used.
    [[maybe_unused]] const int error = madvise(buffers, warm_size_, MADV_POPULATE_WRITE);
  }
}

void Arena::SetJob(std::string_view job) {
  std::copy_n(reinterpret_cast<const std::byte*>(job.data()), job.size(),
              mapping_.data() + header_.job_offset);
  header_.job_size = job.size();
  // The guest may be running and wait for this.
  auto* const header = reinterpret_cast<abi::ArenaHeader*>(mapping_.data());
  StoreShared(&header->job_size, header_.job_size, std::memory_order_release);
}

void Arena::SetProgram(std::string_view program) {
  std::memcpy(mapping_.data() + program_offset_, program.data(),
              std::min<uint64_t>(program.size(), program_size_));
}

void Arena::SetInput(std::string_view input) {
  std::memcpy(mapping_.data() + header_.input_offset, input.data(),
              std::min<uint64_t>(input.size(), header_.input_size));
}

abi::LaneControl* Arena::lane(uint32_t index) const {
  return reinterpret_cast<abi::LaneControl*>(mapping_.data() + header_.lanes_offset +
                                             index * header_.lane_stride);
}

abi::Submission* Arena::submission_ring(uint32_t lane_index) const {
  return reinterpret_cast<abi::Submission*>(reinterpret_cast<std::byte*>(lane(lane_index)) +
                                            abi::kSubmissionRingOffset);
}

abi::Completion* Arena::completion_ring(uint32_t lane_index) const {
  return reinterpret_cast<abi::Completion*>(reinterpret_cast<std::byte*>(lane(lane_index)) +
                                            abi::kCompletionRingOffset);
}

std::span<std::byte> Arena::LaneBuffers(uint32_t lane_index, uint64_t offset,
                                        uint64_t length) const {
  const uint64_t lane_size = header_.buffers_per_lane * header_.buffer_size;
  const uint64_t begin = header_.buffers_offset + lane_index * lane_size;
  if (lane_index >= header_.lane_count || offset < begin || offset - begin > lane_size) return {};
  if (length == 0 || length > lane_size - (offset - begin)) return {};
  return {mapping_.data() + offset, length};
}

abi::GuestStatus* Arena::status() const {
  return reinterpret_cast<abi::GuestStatus*>(mapping_.data() + header_.status_offset);
}

Arena::Progress Arena::ReadProgress() const {
  const uint64_t total = LoadShared(&status()->progress_total);
  const uint64_t done = LoadShared(&status()->progress_done);
  return {.done = std::min(done, total), .total = total};
}

std::string Arena::Copy(uint64_t offset, uint64_t size) const {
  return std::string(reinterpret_cast<const char*>(mapping_.data() + offset), size);
}

std::string Arena::CopyReport() const {
  const uint64_t size = LoadShared(&status()->report_size);
  return Copy(header_.report_offset, std::min(size, header_.report_capacity));
}

std::string Arena::CopyOutput() const {
  const uint64_t size = LoadShared(&status()->output_size);
  return Copy(header_.output_offset, std::min(size, header_.output_capacity));
}

std::string Arena::CopyPanicText() const {
  const uint32_t size = LoadShared(&status()->panic_size);
  return Copy(header_.status_offset + offsetof(abi::GuestStatus, panic_text),
              std::min(size, abi::kPanicTextSize));
}

}  // namespace hotcell::broker
