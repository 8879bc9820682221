#include "tests/syscall_probe/client.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

namespace hotcell::tests {
namespace {

std::optional<v1::Violation> ParseViolation(const std::string& bytes) {
  uint32_t length = 0;
  if (bytes.size() < sizeof(length)) return std::nullopt;
  std::memcpy(&length, bytes.data(), sizeof(length));
  v1::FromWorker message;
  if (bytes.size() != sizeof(length) + length ||
      !message.ParseFromArray(bytes.data() + sizeof(length), static_cast<int>(length)) ||
      !message.has_violation()) {
    return std::nullopt;
  }
  return message.violation();
}

}  // namespace

UniqueFd OpenProbe() { return UniqueFd(open(HOTCELL_SYSCALL_PROBE, O_PATH | O_CLOEXEC)); }

absl::StatusOr<Probe> Probe::Start(const ProbeOptions& options) {
  Probe probe;
  int in[2];
  int out[2];
  if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
    return absl::ErrnoToStatus(errno, "pipe2");
  }
  const UniqueFd worker_in(in[0]);
  const UniqueFd worker_out(out[1]);
  probe.to_.reset(in[1]);
  probe.from_.reset(out[0]);
  const UniqueFd opened = options.program < 0 ? OpenProbe() : UniqueFd();
  const int program = options.program < 0 ? opened.get() : options.program;
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  const UniqueFd arena(memfd_create("arena", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (program < 0 || !null.valid() || !arena.valid()) {
    return absl::ErrnoToStatus(errno, "open");
  }
  if (ftruncate(arena.get(), 1 << 16) < 0 ||
      fcntl(arena.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0) {
    return absl::ErrnoToStatus(errno, "seal");
  }
  broker::WorkerFds fds{.control_in = worker_in.get(),
                        .control_out = worker_out.get(),
                        .kvm = options.kvm >= 0 ? options.kvm : null.get(),
                        .arena = arena.get()};
  std::vector<UniqueFd> events;
  for (int lane = 0; lane < options.lanes; ++lane) {
    for (std::vector<int>* const kind : {&fds.doorbells, &fds.wakes}) {
      events.emplace_back(eventfd(0, EFD_CLOEXEC));
      kind->push_back(events.back().get());
    }
  }
  absl::StatusOr<broker::SpawnedWorker> worker = broker::SpawnWorker(program, fds);
  if (!worker.ok()) return worker.status();
  probe.worker_ = std::move(*worker);
  return probe;
}

Probe::~Probe() {
  if (worker_.pidfd.valid()) End();
}

std::optional<ProbeReply> Probe::Send(const ProbeRequest& request) {
  if (write(to_.get(), &request, sizeof(request)) != sizeof(request)) return std::nullopt;
  ProbeReply reply;
  const ssize_t size = read(from_.get(), &reply, sizeof(reply));
  if (size == sizeof(reply)) return reply;
  if (size > 0)
    last_words_.assign(reinterpret_cast<const char*>(&reply), static_cast<size_t>(size));
  return std::nullopt;
}

std::optional<ProbeReply> Probe::Call(int64_t number, std::initializer_list<int64_t> arguments) {
  ProbeRequest request{.number = number};
  std::ranges::copy(arguments, request.arguments);
  return Send(request);
}

std::optional<ProbeReply> Probe::CallWithPath(int64_t number, int path_argument,
                                              std::string_view path,
                                              std::initializer_list<int64_t> arguments) {
  ProbeRequest request{.in_scratch = 1u << path_argument, .number = number};
  std::ranges::copy(arguments, request.arguments);
  request.arguments[path_argument] = 0;
  path.copy(request.scratch, kScratchSize - 1);
  return Send(request);
}

std::optional<ProbeReply> Probe::Do(ProbeRequestKind kind,
                                    std::initializer_list<int64_t> arguments) {
  ProbeRequest request{.kind = kind};
  std::ranges::copy(arguments, request.arguments);
  return Send(request);
}

v1::Confined Probe::ApplyLayers() {
  v1::Confined report;
  const std::optional<ProbeReply> reply = Do(ProbeRequestKind::kApplyLayers);
  if (reply && reply->result > 0) {
    report.ParseFromArray(reply->scratch, static_cast<int>(reply->result));
  }
  return report;
}

bool Probe::LockDown(uint32_t vcpus, int64_t extra) {
  ApplyLayers();
  const auto setup = Do(ProbeRequestKind::kInstallSetupFilter);
  if (!setup || setup->result != 1) return false;
  const auto run = Do(ProbeRequestKind::kInstallRunFilter, {vcpus, extra});
  return run && run->result == 1;
}

ProbeEnd Probe::End() {
  to_.reset();
  siginfo_t info = {};
  while (waitid(P_PIDFD, static_cast<id_t>(worker_.pidfd.get()), &info, WEXITED | __WALL) < 0 &&
         errno == EINTR) {
  }
  worker_.pidfd.reset();
  ProbeEnd end;
  (info.si_code == CLD_EXITED ? end.status : end.signal) = info.si_status;
  end.violation = ParseViolation(last_words_);
  return end;
}

v1::LayerResult FindLayer(const v1::Confined& report, v1::Layer layer) {
  for (const v1::LayerResult& result : report.layers()) {
    if (result.layer() == layer) return result;
  }
  return {};
}

}  // namespace hotcell::tests
