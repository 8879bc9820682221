// A worker that writes anything to its control pipe, in pieces of any size, against the broker's
// end of it. The input is a list of what the worker writes and of what the broker does. What each
// frame must lead to is told by a model of docs/protocol.md that shares no code with the broker.
#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "broker/workers/control_channel.h"
#include "broker/workers/native_end.h"
#include "broker/workers/worker_end.h"
#include "guest/abi/abi.h"
#include "protos/control.pb.h"
#include "tools/fuzzers/boundary/byte_source.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/check.h"

namespace hotcell::fuzz {
namespace {

using broker::WorkerState;
using Kind = v1::FromWorker::MessageCase;

constexpr int kMaxSteps = 300;
constexpr size_t kMaxFrame = 4092;  // docs/protocol.md, "Frames"
// Longest text that the broker makes of one frame, whose strings it cuts and escapes.
constexpr size_t kMaxErrorText = 16 << 10;

// docs/protocol.md, "States": what the worker may send, and where that leads.
struct Model {
  WorkerState state = WorkerState::kSpawned;
  bool started = false;  // the broker has sent Start

  bool Accept(const v1::FromWorker& message) {
    const Kind kind = message.message_case();
    const bool over = state == WorkerState::kFinished;
    switch (kind) {
      case Kind::kConfined:
        if (state != WorkerState::kSpawned) return false;
        state = WorkerState::kConfined;
        return true;
      case Kind::kReady:
        if (state != WorkerState::kConfined) return false;
        state = started ? WorkerState::kRunning : WorkerState::kReady;
        return true;
      case Kind::kTrace:
        return !over && state != WorkerState::kSpawned;
      case Kind::kOutput:
        return state == WorkerState::kRunning;
      case Kind::kFinished: {
        const int reason = message.finished().reason();
        if (state != WorkerState::kRunning || reason < 0 || reason > 7) return false;
        state = WorkerState::kFinished;
        return true;
      }
      case Kind::kViolation:
      case Kind::kFailure:
        if (over) return false;
        state = WorkerState::kFinished;
        return true;
      default:
        return false;
    }
  }
};

class Talk {
 public:
  explicit Talk(ByteSource& input) : input_(input) {
    absl::StatusOr<broker::ControlChannel> channel = broker::ControlChannel::Create();
    Check(channel.ok(), "a control channel can be made");
    channel_.emplace(*std::move(channel));
    worker_out_ = UniqueFd(fcntl(channel_->worker_out(), F_DUPFD_CLOEXEC, 0));
    fcntl(worker_out_.get(), F_SETFL, O_NONBLOCK | O_WRONLY);
    channel_->CloseWorkerEnds();
  }

  void Play() {
    for (int step = 0; step < kMaxSteps && !input_.empty() && !over_; ++step) Step();
    worker_out_.reset();
    for (int i = 0; i < kMaxSteps && !over_ && !channel_->at_eof(); ++i) Read(/*take=*/true);
  }

 private:
  void Step() {
    switch (input_.Choose(10)) {
      case 0:
        return Write(input_.TakeBytes(input_.Take<uint8_t>()));
      case 1: {  // a frame of any bytes
        const std::string_view body = input_.TakeBytes(input_.Take<uint8_t>());
        return Write(Frame(static_cast<uint32_t>(body.size()), body));
      }
      case 2:  // a length, and not much behind it
        return Write(Frame(input_.Take<uint16_t>() % 5000, input_.TakeBytes(input_.Choose(8))));
      case 3:
        return Write(Frame(input_.Take<uint32_t>(), ""));
      case 4: {  // a long frame
        v1::FromWorker message;
        message.mutable_trace()->set_text(std::string(4070 + input_.Choose(32), 'x'));
        return Write(Frame(message));
      }
      case 5:
        if (!started_ && channel_->SendStart({}).ok()) {
          started_ = model_.started = true;
          if (model_.state == WorkerState::kReady) model_.state = WorkerState::kRunning;
        }
        return;
      case 6:
        return Read(/*take=*/input_.Choose(4) != 0);
      default:
        return Write(Frame(TakeMessage()));
    }
  }

  static std::string Frame(uint32_t size, std::string_view body) {
    std::string frame(sizeof(size), '\0');
    std::memcpy(frame.data(), &size, sizeof(size));
    return frame.append(body);
  }
  static std::string Frame(const v1::FromWorker& message) {
    const std::string body = message.SerializeAsString();
    return Frame(static_cast<uint32_t>(body.size()), body);
  }

  std::string TakeText() { return std::string(input_.TakeBytes(input_.Choose(80))); }

  v1::FromWorker TakeMessage() {
    v1::FromWorker message;
    switch (input_.Choose(8)) {
      case 0:
        message.mutable_confined();
        for (uint32_t left = input_.Choose(20); left > 0; --left) {
          v1::LayerResult& layer = *message.mutable_confined()->add_layers();
          layer.set_layer(static_cast<v1::Layer>(input_.Take<int8_t>()));
          layer.set_state(static_cast<v1::LayerState>(input_.Choose(6)));
          layer.set_error(input_.Take<int16_t>());
        }
        break;
      case 1:
        message.mutable_ready();
        break;
      case 2:
        message.mutable_output()->set_serial(TakeText());
        break;
      case 3:
        message.mutable_trace()->set_text(TakeText());
        break;
      case 4: {
        v1::Finished& finished = *message.mutable_finished();
        finished.set_reason(static_cast<v1::EndReason>(input_.Take<int8_t>() % 10));
        finished.set_exit_code(input_.Choose(2) == 0 ? 0x70 + input_.Choose(2)
                                                     : input_.Take<uint32_t>());
        finished.set_vcpu(input_.Take<uint32_t>());
        finished.mutable_fault()->set_vector(input_.Take<uint8_t>());
        finished.mutable_registers()->set_rip(input_.Take<uint64_t>());
        finished.set_kvm_exit_reason(input_.Take<uint32_t>());
        finished.set_detail(TakeText());
        break;
      }
      case 5:
        message.mutable_violation()->set_syscall(input_.Take<int32_t>());
        message.mutable_violation()->set_arch(input_.Take<uint32_t>());
        message.mutable_violation()->set_phase(static_cast<v1::Phase>(input_.Take<int8_t>()));
        break;
      case 6:
        message.mutable_failure()->set_step(static_cast<v1::Step>(input_.Take<int32_t>()));
        message.mutable_failure()->set_error(input_.Take<int32_t>());
        message.mutable_failure()->set_detail(TakeText());
        break;
      default:
        break;  // an empty one
    }
    return message;
  }

  void Write(std::string_view bytes) {
    const ssize_t written = write(worker_out_.get(), bytes.data(), bytes.size());
    if (written <= 0) return;
    stream_.append(bytes.substr(0, static_cast<size_t>(written)));
    written_ += static_cast<uint64_t>(written);
  }

  // One turn of the broker's; without `take` it only reads.
  void Read(bool take) {
    Check(channel_->ReadAvailable().ok(), "a pipe can be read");
    int left = 0;
    Check(ioctl(channel_->read_fd(), FIONREAD, &left) == 0, "a pipe tells what is in it");
    const uint64_t taken = written_ - static_cast<uint64_t>(left);
    Check(taken - parsed_ <= 2 * (kMaxFrame + sizeof(uint32_t)),
          "the broker holds two frames at most");
    while (take && !over_) {
      const WorkerState before = channel_->state();
      const absl::StatusOr<std::optional<v1::FromWorker>> next = channel_->Next();
      Check(channel_->state() >= before, "states only move forward");
      if (!CheckNext(taken, next)) return;
    }
  }

  // Parses the same bytes. False: nothing more is there.
  bool CheckNext(uint64_t taken, const absl::StatusOr<std::optional<v1::FromWorker>>& next) {
    const std::string_view seen = std::string_view(stream_).substr(parsed_, taken - parsed_);
    const bool ended = channel_->at_eof();
    uint32_t size = 0;
    if (seen.size() < sizeof(size)) return Expect(next, ended && !seen.empty());
    std::memcpy(&size, seen.data(), sizeof(size));
    if (size == 0 || size > kMaxFrame) return Expect(next, /*broken=*/true);
    if (seen.size() < sizeof(size) + size) return Expect(next, ended);
    v1::FromWorker message;
    const bool parses = message.ParseFromArray(seen.data() + sizeof(size), static_cast<int>(size));
    parsed_ += sizeof(size) + size;
    const bool accepted = parses && model_.Accept(message);
    if (!accepted) return Expect(next, /*broken=*/true);
    Check(next.ok() && next->has_value(), "what the protocol allows is accepted",
          std::string(next.status().message()));
    Check((*next)->SerializeAsString() == message.SerializeAsString(),
          "a message is taken as it was sent");
    Check(channel_->state() == model_.state, "the state is that of the protocol");
    CheckTexts(**next);
    return true;
  }

  bool Expect(const absl::StatusOr<std::optional<v1::FromWorker>>& next, bool broken) {
    if (broken) {
      Check(!next.ok(), "what breaks the protocol is an error");
      CheckError(next.status());
      over_ = true;
    } else {
      Check(next.ok() && !next->has_value(), "half a frame is no message");
    }
    return false;
  }

  static void CheckError(const absl::Status& status) {
    if (status.ok()) return;
    CheckClean(std::string(status.message()), "an error's text");
    Check(!status.message().empty() && status.message().size() <= kMaxErrorText,
          "an error has a text of bounded length");
  }

  // What the supervisor makes of a message.
  static void CheckTexts(const v1::FromWorker& message) {
    if (message.has_confined()) {
      CheckError(broker::CheckLayers(message.confined(), {}));
      CheckError(broker::CheckLayers(message.confined(), std::vector<Layer>{Layer::kLandlock}));
    }
    if (message.has_violation()) {
      const absl::Status status = broker::ViolationStatus(message.violation());
      Check(!status.ok(), "a violation is an error");
      CheckError(status);
    }
    if (message.has_failure()) {
      const absl::Status status = broker::FailureStatus(message.failure());
      Check(!status.ok(), "a failure is an error");
      CheckError(status);
    }
    if (message.has_finished()) {
      const GuestEnd end = broker::ToNative(message.finished());
      const absl::Status status = broker::GuestEndStatus(end, end.detail, broker::BuiltinSymbols());
      const bool good = end.reason == EndReason::kExited && end.exit_code == 0;
      Check(status.ok() == good, "a guest has done well only if it exited with 0");
      CheckError(status);
    }
  }

  ByteSource& input_;
  std::optional<broker::ControlChannel> channel_;
  UniqueFd worker_out_;
  Model model_;
  std::string stream_;    // all that the worker has written
  uint64_t written_ = 0;  // its length
  uint64_t parsed_ = 0;   // of it, by both sides
  bool started_ = false;
  bool over_ = false;
};

}  // namespace
}  // namespace hotcell::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Silences what protobuf logs of the messages that are made and parsed here.
  const google::protobuf::LogSilencer silencer;
  hotcell::fuzz::ByteSource input(data, size);
  hotcell::fuzz::Talk(input).Play();
  return 0;
}
