#include "tests/load/sieges.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "guest/abi/abi.h"
#include "protos/control.pb.h"
#include "tests/hostile/scripted_worker/script.h"

namespace hotcell::load {
namespace {

using hostile::Place;
using hostile::Script;

constexpr uint16_t kRealLoad = 0x1000;

std::string Frame(const v1::FromWorker& message) {
  const std::string body = message.SerializeAsString();
  return Script::Bytes(static_cast<uint32_t>(body.size())) + body;
}

Siege Payload(const Engine& engine, const std::string& name, char kind) {
  std::ifstream in(ENDLESS_PAYLOAD_PATH, std::ios::binary);
  RunRequest request;
  request.program = {std::istreambuf_iterator<char>(in), {}};
  request.program_is_elf = true;
  request.mode = GuestMode::kPayload;
  request.input = std::string(1, kind);
  return {.name = "payload: " + name,
          .burns_cpu = kind != 'w',
          .run = [&engine, request](const JobOptions& options) mutable {
            request.options = options;
            return engine.Run(request).status();
          }};
}

Siege RealMode(const Engine& engine, const std::string& name, std::string_view code) {
  RunRequest request;
  request.program = code;
  request.mode = GuestMode::kReal;
  request.load_address = request.entry = kRealLoad;
  return {.name = "real mode: " + name,
          .burns_cpu = true,
          .run = [&engine, request](const JobOptions& options) mutable {
            request.options = options;
            return engine.Run(request).status();
          }};
}

// A worker that has come to run its guest, and then plays `script`.
Siege Worker(const Engine& engine, const std::string& name, const Script& script) {
  v1::FromWorker confined;
  for (int layer = v1::LAYER_NO_NEW_PRIVS; layer <= v1::LAYER_SECCOMP; ++layer) {
    v1::LayerResult& result = *confined.mutable_confined()->add_layers();
    result.set_layer(static_cast<v1::Layer>(layer));
    result.set_state(v1::LAYER_STATE_ACHIEVED);
  }
  v1::FromWorker ready;
  ready.mutable_ready();
  RunRequest request;
  request.program =
      Script().Write(Frame(confined)).Write(Frame(ready)).Receive().bytes() + script.bytes();
  request.mode = GuestMode::kPayload;
  request.input = "!";
  return {.name = "worker: " + name, .run = [&engine, request](const JobOptions& options) mutable {
            request.options = options;
            return engine.Run(request).status();
          }};
}

// Has the broker zero a terabyte, over and over, in a target that has data at its end.
Siege Zeroes(const Engine& engine) {
  constexpr uint64_t kEnd = uint64_t{1} << 40;
  constexpr uint32_t kRequests = 100;
  // The first entry of the ring fetched the script.
  const auto entry = [](uint32_t i) { return i * sizeof(abi::Submission); };
  Script script;
  for (uint32_t i = 1; i < kRequests; ++i) {
    script.Store(
        Place::kSubmissions, entry(i),
        Script::Bytes(abi::Submission{.opcode = static_cast<uint32_t>(abi::Opcode::kWriteZeroes),
                                      .slot = 1,
                                      .length = kEnd}));
  }
  script.Store(Place::kLane0, offsetof(abi::LaneControl, sq_tail), Script::Bytes(kRequests))
      .AddTo(abi::kFdDoorbell, 1);
  return {.name = "broker: zeroes terabytes",
          .run = [&engine, script = script.bytes()](const JobOptions& options) {
            const int image = memfd_create("image", MFD_CLOEXEC);
            const int target = memfd_create("target", MFD_CLOEXEC);
            ConvertRequest request;
            request.source = {.fd = image, .name = "image", .format = "raw"};
            request.target_fd = target;
            request.target_exists = true;
            request.lanes = 1;
            request.options = options;
            const bool made = pwrite(image, script.data(), script.size(), 0) ==
                                  static_cast<ssize_t>(script.size()) &&
                              pwrite(target, "x", 1, static_cast<off_t>(kEnd)) == 1;
            absl::Status status = made ? engine.Convert(request).status()
                                       : absl::InternalError("cannot make the files");
            close(image);
            close(target);
            return status;
          }};
}

}  // namespace

absl::StatusOr<Sieges> Sieges::Make() {
  absl::StatusOr<Engine> engine = Engine::Create({.worker_path = HOTCELL_WORKER_PATH});
  if (!engine.ok()) return engine.status();
  absl::StatusOr<Engine> scripted =
      Engine::Create({.worker_path = SCRIPTED_WORKER_PATH, .kvm_path = "/dev/null"});
  if (!scripted.ok()) return scripted.status();
  Sieges sieges;
  sieges.engine_ = std::make_unique<Engine>(*std::move(engine));
  sieges.scripted_ = std::make_unique<Engine>(*std::move(scripted));
  const Engine& real = *sieges.engine_;
  const Engine& fake = *sieges.scripted_;
  v1::FromWorker trace;
  trace.mutable_trace()->set_text(std::string(4000, 'x'));
  sieges.all_ = {
      Payload(real, "jumps to itself", 'j'),
      Payload(real, "waits in the wait port", 'w'),
      Payload(real, "storm of doorbells", 'd'),
      Payload(real, "storm of exits", 'x'),
      RealMode(real, "jumps to itself", "\xeb\xfe"),
      // mov al, 'x'; mov dx, 0x3f8; out dx, al; jmp to it
      RealMode(real, "storm of output", "\xb0\x78\xba\xf8\x03\xee\xeb\xfd"),
      // mov word [0x18], handler; mov word [0x1a], 0; ud2; handler: iret, to the ud2
      RealMode(
          real, "faults for ever",
          std::string_view("\xc7\x06\x18\x00\x0e\x10\xc7\x06\x1a\x00\x00\x00\x0f\x0b\xcf", 15)),
      Worker(fake, "is deaf to Stop", Script().Hang()),
      Worker(fake, "floods the control pipe", Script().WriteForever(Frame(trace))),
      Worker(fake, "fills the eventfds",
             Script().AddTo(abi::kFdWake, UINT64_MAX - 1).AddForever(abi::kFdDoorbell)),
      Zeroes(fake),
  };
  return sieges;
}

}  // namespace hotcell::load
