// A guest that writes anything anywhere in its lanes, against the broker's rings and requests, on
// real files. The input is a list of what the guest does and of the broker's turns. A lane is
// served here as IoEngine serves it, on this thread; in one mode a second one plays another vCPU
// that flips words of the rings all the while.
#include "broker/lanes/ring.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/lanes/request_handler.h"
#include "broker/lanes/write_turn.h"
#include "tools/fuzzers/boundary/byte_source.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/boundary/ring_world.h"
#include "tools/fuzzers/check.h"

namespace hotcell::fuzz {
namespace {

constexpr int kMaxSteps = 200;
constexpr uint64_t kLaneSize = broker::kBuffersPerLane * broker::kBufferSize;
constexpr std::string_view kNames[] = {"base",  "input", "output",      "missing",
                                       "base/", "",      "/etc/passwd", "\x1b[2J\n'"};

class Game {
 public:
  Game(WatchedArena& memory, ByteSource& input)
      : memory_(memory),
        input_(input),
        flips_(input.Choose(16) == 15),
        world_(TakeOptions(input)),
        handler_(memory.arena(), world_.files(), world_.references(), stop_) {
    memory_.Reset();
    for (uint32_t i = 0; i < kLanes; ++i) {
      rings_.emplace_back(memory.arena().lane(i), memory.arena().submission_ring(i),
                          memory.arena().completion_ring(i));
    }
  }

  void Play() {
    std::thread vcpu;
    if (flips_) vcpu = std::thread([this, seed = input_.Take<uint32_t>()] { Flip(seed); });
    for (int step = 0; step < kMaxSteps && !input_.empty() && !over_; ++step) Step();
    vcpu_done_ = true;
    if (vcpu.joinable()) vcpu.join();
    for (broker::WriteTurn& turn : turns_) turn.End();
    world_.CheckFiles();
  }

 private:
  static WorldOptions TakeOptions(ByteSource& input) {
    static constexpr uint64_t kQuotas[] = {1 << 20, 0, 4096, 100'000};
    WorldOptions options;
    options.output_bytes = input.Pick(kQuotas);
    options.bytes_read = input.Pick(kQuotas);
    const uint8_t flags = input.Take<uint8_t>();
    options.follow_mappings = (flags & 1) != 0;
    options.extents = (flags & 2) != 0;
    return options;
  }

  // Where the lane's words, entries and buffers lie, arena offsets.
  uint64_t LaneAt(uint32_t lane) const {
    return memory_.header().lanes_offset + lane * abi::kLaneStride;
  }
  uint64_t BuffersAt(uint32_t lane) const {
    return memory_.header().buffers_offset + lane * kLaneSize;
  }
  abi::LaneControl& Words(uint32_t lane) {
    return *reinterpret_cast<abi::LaneControl*>(memory_.guest(LaneAt(lane)));
  }
  void SetWord(uint32_t lane, size_t offset, uint32_t value) {
    memory_.Write(LaneAt(lane) + offset, &value, sizeof(value));
  }

  // Around the values where something begins or ends.
  uint64_t TakeOffset() {
    static constexpr uint64_t kEdges[] = {0,          kInputSize, kBaseSize,   4096,
                                          1ull << 20, 2ull << 20, 16ull << 20, INT64_MAX,
                                          1ull << 63, 1ull << 32};
    return input_.TakeNear(kEdges);
  }

  uint64_t TakeBuffer(uint32_t lane) {
    const auto small = static_cast<uint64_t>(int64_t{input_.Take<int16_t>()});
    switch (input_.Choose(8)) {
      case 0:
        return BuffersAt(lane) + small;
      case 1:
        return BuffersAt(lane + 1) + small;  // the end of the lane's own
      case 2:
        return BuffersAt(1 - lane) + small;
      case 3:
        return small;
      case 4:
        return input_.Take<uint64_t>();
      default:
        return BuffersAt(lane) + (small & 0xffff);
    }
  }

  abi::Submission TakeSubmission(uint32_t lane) {
    abi::Submission request{};
    const uint8_t shape = input_.Take<uint8_t>();
    request.opcode = shape % 16;
    request.slot = (shape & 16) != 0 ? input_.Take<uint32_t>() : input_.Choose(6);
    request.user_data = ++user_data_;
    const bool wild = (shape & 32) != 0;
    const bool has_buffer =
        request.opcode == 1 || request.opcode == 2 || request.opcode == 4 || request.opcode == 7;
    const bool is_name = request.opcode == 7;
    if (!is_name || wild) request.offset = TakeOffset();
    if ((request.opcode != 5 && request.opcode != 6 && request.opcode != 9) || wild) {
      request.length = TakeOffset();
    }
    if (has_buffer || wild) request.buffer = TakeBuffer(lane);
    if (is_name || wild) request.flags = input_.Choose(6);
    if (request.opcode == 8 || wild) {
      request.source_slot = input_.Choose(6);
      request.source_offset = TakeOffset();
    }
    if (wild) request.reserved0 = input_.Choose(2);
    return request;
  }

  void Step() {
    const uint8_t kind = input_.Take<uint8_t>();
    const uint32_t lane = kind >> 7;
    abi::LaneControl& words = Words(lane);
    switch (kind % 12) {
      case 0:
      case 1:
      case 2:
        return Submit(lane, TakeSubmission(lane));
      case 3:
      case 4:
        return Serve(lane, 1 + input_.Choose(130));
      case 5: {  // any word of the lane's control and rings
        const uint64_t at = input_.Take<uint16_t>() % abi::kLaneStride & ~7ull;
        const auto value = input_.Take<uint64_t>();
        return memory_.Write(LaneAt(lane) + at, &value, sizeof(value));
      }
      case 6:
        return SetWord(lane, offsetof(abi::LaneControl, cq_head), words.cq_tail);
      case 7:
        return SetWord(lane, offsetof(abi::LaneControl, cq_head),
                       words.cq_head + static_cast<uint32_t>(int32_t{input_.Take<int8_t>()}));
      case 8:
        return SetWord(lane, offsetof(abi::LaneControl, sq_tail),
                       words.sq_tail + static_cast<uint32_t>(int32_t{input_.Take<int8_t>()}));
      case 9:
        SetWord(lane, offsetof(abi::LaneControl, guest_waiting), input_.Choose(3));
        return SetWord(lane, offsetof(abi::LaneControl, wake_at),
                       words.cq_tail + static_cast<uint32_t>(int32_t{input_.Take<int16_t>()}));
      case 10: {  // a name, and a request for it
        const std::string_view known = input_.Pick(kNames);
        const std::string_view name = known.empty() ? input_.TakeBytes(input_.Choose(64)) : known;
        memory_.Write(BuffersAt(lane), name.data(), name.size());
        return Submit(lane, {.opcode = static_cast<uint32_t>(abi::Opcode::kOpenReference),
                             .slot = input_.Choose(4),
                             .length = name.size(),
                             .buffer = BuffersAt(lane),
                             .flags = 1 + input_.Choose(4)});
      }
      default: {  // data
        const std::string bytes(1 + input_.Take<uint16_t>() % 5000,
                                static_cast<char>(input_.Take<uint8_t>()));
        return memory_.Write(TakeBuffer(lane), bytes.data(), bytes.size());
      }
    }
  }

  void Submit(uint32_t lane, const abi::Submission& request) {
    const uint32_t tail = Words(lane).sq_tail;
    memory_.Write(
        LaneAt(lane) + abi::kSubmissionRingOffset + tail % abi::kRingEntries * sizeof(request),
        &request, sizeof(request));
    SetWord(lane, offsetof(abi::LaneControl, sq_tail), tail + 1);
  }

  // The broker's turn: as many requests as there are, up to `count`, and the look before it sleeps.
  void Serve(uint32_t lane, uint32_t count) {
    rings_[lane].StartPolling();
    for (uint32_t i = 0; i < count && ServeOne(lane); ++i) {
    }
    const bool more = rings_[lane].StopPolling();
    if (!flips_) {
      Check(more == (Words(lane).sq_tail != taken_[lane]), "no request is slept through");
    }
    Expect(lane, offsetof(abi::LaneControl, broker_polling));
    Expect(lane, offsetof(abi::LaneControl, sq_head));
    Expect(lane, offsetof(abi::LaneControl, cq_tail));
    const uint64_t lanes = memory_.header().lanes_offset;
    memory_.Compare(flips_ ? lanes : 0, flips_ ? lanes + kLanes * abi::kLaneStride : 0);
  }

  void Expect(uint32_t lane, size_t word) { memory_.Expect(LaneAt(lane) + word, sizeof(uint32_t)); }

  // False: the ring is empty, or the job is over.
  bool ServeOne(uint32_t lane) {
    turns_[1 - lane].End();  // as the other lane's thread does when it finds nothing to do
    const uint32_t waiting = Words(lane).sq_tail - taken_[lane];
    const absl::StatusOr<std::optional<abi::Submission>> taken = rings_[lane].Take();
    if (!flips_) {
      Check(taken.ok() == (waiting <= abi::kRingEntries), "a ring holds what it has room for");
      Check(!taken.ok() || taken->has_value() == (waiting != 0), "a request is seen");
    }
    if (!taken.ok()) return End(taken.status());
    if (!taken->has_value()) {
      turns_[lane].End();
      return false;
    }
    ++taken_[lane];
    return Handle(lane, **taken);
  }

  bool Handle(uint32_t lane, const abi::Submission& request) {
    const bool keeps = world_.KeepsContract(lane, request, memory_.header());
    const bool is_name = keeps && request.opcode == 7;
    const bool has_buffer = keeps && request.buffer != 0;
    const std::string name =
        is_name
            ? std::string(reinterpret_cast<char*>(memory_.guest(request.buffer)), request.length)
            : std::string();
    const absl::StatusOr<abi::Completion> done = handler_.Handle(lane, request, turns_[lane]);
    Check(done.ok() == keeps, "what breaks the contract, and nothing else, ends the job",
          std::string(done.status().message()));
    if (!done.ok()) return End(done.status());
    world_.Apply(request, *done, has_buffer ? memory_.guest(request.buffer) : nullptr, name);
    if (const uint64_t written = world_.BufferWritten(request, *done); written != 0) {
      memory_.Expect(request.buffer, written);
    }
    return Post(lane, *done);
  }

  bool Post(uint32_t lane, const abi::Completion& completion) {
    const uint32_t unread = posted_[lane] - Words(lane).cq_head;
    const absl::StatusOr<bool> wake = rings_[lane].Post(completion);
    if (!flips_) {
      Check(wake.ok() == (unread < abi::kRingEntries), "no completion overwrites another");
    }
    if (!wake.ok()) return End(wake.status());
    const uint64_t at = LaneAt(lane) + abi::kCompletionRingOffset +
                        posted_[lane] % abi::kRingEntries * sizeof(completion);
    ++posted_[lane];
    memory_.Expect(at, sizeof(completion));
    if (flips_) return true;
    Check(std::memcmp(memory_.guest(at), &completion, sizeof(completion)) == 0 &&
              Words(lane).cq_tail == posted_[lane],
          "a completion is posted in its place");
    const abi::LaneControl& words = Words(lane);
    if (words.guest_waiting == 0) Check(!*wake, "nobody is woken who does not sleep");
    if (words.guest_waiting != 0 && words.wake_at == posted_[lane]) {
      Check(*wake, "who waits for this completion is woken");
    }
    return true;
  }

  bool End(const absl::Status& error) {
    Check(error.code() == absl::StatusCode::kInternal, "a breach is an internal error");
    CheckClean(std::string(error.message()), "the error of a breach");
    over_ = true;
    return false;
  }

  void Flip(uint32_t seed) {
    auto* const words = reinterpret_cast<uint32_t*>(memory_.guest(LaneAt(0)));
    constexpr uint32_t kWords = kLanes * abi::kLaneStride / sizeof(uint32_t);
    static constexpr uint32_t kValues[] = {0, 1, 2, 7, 8, 128, 4096, 0x7fffffff, 0xffffffff};
    while (!vcpu_done_.load(std::memory_order_relaxed)) {
      seed = seed * 1664525 + 1013904223;
      // The first entries and the guest's words more often than the rest.
      const uint32_t at = (seed >> 8) % ((seed & 1) != 0 ? 512 : kWords);
      std::atomic_ref<uint32_t>(words[at]).store(kValues[(seed >> 3) % std::size(kValues)],
                                                 std::memory_order_relaxed);
    }
  }

  WatchedArena& memory_;
  ByteSource& input_;
  const bool flips_;
  World world_;
  const std::atomic<bool> stop_ = false;
  broker::RequestHandler handler_;
  std::vector<broker::LaneRing> rings_;
  broker::WriteTurn turns_[kLanes];
  uint32_t taken_[kLanes] = {};
  uint32_t posted_[kLanes] = {};
  uint64_t user_data_ = 0;
  bool over_ = false;
  std::atomic<bool> vcpu_done_ = false;
};

}  // namespace
}  // namespace hotcell::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static auto* const memory = new hotcell::fuzz::WatchedArena();
  hotcell::fuzz::ByteSource input(data, size);
  hotcell::fuzz::Game(*memory, input).Play();
  return 0;
}
