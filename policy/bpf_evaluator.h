// An interpreter of seccomp's BPF programs, so that tests can ask a filter about any system call
// without making it.
#ifndef HOTCELL_POLICY_BPF_EVALUATOR_H_
#define HOTCELL_POLICY_BPF_EVALUATOR_H_

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <optional>
#include <span>

namespace hotcell::policy {

// What the kernel would do with a system call under `program`: the value of the RET instruction
// that is reached (SECCOMP_RET_* and its data). Nothing when the program is not one that the kernel
// would accept: an instruction outside the subset that libseccomp emits, a load outside `data`, or
// an end without RET. See Documentation/networking/filter.rst for the instructions.
std::optional<uint32_t> Evaluate(std::span<const sock_filter> program, const seccomp_data& data);

}  // namespace hotcell::policy

#endif  // HOTCELL_POLICY_BPF_EVALUATOR_H_
