// The test's side of the probe: starts it in a worker's place and asks it for system calls.
#ifndef HOTCELL_TESTS_SYSCALL_PROBE_CLIENT_H_
#define HOTCELL_TESTS_SYSCALL_PROBE_CLIENT_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "broker/workers/spawn.h"
#include "protos/control.pb.h"
#include "tests/syscall_probe/probe.h"

namespace hotcell::tests {

// What a probe is started with, where it is not the usual.
struct ProbeOptions {
  int lanes = 1;
  int kvm = -1;      // not owned; -1: /dev/null in its place
  int program = -1;  // not owned, from OpenProbe(); -1: opened anew
};

// The probe's program, for processes that will not be able to open it any more.
UniqueFd OpenProbe();

// How a probe ended.
struct ProbeEnd {
  int status = -1;  // exit status, or -1 when a signal ended it
  int signal = 0;
  std::optional<v1::Violation> violation;  // the frame it left, if it was one
};

// A probe started by SpawnWorker() as the broker starts a worker, with pipes, an arena, doorbells
// and wakes.
class Probe {
 public:
  static absl::StatusOr<Probe> Start(const ProbeOptions& options = {});

  Probe(Probe&&) = default;
  // Ends it by EOF and reaps it.
  ~Probe();

  // Nothing when the probe died of the request.
  std::optional<ProbeReply> Send(const ProbeRequest& request);
  // A request without scratch; the same.
  std::optional<ProbeReply> Call(int64_t number, std::initializer_list<int64_t> arguments = {});
  // A call whose argument `path_argument` is the address of `path`.
  std::optional<ProbeReply> CallWithPath(int64_t number, int path_argument, std::string_view path,
                                         std::initializer_list<int64_t> arguments);
  std::optional<ProbeReply> Do(ProbeRequestKind kind,
                               std::initializer_list<int64_t> arguments = {});
  v1::Confined ApplyLayers();
  // Layers and both filters; false when one could not be installed. `extra`: a policy::RunExtra.
  bool LockDown(uint32_t vcpus, int64_t extra = 0);

  // Closes the control pipe and waits for the end.
  ProbeEnd End();

  int pid() const { return worker_.pid; }
  int pidfd() const { return worker_.pidfd.get(); }
  int control_fd() const { return to_.get(); }

 private:
  Probe() = default;

  broker::SpawnedWorker worker_;
  UniqueFd to_;
  UniqueFd from_;
  std::string last_words_;
};

// The result of one layer; UNSPECIFIED when the report does not name it.
v1::LayerResult FindLayer(const v1::Confined& report, v1::Layer layer);

}  // namespace hotcell::tests

#endif  // HOTCELL_TESTS_SYSCALL_PROBE_CLIENT_H_
