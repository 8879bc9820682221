// Bytes on the pipe to a worker, cut into frames as they may be, and the Setup that is in them. The
// broker is trusted by the worker, so this is about robustness: what is accepted must be possible.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "guest/abi/abi.h"
#include "protos/control.pb.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/boundary/wire_mutator.h"
#include "tools/fuzzers/check.h"
#include "vmm-worker/frames.h"
#include "vmm-worker/kvm/setup_check.h"

namespace hotcell::fuzz {
namespace {

using Wide = unsigned __int128;

constexpr size_t kMaxFrame = 256 << 10;  // docs/protocol.md, "Frames"
constexpr int kPipeSize = 1 << 20;
constexpr size_t kMaxInput = 600 << 10;

// Checks what the machine will touch for it, in 128 bits, so that nothing overflows.
void CheckPossible(const v1::Setup& setup) {
  Check(setup.mode() >= 1 && setup.mode() <= 3, "a machine has a known mode");
  Check(setup.memory_size() >= abi::kMinGuestMemory &&
            setup.memory_size() <= abi::kMaxGuestMemory && setup.memory_size() % 4096 == 0,
        "guest memory is whole pages, not too few and not too many");
  Check(setup.vcpus() >= 1 && setup.vcpus() <= abi::kMaxLanes, "there are 1 to 16 vCPUs");
  Check(setup.arena_size() <= 8ull << 30 && setup.arena_size() % 4096 == 0,
        "an arena is whole pages and not too big");
  Check(Wide{setup.program_offset()} + setup.program_size() <= setup.arena_size(),
        "the program lies in the arena");
  for (const uint64_t warm : {setup.warm_size(), setup.warm_later_size()}) {
    if (warm == 0) continue;
    const Wide last = Wide{setup.warm_offset()} + Wide{setup.vcpus() - 1} * setup.warm_stride();
    Check(last + warm <= setup.arena_size(), "what is warmed lies in the arena");
  }
}

class Pipe {
 public:
  Pipe() {
    std::array<int, 2> ends{};
    Check(pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) == 0, "a pipe can be made");
    read_ = UniqueFd(ends[0]);
    write_ = UniqueFd(ends[1]);
    fcntl(write_.get(), F_SETPIPE_SZ, kPipeSize);
  }
  int read_end() const { return read_.get(); }
  void WriteAndClose(std::string_view bytes) {
    const ssize_t written = write(write_.get(), bytes.data(), bytes.size());
    Check(written == static_cast<ssize_t>(bytes.size()), "a pipe takes an input");
    write_.reset();
  }

 private:
  UniqueFd read_;
  UniqueFd write_;
};

void CheckError(const worker::Error& error) {
  Check(v1::Step_IsValid(error.step) && error.step != v1::STEP_UNSPECIFIED, "an error has a step");
  CheckClean(error.detail, "an error's text");
  Check(error.detail.size() < 512, "an error's text is short");
}

void ReadAll(std::string_view stream) {
  Pipe pipe;
  pipe.WriteAndClose(stream);
  worker::FrameChannel channel(pipe.read_end(), -1);
  while (true) {
    const worker::Result<const v1::ToWorker*> message = channel.Read();
    uint32_t size = 0;
    std::memcpy(&size, stream.data(), std::min(stream.size(), sizeof(size)));
    v1::ToWorker expected;
    const bool whole =
        stream.size() >= sizeof(size) && size <= kMaxFrame && stream.size() - sizeof(size) >= size;
    const bool good =
        whole && expected.ParseFromArray(stream.data() + sizeof(size), static_cast<int>(size));
    if (stream.empty()) {
      Check(message.ok() && *message == nullptr, "the end of the pipe between frames is an end");
      return;
    }
    Check(message.ok() == good, "a frame is taken if it is whole, small enough and a message");
    if (!message.ok()) return CheckError(message.error());
    Check(*message != nullptr && (*message)->SerializeAsString() == expected.SerializeAsString(),
          "a message is taken as it was sent");
    if ((*message)->has_setup()) {
      const worker::Status status = worker::CheckSetup((*message)->setup());
      if (status.ok()) CheckPossible((*message)->setup());
      if (!status.ok()) CheckError(status.error());
    }
    stream.remove_prefix(sizeof(size) + size);
  }
}

}  // namespace
}  // namespace hotcell::fuzz

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  hotcell::fuzz::ReadAll(
      {reinterpret_cast<const char*>(data), std::min(size, hotcell::fuzz::kMaxInput)});
  return 0;
}

// Half of the time the first frame's message is mutated as one, and its length made right.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  uint32_t frame = 0;
  if (size < sizeof(frame) || random() % 2 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(&frame, data, sizeof(frame));
  const std::string_view rest(reinterpret_cast<const char*>(data) + sizeof(frame),
                              size - sizeof(frame));
  const std::string_view body = rest.substr(0, frame);
  constexpr uint32_t kMaxField = 14;
  const std::string mutated = hotcell::fuzz::MutateWire(body, kMaxField, random);
  const std::string behind(rest.substr(body.size()));
  if (sizeof(frame) + mutated.size() + behind.size() > max_size) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  frame = static_cast<uint32_t>(mutated.size());
  std::memcpy(data, &frame, sizeof(frame));
  std::memcpy(data + sizeof(frame), mutated.data(), mutated.size());
  std::memcpy(data + sizeof(frame) + mutated.size(), behind.data(), behind.size());
  return sizeof(frame) + mutated.size() + behind.size();
}
