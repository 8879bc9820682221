#include "tools/fuzzers/boundary/ring_world.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "hotcell/references.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/boundary/job_files.h"
#include "tools/fuzzers/check.h"

namespace hotcell::fuzz {
namespace {

using broker::Arena;
using broker::Mapping;

using Wide = unsigned __int128;

constexpr uint64_t kMaxOffset = std::numeric_limits<int64_t>::max();
constexpr uint64_t kStatusBuffer = abi::kMaxBlockRuns * sizeof(abi::BlockRun);
constexpr uint32_t kExtentFiles = 3;
constexpr uint32_t kMaxReferences = 4;
constexpr uint32_t kMaxDepth = 3;
constexpr std::string_view kCanary = "nobody has named this file";

// Made once.
struct FixedFiles {
  std::string input = Pattern(kInputSize, 1);
  std::string base = Pattern(kBaseSize, 2);
  UniqueFd input_fd = MakeFile(input);
  UniqueFd base_fd = MakeFile(base);
  UniqueFd canary_fd = MakeFile(kCanary);
};

const FixedFiles& Fixed() {
  static const FixedFiles files;
  return files;
}

Mapping Map(int fd, int flags, uint64_t size) {
  void* const data = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  Check(data != MAP_FAILED, "memory can be mapped");
  return Mapping(data, size);
}

Arena MakeArena() {
  absl::StatusOr<Arena> arena = Arena::Create({.lanes = kLanes, .report_capacity = 4096});
  Check(arena.ok(), "an arena can be made");
  return *std::move(arena);
}

std::string PathOf(int fd) { return absl::StrCat("/proc/self/fd/", fd); }

bool IsSameFile(int a, int b) {
  struct stat first {};
  struct stat second {};
  return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

// The space for data that opcodes with a buffer ask for, bytes.
uint64_t BufferSize(const abi::Submission& request) {
  return request.opcode == 4 ? kStatusBuffer : request.length;
}

}  // namespace

WatchedArena::WatchedArena()
    : arena_(MakeArena()),
      view_(Map(arena_.fd(), MAP_SHARED, arena_.header().arena_size)),
      expected_(Map(-1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, arena_.header().arena_size)) {}

void WatchedArena::Reset() {
  const auto size = static_cast<off_t>(header().arena_size);
  Check(fallocate(arena_.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size) == 0,
        "the arena can be emptied");
  madvise(expected_.data(), expected_.size(), MADV_DONTNEED);
  Write(0, &header(), sizeof(abi::ArenaHeader));
}

void WatchedArena::Write(uint64_t offset, const void* data, size_t size) {
  if (offset > view_.size() || size > view_.size() - offset) return;
  std::memcpy(view_.data() + offset, data, size);
  std::memcpy(expected_.data() + offset, data, size);
}

void WatchedArena::Expect(uint64_t offset, uint64_t size) {
  std::memcpy(expected_.data() + offset, view_.data() + offset, size);
}

void WatchedArena::Compare(uint64_t skip_begin, uint64_t skip_end) {
  const auto compare = [&](uint64_t begin, uint64_t end) {
    if (begin >= end) return;
    Check(std::memcmp(view_.data() + begin, expected_.data() + begin, end - begin) == 0,
          "the broker writes nothing but its words of the ring and the buffers it was given",
          absl::StrCat("in [", begin, ", ", end, ")"));
  };
  // What was never touched has no memory.
  for (off_t at = 0;;) {
    const off_t data = lseek(arena_.fd(), at, SEEK_DATA);
    if (data < 0) break;
    at = lseek(arena_.fd(), data, SEEK_HOLE);
    const auto begin = static_cast<uint64_t>(data);
    const auto end = static_cast<uint64_t>(at);
    compare(begin, std::min(end, skip_begin));
    compare(std::max(begin, skip_end), end);
  }
}

World::World(const WorldOptions& options)
    : options_(options),
      files_({.bytes_read = options.bytes_read,
              .output_bytes = options.output_bytes,
              .chain_depth = kMaxDepth,
              .references = kMaxReferences}) {
  made_.push_back(MakeFile("what the output was before"));
  const int output = made_.back().get();
  Check(files_.AddInput(Fixed().input_fd.get(), "input").ok(), "an input can be added");
  Check(files_.AddOutput(output, "output", broker::Durability::kNone, /*fresh=*/true).ok(),
        "an output can be added");
  slots_.push_back({.kind = Kind::kInput, .fd = Fixed().input_fd.get(), .bytes = Fixed().input});
  slots_.push_back({.kind = Kind::kOutput, .fd = output});
  if (options.extents) {
    files_.AllowExtentFiles([this](uint32_t number) { return OpenExtent(number); },
                            broker::Durability::kNone, broker::Access::kCached);
  }
  ReferencePolicy policy;
  if (options.follow_mappings) {
    policy.Map("base", PathOf(Fixed().base_fd.get()))
        .Map("input", PathOf(Fixed().input_fd.get()))
        .Map("output", PathOf(output))
        .Map("missing", "/proc/self/fd/-1");
  }
  absl::StatusOr<broker::ReferenceResolver> resolver = broker::ReferenceResolver::Create(policy);
  Check(resolver.ok(), "a resolver can be made");
  resolver_.emplace(*std::move(resolver));
}

absl::StatusOr<ExtentFile> World::OpenExtent(uint32_t number) {
  if (number >= kExtentFiles) return absl::UnavailableError("no more extents");
  made_.push_back(MakeFile("what the extent was before"));
  return ExtentFile{.fd = made_.back().get(), .name = absl::StrCat("extent-", number)};
}

bool World::KeepsContract(uint32_t lane, const abi::Submission& request,
                          const abi::ArenaHeader& header) const {
  // What each opcode uses, from opcode 1 on: docs/guest-abi.md, "Requests".
  struct Use {
    bool offset, length, buffer, writes;
    uint64_t max_length;
  };
  static constexpr Use kUses[] = {
      {},
      {.offset = true, .length = true, .buffer = true, .max_length = 2 << 20},  // READ
      {.offset = true, .length = true, .buffer = true, .writes = true, .max_length = 2 << 20},
      {.offset = true, .length = true, .writes = true, .max_length = kMaxOffset},  // WRITE_ZEROES
      {.offset = true, .length = true, .buffer = true, .max_length = kMaxOffset},  // BLOCK_STATUS
      {.writes = true},                                                            // FLUSH
      {.offset = true, .writes = true},                                            // SET_SIZE
      {.length = true, .buffer = true, .max_length = 4096},                        // OPEN_REFERENCE
      {.offset = true, .length = true, .writes = true, .max_length = 16 << 20},    // COPY
      {.offset = true, .writes = true},  // CREATE_EXTENT_FILE
  };
  constexpr uint32_t kOpenReference = 7;
  constexpr uint32_t kCopy = 8;
  constexpr uint32_t kCreateExtentFile = 9;
  if (request.opcode == 0 || request.opcode >= std::size(kUses)) return false;
  const Use& use = kUses[request.opcode];
  if (request.reserved0 != 0 || request.slot >= slots_.size()) return false;
  if (Wide{request.offset} + request.length > kMaxOffset) return false;
  if (!use.offset && request.offset != 0) return false;
  if (use.length ? request.length == 0 || request.length > use.max_length : request.length != 0) {
    return false;
  }
  if (use.writes && slots_[request.slot].kind != Kind::kOutput) return false;
  if (request.opcode == kOpenReference ? request.flags < 1 || request.flags > 4
                                       : request.flags != 0) {
    return false;
  }
  if (use.buffer) {
    const uint64_t lane_size = header.buffers_per_lane * header.buffer_size;
    const uint64_t begin = header.buffers_offset + lane * lane_size;
    if (request.buffer < begin ||
        Wide{request.buffer} + BufferSize(request) > Wide{begin} + lane_size) {
      return false;
    }
  } else if (request.buffer != 0) {
    return false;
  }
  if (request.opcode == kCopy) {
    return Wide{request.source_offset} + request.length <= kMaxOffset &&
           request.source_slot < slots_.size() && slots_[request.source_slot].kind != Kind::kOutput;
  }
  if (request.source_slot != 0 || request.source_offset != 0) return false;
  return request.opcode != kCreateExtentFile || !options_.extents ||
         request.offset >= abi::kMaxExtentFiles || request.offset == next_extent_file_;
}

std::optional<abi::IoStatus> World::Refusal(const File& file, uint64_t end) const {
  if (end <= file.taken || end - file.taken <= options_.output_bytes - output_taken_) {
    return std::nullopt;
  }
  return abi::IoStatus::kQuota;
}

void World::TakeQuota(File& file, uint64_t end) {
  if (end <= file.taken) return;
  output_taken_ += end - file.taken;
  file.taken = end;
}

uint64_t World::BufferWritten(const abi::Submission& request,
                              const abi::Completion& completion) const {
  if (completion.status != static_cast<uint32_t>(abi::IoStatus::kOk)) return 0;
  switch (static_cast<abi::Opcode>(request.opcode)) {
    case abi::Opcode::kRead:
      return completion.result;
    case abi::Opcode::kBlockStatus:
      return completion.result * sizeof(abi::BlockRun);
    default:
      return 0;
  }
}

void World::Apply(const abi::Submission& request, const abi::Completion& completion,
                  const std::byte* buffer, const std::string& name) {
  Check(completion.user_data == request.user_data && completion.reserved == 0,
        "a completion carries its request's user_data");
  File& file = slots_[request.slot];
  const auto status = static_cast<abi::IoStatus>(completion.status);
  const bool ok = status == abi::IoStatus::kOk;
  const std::string_view data(reinterpret_cast<const char*>(buffer),
                              buffer == nullptr ? 0 : request.length);
  const uint64_t end = request.offset + request.length;
  const auto expect = [&](std::optional<abi::IoStatus> refusal, uint64_t result) {
    Check(status == refusal.value_or(abi::IoStatus::kOk), "a request ends as it must",
          absl::StrCat("opcode ", request.opcode, " status ", completion.status));
    Check(!ok || completion.result == result, "a request's result is right",
          absl::StrCat("opcode ", request.opcode, " result ", completion.result));
  };
  const auto read_refusal = [&]() -> std::optional<abi::IoStatus> {
    if (Wide{read_} + request.length <= options_.bytes_read) return std::nullopt;
    return abi::IoStatus::kQuota;
  };
  switch (static_cast<abi::Opcode>(request.opcode)) {
    case abi::Opcode::kRead: {
      const std::string_view rest =
          std::string_view(file.bytes)
              .substr(std::min<uint64_t>(request.offset, file.bytes.size()));
      const std::string_view wanted = rest.substr(0, request.length);
      expect(read_refusal(), wanted.size());
      if (!ok) break;
      Check(data.substr(0, wanted.size()) == wanted, "READ gives the file's bytes");
      read_ += wanted.size();
      break;
    }
    case abi::Opcode::kWrite:
      expect(Refusal(file, end), request.length);
      if (!ok) break;
      TakeQuota(file, end);
      file.bytes.resize(std::max<uint64_t>(file.bytes.size(), end));
      file.bytes.replace(request.offset, request.length, data);
      break;
    case abi::Opcode::kWriteZeroes:
      expect(Refusal(file, end), request.length);
      if (!ok) break;
      TakeQuota(file, end);
      file.bytes.resize(std::max<uint64_t>(file.bytes.size(), end));
      file.bytes.replace(request.offset, request.length, request.length, '\0');
      break;
    case abi::Opcode::kBlockStatus:
      Check(ok, "BLOCK_STATUS ends well");
      CheckRuns(request, completion, buffer);
      break;
    case abi::Opcode::kFlush:
      expect(std::nullopt, 0);
      break;
    case abi::Opcode::kSetSize:
      expect(Refusal(file, request.offset), request.offset);
      if (!ok) break;
      TakeQuota(file, request.offset);
      file.bytes.resize(request.offset);
      break;
    case abi::Opcode::kOpenReference:
      CheckOpened(request, completion, name);
      break;
    case abi::Opcode::kCopy: {
      const std::string& source = slots_[request.source_slot].bytes;
      const std::string piece =
          source.substr(std::min<uint64_t>(request.source_offset, source.size()), request.length);
      const std::optional<abi::IoStatus> refusal = Refusal(file, end);
      if (!refusal) TakeQuota(file, end);
      expect(refusal ? refusal : read_refusal(), piece.size());
      if (!ok || piece.empty()) break;
      read_ += piece.size();
      file.bytes.resize(std::max<uint64_t>(file.bytes.size(), request.offset + piece.size()));
      file.bytes.replace(request.offset, piece.size(), piece);
      break;
    }
    case abi::Opcode::kProceed:  // the world has no judge, so that it breaks the contract
      break;
    case abi::Opcode::kCreateExtentFile: {
      if (!options_.extents) return expect(abi::IoStatus::kRefused, 0);
      if (request.offset >= abi::kMaxExtentFiles) return expect(abi::IoStatus::kQuota, 0);
      ++next_extent_file_;
      if (request.offset >= kExtentFiles) return expect(abi::IoStatus::kIoError, 0);
      expect(std::nullopt, slots_.size());
      slots_.push_back({.kind = Kind::kOutput, .fd = made_.back().get()});
      break;
    }
  }
}

void World::CheckOpened(const abi::Submission& request, const abi::Completion& completion,
                        const std::string& name) {
  const auto status = static_cast<abi::IoStatus>(completion.status);
  const FixedFiles& fixed = Fixed();
  if (asked_references_ == kMaxReferences) {
    Check(status == abi::IoStatus::kQuota, "no more files are looked for than the job may name");
    return;
  }
  ++asked_references_;
  // Mapped or not, a job's own target is no reference; a chain that is full is told first.
  const bool full = options_.follow_mappings && name == "output" && status == abi::IoStatus::kQuota;
  if (!options_.follow_mappings || (name != "base" && name != "input" && name != "missing")) {
    Check(status == abi::IoStatus::kRefused || full, "a name that is not allowed is refused", name);
    return;
  }
  if (name == "missing") {
    Check(status == abi::IoStatus::kNotFound, "a file that is not there is not found");
    return;
  }
  const int wanted = name == "base" ? fixed.base_fd.get() : fixed.input_fd.get();
  if (IsSameFile(slots_[request.slot].fd, wanted)) {
    Check(status != abi::IoStatus::kOk, "no image refers to itself");
  }
  if (status != abi::IoStatus::kOk) {
    Check(status == abi::IoStatus::kRefused || status == abi::IoStatus::kQuota,
          "an allowed reference fails for the chain's sake only");
    return;
  }
  Check(completion.result == slots_.size(), "a new file has the next slot");
  const broker::JobFile* const opened = files_.Find(static_cast<uint32_t>(completion.result));
  Check(opened != nullptr && !opened->writable && IsSameFile(opened->fd, wanted) &&
            (fcntl(opened->fd, F_GETFL) & O_ACCMODE) == O_RDONLY,
        "a reference is the allowed file, read-only");
  const std::string& bytes = name == "base" ? fixed.base : fixed.input;
  Check(completion.result2 == bytes.size(), "a reference's size is told");
  slots_.push_back({.kind = Kind::kReference, .fd = opened->fd, .bytes = bytes});
  const auto references = std::count_if(
      slots_.begin(), slots_.end(), [](const File& file) { return file.kind == Kind::kReference; });
  Check(references <= kMaxReferences && opened->depth <= kMaxDepth,
        "references and their chain are within the limits");
}

void World::CheckRuns(const abi::Submission& request, const abi::Completion& completion,
                      const std::byte* buffer) const {
  Check(completion.result >= 1 && completion.result <= abi::kMaxBlockRuns,
        "BLOCK_STATUS tells 1 to 256 runs");
  const std::string& bytes = slots_[request.slot].bytes;
  uint64_t at = request.offset;
  for (uint64_t i = 0; i < completion.result; ++i) {
    abi::BlockRun run;
    std::memcpy(&run, buffer + i * sizeof(run), sizeof(run));
    Check(run.length >= 1 && run.length <= request.offset + request.length - at && run.is_data <= 1,
          "a run lies within what was asked for");
    if (run.is_data == 0 && at < bytes.size()) {
      const std::string_view hole = std::string_view(bytes).substr(at, run.length);
      Check(hole.find_first_not_of('\0') == std::string_view::npos, "a hole reads as zeroes");
    }
    at += run.length;
  }
  Check(at == request.offset + request.length || completion.result == abi::kMaxBlockRuns,
        "the runs reach the end of what was asked for");
}

void World::CheckFiles() {
  // Outputs are emptied as at the end of a job: one that nobody asked for is empty all the same.
  Check(files_.EmptyOutputs().ok(), "outputs can be emptied");
  uint64_t output = 0;
  for (const File& file : slots_) {
    const std::string bytes = ReadFile(file.fd);
    if (file.kind == Kind::kOutput) output += bytes.size();
    Check(bytes == file.bytes,
          file.kind == Kind::kOutput ? "an output has what was written" : "an input never changes");
  }
  Check(output <= options_.output_bytes, "the outputs stay within their quota");
  Check(files_.bytes_read() == read_ && read_ <= options_.bytes_read,
        "reads stay within their quota");
  Check(ReadFile(Fixed().base_fd.get()) == Fixed().base, "a file that is read never changes");
  Check(ReadFile(Fixed().canary_fd.get()) == kCanary, "other files never change");
  CheckClean(files_.error().message().empty() ? "" : std::string(files_.error().message()),
             "the first error of a file");
}

}  // namespace hotcell::fuzz
