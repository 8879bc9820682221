#include "hotcell/engine.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/host/event_fd.h"
#include "broker/host/monotonic_clock.h"
#include "broker/jobs/engine_impl.h"
#include "broker/jobs/operations.h"
#include "broker/workers/programs.h"
#include "guest/abi/abi.h"

namespace hotcell {
namespace {

using broker::WorkerPool;

uint64_t WrittenBytes(const Limits& limits) {
  constexpr uint64_t kTimes = 4;
  constexpr uint64_t kMore = 64 << 20;
  if (limits.bytes_written != 0) return limits.bytes_written;
  return limits.output_bytes > (UINT64_MAX - kMore) / kTimes ? UINT64_MAX
                                                             : limits.output_bytes * kTimes + kMore;
}

absl::Status CheckPool(const PoolOptions& pool) {
  constexpr uint32_t kMaxWorkers = 1024;
  if (pool.info_workers > kMaxWorkers || pool.convert_workers > kMaxWorkers ||
      pool.lanes > abi::kMaxLanes) {
    return absl::InvalidArgumentError(absl::StrCat("a pool has at most ", kMaxWorkers,
                                                   " workers of each kind, of at most ",
                                                   abi::kMaxLanes, " lanes"));
  }
  return broker::CheckMemory(pool.limits.guest_memory);
}

}  // namespace

namespace broker {

absl::Status CheckMemory(uint64_t size) {
  if (size >= abi::kMinGuestMemory && size <= abi::kMaxGuestMemory && size % abi::kPageSize == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("a guest has ", abi::kMinGuestMemory, " to ",
                                                 abi::kMaxGuestMemory,
                                                 " bytes of memory, in pages; not ", size));
}

FileLimits FileLimitsOf(const Limits& limits) {
  return {.bytes_read = limits.bytes_read,
          .output_bytes = limits.output_bytes,
          .bytes_written = WrittenBytes(limits),
          .output_rate = limits.output_rate,
          .chain_depth = limits.chain_depth,
          .references = limits.references};
}

}  // namespace broker

Cancellation::Cancellation() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Cancellation::~Cancellation() {
  if (fd_ >= 0) close(fd_);
}

void Cancellation::Cancel() {
  const int saved_errno = errno;
  broker::SignalEventFd(fd_);
  errno = saved_errno;
}

Engine::Impl::Call::Call(Impl& engine) : engine_(engine), outer_(innermost_) {
  innermost_ = this;
  Calls& all = *engine_.calls;
  const std::lock_guard lock(all.mutex);
  ++all.under_way;
}

Engine::Impl::Call::~Call() {
  innermost_ = outer_;
  Calls& all = *engine_.calls;
  const std::lock_guard lock(all.mutex);
  if (--all.under_way == 0) all.ended.notify_all();
}

bool Engine::Impl::Call::IsWithin(const Impl& engine) {
  const Call* call = innermost_;
  while (call != nullptr && &call->engine_ != &engine) call = call->outer_;
  return call != nullptr;
}

thread_local const Engine::Impl::Call* Engine::Impl::Call::innermost_ = nullptr;

Engine::Impl::~Impl() {
  if (Call::IsWithin(*this)) {
    std::fputs("hotcell: an Engine is destroyed by a callback of a job of its own\n", stderr);
    std::abort();
  }
  {
    Calls& mine = *calls;
    std::unique_lock lock(mine.mutex);
    mine.ended.wait(lock, [&] { return mine.under_way == 0; });
  }
  // What the pool's thread was doing at the time of fork() is half done in a child for ever.
  if (pool != nullptr && !pool->mine()) [[maybe_unused]]
    WorkerPool* const left = pool.release();
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

absl::StatusOr<Engine> Engine::Create(const EngineOptions& options) {
  absl::StatusOr<UniqueFd> worker = broker::OpenWorker(options.worker_path);
  if (!worker.ok()) return worker.status();
  absl::StatusOr<UniqueFd> kvm = broker::OpenKvm(options.kvm_path);
  if (!kvm.ok()) return kvm.status();
  auto impl = std::make_unique<Impl>();
  impl->worker = *std::move(worker);
  impl->kvm = *std::move(kvm);
  const PoolOptions& wanted = options.pool;
  if (wanted.info_workers == 0 && wanted.convert_workers == 0) return Engine(std::move(impl));
  if (absl::Status status = CheckPool(wanted); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<WorkerPool>> pool =
      WorkerPool::Create(impl->programs(),
                         {{.shape = broker::InfoShape(wanted.limits), .count = wanted.info_workers},
                          {.shape = broker::ConvertShape(wanted.limits, wanted.lanes),
                           .count = wanted.convert_workers}},
                         impl->dying);
  if (!pool.ok()) return pool.status();
  impl->pool = *std::move(pool);
  return Engine(std::move(impl));
}

bool Engine::ReapWorkers(absl::Duration at_most) const {
  return impl_->dying.ReapAll(broker::MonotonicNow() + at_most);
}

absl::StatusOr<ConvertReply> Engine::Convert(const ConvertRequest& request) const {
  return impl_->Perform<broker::ConvertOperation>(request);
}

absl::StatusOr<ConvertReply> Engine::CreateImage(const CreateRequest& request) const {
  return impl_->Perform<broker::CreateOperation>(request);
}

absl::StatusOr<InfoReply> Engine::Info(const InfoRequest& request) const {
  return impl_->Perform<broker::InfoOperation>(request);
}

absl::StatusOr<CompareReply> Engine::Compare(const CompareRequest& request) const {
  return impl_->Perform<broker::CompareOperation>(request);
}

absl::StatusOr<DigestReply> Engine::Digest(const DigestRequest& request) const {
  return impl_->Perform<broker::DigestOperation>(request);
}

absl::StatusOr<CheckReply> Engine::Check(const CheckRequest& request) const {
  return impl_->Perform<broker::CheckOperation>(request);
}

absl::StatusOr<InspectReply> Engine::Inspect(const InspectRequest& request) const {
  return impl_->Perform<broker::InspectOperation>(request);
}

absl::StatusOr<MapReply> Engine::Map(const MapRequest& request) const {
  return impl_->Perform<broker::MapOperation>(request);
}

absl::StatusOr<MeasureReply> Engine::Measure(const MeasureRequest& request) const {
  return impl_->Perform<broker::MeasureOperation>(request);
}

absl::StatusOr<ResizeReply> Engine::Resize(const ResizeRequest& request) const {
  return impl_->Perform<broker::ResizeOperation>(request);
}

absl::StatusOr<RebaseReply> Engine::Rebase(const RebaseRequest& request) const {
  return impl_->Perform<broker::RebaseOperation>(request);
}

absl::StatusOr<RunReply> Engine::Run(const RunRequest& request) const {
  return impl_->Run(request);
}

}  // namespace hotcell
