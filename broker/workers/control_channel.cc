#include "broker/workers/control_channel.h"

#include <fcntl.h>
#include <google/protobuf/stubs/logging.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "broker/host/posix_error.h"
#include "guest/abi/abi.h"
#include "hotcell/failure.h"

namespace hotcell::broker {
namespace {

using From = v1::FromWorker;

absl::Status Broken(absl::string_view what) {
  return WithFailureKind(
      absl::InternalError(absl::StrCat("the worker broke the control protocol: ", what)),
      FailureKind::kWorkerProtocol);
}

absl::string_view MessageName(From::MessageCase message) {
  switch (message) {
    case From::kConfined:
      return "Confined";
    case From::kReady:
      return "Ready";
    case From::kOutput:
      return "Output";
    case From::kTrace:
      return "Trace";
    case From::kFinished:
      return "Finished";
    case From::kViolation:
      return "Violation";
    case From::kFailure:
      return "Failure";
    case From::MESSAGE_NOT_SET:
      break;
  }
  return "an unknown message";
}

absl::string_view StateName(WorkerState state) {
  switch (state) {
    case WorkerState::kSpawned:
      return "spawned";
    case WorkerState::kConfined:
      return "confined";
    case WorkerState::kReady:
      return "ready";
    case WorkerState::kRunning:
      return "running";
    case WorkerState::kFinished:
      return "finished";
  }
  return "unknown";
}

absl::Status SetNonBlocking(int fd) {
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0) return absl::OkStatus();
  return CallError(errno, "make a control pipe non-blocking (fcntl)");
}

}  // namespace

absl::StatusOr<ControlChannel> ControlChannel::Create() {
  int to_worker[2];
  int from_worker[2];
  ControlChannel channel;
  if (pipe2(to_worker, O_CLOEXEC) != 0) return CallError(errno, "create a control pipe");
  channel.worker_in_ = UniqueFd(to_worker[0]);
  channel.write_ = UniqueFd(to_worker[1]);
  if (pipe2(from_worker, O_CLOEXEC) != 0) return CallError(errno, "create a control pipe");
  channel.read_ = UniqueFd(from_worker[0]);
  channel.worker_out_ = UniqueFd(from_worker[1]);
  // Only this side's ends: the worker blocks on its own, and cannot change these.
  for (const int fd : {channel.read_.get(), channel.write_.get()}) {
    if (absl::Status status = SetNonBlocking(fd); !status.ok()) return status;
  }
  return channel;
}

absl::Status ControlChannel::SendSetup(const v1::Setup& setup) {
  v1::ToWorker message;
  *message.mutable_setup() = setup;
  return Send(message);
}

absl::Status ControlChannel::SendStart(const v1::Start& start) {
  if (start_sent_ || (state_ != WorkerState::kConfined && state_ != WorkerState::kReady)) {
    return absl::FailedPreconditionError("Start comes once, after Confined");
  }
  start_sent_ = true;
  if (state_ == WorkerState::kReady) state_ = WorkerState::kRunning;
  v1::ToWorker message;
  *message.mutable_start() = start;
  return Send(message);
}

absl::Status ControlChannel::SendStop(v1::StopReason reason) {
  v1::ToWorker message;
  message.mutable_stop()->set_reason(reason);
  return Send(message);
}

absl::Status ControlChannel::Send(const v1::ToWorker& message) {
  std::string body;
  if (!message.SerializeToString(&body) || body.size() > abi::kMaxFrameToWorker) {
    return absl::InvalidArgumentError(absl::StrCat("a message of ", body.size(),
                                                   " bytes to the worker is over the limit of ",
                                                   abi::kMaxFrameToWorker));
  }
  const auto size = static_cast<uint32_t>(body.size());
  outgoing_.append(reinterpret_cast<const char*>(&size), sizeof(size));
  outgoing_.append(body);
  return WritePending();
}

absl::Status ControlChannel::WritePending() {
  while (!outgoing_.empty()) {
    const ssize_t written = write(write_.get(), outgoing_.data(), outgoing_.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      return PosixError(errno, "write to the worker");
    }
    outgoing_.erase(0, static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status ControlChannel::ReadAvailable() {
  std::array<char, abi::kMaxFrameFromWorker + sizeof(uint32_t)> piece;
  // Whoever does not call Next() after this would collect without bound.
  if (incoming_.size() >= piece.size()) return absl::OkStatus();
  const ssize_t got = read(read_.get(), piece.data(), piece.size());
  if (got > 0) {
    incoming_.append(piece.data(), static_cast<size_t>(got));
  } else if (got == 0) {
    at_eof_ = true;
  } else if (errno != EAGAIN && errno != EINTR) {
    return PosixError(errno, "read from the worker");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::FromWorker>> ControlChannel::Next() {
  uint32_t size = 0;
  if (incoming_.size() < sizeof(size)) {
    if (at_eof_ && !incoming_.empty()) return Broken("its last frame ends early");
    return std::nullopt;
  }
  std::memcpy(&size, incoming_.data(), sizeof(size));
  if (size == 0 || size > abi::kMaxFrameFromWorker) {
    return Broken(absl::StrFormat("a frame of %u bytes; 1 to %u are allowed", size,
                                  abi::kMaxFrameFromWorker));
  }
  if (incoming_.size() - sizeof(size) < size) {
    if (at_eof_) return Broken("its last frame ends early");
    return std::nullopt;
  }
  v1::FromWorker message;
  // A text that is not UTF-8 makes protobuf write a line to standard error by itself.
  const google::protobuf::LogSilencer silencer;
  const bool parsed =
      message.ParseFromArray(incoming_.data() + sizeof(size), static_cast<int>(size));
  incoming_.erase(0, sizeof(size) + size);
  if (!parsed) return Broken("a frame is no FromWorker message");
  if (absl::Status status = Advance(message); !status.ok()) return status;
  return message;
}

absl::Status ControlChannel::Advance(const v1::FromWorker& message) {
  const From::MessageCase kind = message.message_case();
  const bool alive = state_ != WorkerState::kFinished;
  bool allowed = false;
  WorkerState next = state_;
  switch (kind) {
    case From::kConfined:
      allowed = state_ == WorkerState::kSpawned;
      next = WorkerState::kConfined;
      break;
    case From::kReady:
      allowed = state_ == WorkerState::kConfined;
      next = start_sent_ ? WorkerState::kRunning : WorkerState::kReady;
      break;
    case From::kOutput:
      allowed = state_ == WorkerState::kRunning;
      break;
    case From::kTrace:
      allowed = alive && state_ != WorkerState::kSpawned;
      break;
    case From::kFinished:
      allowed = state_ == WorkerState::kRunning;
      next = WorkerState::kFinished;
      break;
    case From::kViolation:
    case From::kFailure:
      allowed = alive;
      next = WorkerState::kFinished;
      break;
    case From::MESSAGE_NOT_SET:
      break;
  }
  if (!allowed) {
    return Broken(absl::StrCat(MessageName(kind), " in state ", StateName(state_)));
  }
  if (kind == From::kFinished && !v1::EndReason_IsValid(message.finished().reason())) {
    return Broken(absl::StrCat("Finished for the unknown reason ",
                               static_cast<int>(message.finished().reason())));
  }
  state_ = next;
  return absl::OkStatus();
}

}  // namespace hotcell::broker
