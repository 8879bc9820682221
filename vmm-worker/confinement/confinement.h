// How the worker gives up everything but its job. Three calls, in this order:
//
//   int main() {
//     const rlimit cpu_limit = InheritedCpuLimit();
//     v1::Confined confined;
//     ApplyLayers(confined);                  // 1. single-threaded, first thing
//     if (!InstallSetupFilter()) Fail(errno); // 2. before a byte of the broker's is read
//     ...send Confined, read Setup, make VM, vCPUs, threads...
//     LowerRunLimits(seconds, cpu_limit);         // vmm-worker/confinement/limits.h
//     if (!InstallRunFilter(vcpus)) Fail(errno);  // 3. before a byte of the guest's is read
//     ...send Ready, run the guest...
//   }
//
// What each stage allows, and why, is in policy/rules.h. Any other system call ends the process: in
// stage 1 with exit status kViolationExitStatus, after one FromWorker{violation} frame on
// abi::kFdControlOut; in stage 2 by the kernel's SIGSYS, which no handler and no mask holds up.
#ifndef HOTCELL_VMM_WORKER_CONFINEMENT_CONFINEMENT_H_
#define HOTCELL_VMM_WORKER_CONFINEMENT_CONFINEMENT_H_

#include <cstdint>

#include "policy/filters.h"
#include "protos/control.pb.h"

namespace hotcell::worker {

inline constexpr int kViolationExitStatus = 159;  // 128 + SIGSYS, as a shell would show it

// Applies every layer of policy/layers.h that is not seccomp and appends one LayerResult for each
// to `report`, in the order of application; those of set-up and run come last, as pending. Must be
// called from a single-threaded process that SpawnWorker() started: descriptors lie at their
// abi::kFd* numbers. Afterwards only those are open, the file system is empty, and the process has
// no capabilities. Never skips a layer in silence: one that the kernel or the caller's rights deny
// is UNAVAILABLE with its errno, one that broke is FAILED, and whether to go on is the broker's
// decision.
void ApplyLayers(v1::Confined& report);

// Stage 1. Installs the SIGSYS handler and the filter for set-up. The caller appends LAYER_SECCOMP
// to its report according to the result. On failure returns false with errno set.
//
// What the caller has to know: the arena is mapped from abi::kFdArena and closed. New descriptors
// get that number and are moved by dup3, the VM's to abi::kFdVm, vCPU i's to abi::kFdVcpu + i
// before its kvm_run area is mapped. Threads are made by pthread_create() on stacks that the caller
// mapped. Nothing is mapped executable. SIGSYS must stay unblocked in every thread, or the kernel
// kills without a report.
bool InstallSetupFilter();

// Stage 2, for all threads at once: they exist already, and no more can be made. `vcpus` is 1 to
// abi::kMaxLanes. ioctl is KVM_RUN on abi::kFdVcpu .. + vcpus - 1, and nothing else. Neither malloc
// nor free may reach the kernel from here on, and no thread may end but with the process.
// `extra` kDirtyLog allows KVM_GET_DIRTY_LOG on abi::kFdVm as well, kDoorbells write on the vCPUs'
// doorbells; without them these descriptors serve nothing and should be closed before. The limits
// of the run are lowered before: the filter has no call for it. On failure returns false with errno
// set.
bool InstallRunFilter(uint32_t vcpus, policy::RunExtra extra = policy::RunExtra::kNothing);

// Appends to `report` what ApplyLayers() called pending. To be called when the machine is set up
// and InstallRunFilter() has succeeded: what fails on the way there ends the worker.
void ReportSetupLayers(v1::Ready& report);

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_CONFINEMENT_CONFINEMENT_H_
