#include "broker/workers/steps.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace hotcell::broker {
namespace {

struct StepWords {
  v1::Step step;
  absl::string_view text;
  bool is_kvm;
};

// clang-format off
constexpr StepWords kSteps[] = {
    {v1::STEP_KVM_GET_API_VERSION, "KVM_GET_API_VERSION", true},
    {v1::STEP_KVM_CHECK_EXTENSION, "KVM_CHECK_EXTENSION", true},
    {v1::STEP_KVM_GET_VCPU_MMAP_SIZE, "KVM_GET_VCPU_MMAP_SIZE", true},
    {v1::STEP_KVM_CREATE_VM, "KVM_CREATE_VM", true},
    {v1::STEP_KVM_SET_IDENTITY_MAP_ADDR, "KVM_SET_IDENTITY_MAP_ADDR", true},
    {v1::STEP_KVM_SET_TSS_ADDR, "KVM_SET_TSS_ADDR", true},
    {v1::STEP_KVM_CAP_DISABLE_QUIRKS2, "KVM_CAP_DISABLE_QUIRKS2", true},
    {v1::STEP_KVM_CAP_PMU_CAPABILITY, "KVM_CAP_PMU_CAPABILITY", true},
    {v1::STEP_KVM_CAP_ENFORCE_PV_FEATURE_CPUID, "KVM_CAP_ENFORCE_PV_FEATURE_CPUID", true},
    {v1::STEP_KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR", true},
    {v1::STEP_KVM_X86_SET_MSR_FILTER, "KVM_X86_SET_MSR_FILTER", true},
    {v1::STEP_KVM_SET_USER_MEMORY_REGION, "KVM_SET_USER_MEMORY_REGION", true},
    {v1::STEP_KVM_IOEVENTFD, "KVM_IOEVENTFD", true},
    {v1::STEP_KVM_CREATE_VCPU, "KVM_CREATE_VCPU", true},
    {v1::STEP_KVM_SET_CPUID2, "KVM_SET_CPUID2", true},
    {v1::STEP_KVM_SET_XCRS, "KVM_SET_XCRS", true},
    {v1::STEP_KVM_GET_SREGS, "KVM_GET_SREGS", true},
    {v1::STEP_KVM_SET_SREGS, "KVM_SET_SREGS", true},
    {v1::STEP_KVM_GET_DIRTY_LOG, "KVM_GET_DIRTY_LOG", true},
    {v1::STEP_KVM_RUN, "KVM_RUN", true},
    {v1::STEP_READ_FRAME, "read a frame", false},
    {v1::STEP_CHECK_SETUP, "check Setup", false},
    {v1::STEP_INSTALL_SETUP_FILTER, "install the set-up filter", false},
    {v1::STEP_INSTALL_RUN_FILTER, "install the run filter", false},
    {v1::STEP_LOWER_NPROC, "lower RLIMIT_NPROC (setrlimit)", false},
    {v1::STEP_LOWER_NOFILE, "lower RLIMIT_NOFILE (setrlimit)", false},
    {v1::STEP_LOWER_AS, "lower RLIMIT_AS (setrlimit)", false},
    {v1::STEP_LOWER_DATA, "lower RLIMIT_DATA (setrlimit)", false},
    {v1::STEP_LOWER_CPU, "lower RLIMIT_CPU (setrlimit)", false},
    {v1::STEP_GETRANDOM, "getrandom", false},
    {v1::STEP_SIGACTION, "sigaction", false},
    {v1::STEP_DUP, "dup3", false},
    {v1::STEP_MMAP, "mmap", false},
    {v1::STEP_MPROTECT, "mprotect", false},
    {v1::STEP_KEEP_OUT_OF_DUMPS, "madvise(MADV_DONTDUMP)", false},
    {v1::STEP_MAP_STACK, "map a stack", false},
    {v1::STEP_START_THREAD, "start a thread (clone)", false},
    {v1::STEP_ALLOCATE_GUEST_MEMORY, "allocate guest memory", false},
    {v1::STEP_MAP_ARENA, "map the arena", false},
    {v1::STEP_MAP_KVM_RUN, "map kvm_run", false},
    {v1::STEP_ALLOCATE_PROGRAM, "allocate the program", false},
    {v1::STEP_LOAD_PROGRAM, "load the program", false},
    {v1::STEP_MAKE_PAGE_TABLES, "make page tables", false},
};
// clang-format on

const StepWords* Find(v1::Step step) {
  const auto* const found = std::ranges::find(kSteps, step, &StepWords::step);
  return found == std::end(kSteps) ? nullptr : found;
}

}  // namespace

std::string StepText(v1::Step step) {
  if (const StepWords* const words = Find(step)) return std::string(words->text);
  return absl::StrCat("take step ", static_cast<int>(step), ", which is not known");
}

bool IsKvmStep(v1::Step step) {
  const StepWords* const words = Find(step);
  return words != nullptr && words->is_kvm;
}

}  // namespace hotcell::broker
