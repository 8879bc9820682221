// eventfds, by which lanes, workers and the pool's thread wake each other.
#ifndef HOTCELL_BROKER_HOST_EVENT_FD_H_
#define HOTCELL_BROKER_HOST_EVENT_FD_H_

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "broker/host/posix_error.h"

namespace hotcell::broker {

// `flags` besides EFD_CLOEXEC: EFD_NONBLOCK or 0.
inline absl::StatusOr<UniqueFd> MakeEventFd(int flags) {
  UniqueFd fd(eventfd(0, EFD_CLOEXEC | flags));
  if (!fd.valid()) return CallError(errno, "create an eventfd");
  return fd;
}

// Adds 1. Async-signal-safe.
inline void SignalEventFd(int fd) {
  const uint64_t one = 1;
  // Fails only when the counter is at its maximum, and then whoever reads it wakes anyway.
  [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof(one));
}

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_EVENT_FD_H_
