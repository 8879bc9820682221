// Runs while the project is built: compiles the tables in rules.h to BPF with libseccomp and prints
// them as C++ arrays. Usage: compile_rules > filters.inc
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "guest/abi/abi.h"
#include "policy/filters.h"
#include "policy/rules.h"

namespace hotcell::policy {
namespace {

void Check(int result, const char* step) {
  if (result >= 0) return;
  std::fprintf(stderr, "compile_rules: %s: error %d\n", step, -result);
  std::exit(1);
}

uint32_t LibraryAction(Action action) {
  switch (action) {
    case Action::kAllow:
      return SCMP_ACT_ALLOW;
    case Action::kNoSuchCall:
      return SCMP_ACT_ERRNO(ENOSYS);
  }
  std::abort();
}

scmp_arg_cmp LibraryCondition(const Condition& condition) {
  scmp_arg_cmp result{.arg = condition.argument, .op = SCMP_CMP_EQ, .datum_a = condition.value};
  switch (condition.match) {
    case Match::kEquals:
      return result;
    case Match::kOwnTgid:
      result.datum_a = kTgidPlaceholder;
      return result;
    case Match::kMasked:
      result.op = SCMP_CMP_MASKED_EQ;
      result.datum_a = condition.mask;
      result.datum_b = condition.value;
      return result;
    case Match::kNone:
    case Match::kLaneFd:  // see LaneBlock()
      break;
  }
  std::abort();
}

bool IsLaneFd(const Condition& condition) { return condition.match == Match::kLaneFd; }

// The descriptors of `count` lanes from `lane` on as one comparison; both are multiples of a power
// of two, the count itself being one.
Condition LaneBlock(const Condition& condition, uint32_t lane, uint32_t count) {
  if (condition.value % abi::kMaxLanes != 0) Check(-1, "descriptors start at a multiple of 16");
  return {Match::kMasked, condition.argument, condition.value + lane, ~uint64_t{count - 1}};
}

void AddBlock(scmp_filter_ctx context, const Rule& rule, uint32_t lane, uint32_t lanes) {
  std::array<scmp_arg_cmp, kMaxConditions> conditions;
  unsigned count = 0;
  for (const Condition& condition : rule.conditions) {
    if (condition.match == Match::kNone) continue;
    conditions[count++] =
        LibraryCondition(IsLaneFd(condition) ? LaneBlock(condition, lane, lanes) : condition);
  }
  Check(seccomp_rule_add_exact_array(context, LibraryAction(rule.action),
                                     static_cast<int>(rule.number), count, conditions.data()),
        rule.reason);
}

// libseccomp compares an argument once per rule, so a range of descriptors is a rule for each block
// of a power of two: 13 lanes are 8, 4 and 1.
void Add(scmp_filter_ctx context, const Rule& rule, uint32_t vcpus) {
  if (std::ranges::none_of(rule.conditions, IsLaneFd)) return AddBlock(context, rule, 0, 1);
  for (uint32_t lane = 0; lane < vcpus;) {
    const uint32_t lanes = std::bit_floor(vcpus - lane);
    AddBlock(context, rule, lane, lanes);
    lane += lanes;
  }
}

std::vector<sock_filter> Export(scmp_filter_ctx context) {
  const int fd = memfd_create("filter", MFD_CLOEXEC);
  Check(fd, "memfd_create");
  Check(seccomp_export_bpf(context, fd), "seccomp_export_bpf");
  const off_t size = lseek(fd, 0, SEEK_END);
  std::vector<sock_filter> program(static_cast<size_t>(size) / sizeof(sock_filter));
  if (pread(fd, program.data(), static_cast<size_t>(size), 0) != size) Check(-1, "pread");
  close(fd);
  return program;
}

// The library's name for `refusal`, without its low bits, which it does not keep.
uint32_t DefaultAction(uint32_t refusal) {
  switch (refusal & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_TRAP:
      return SCMP_ACT_TRAP;
    case SECCOMP_RET_KILL_PROCESS:
      return SCMP_ACT_KILL_PROCESS;
    default:
      std::abort();
  }
}

std::vector<sock_filter> Compile(std::span<const std::span<const Rule>> tables, uint32_t vcpus,
                                 uint32_t refusal) {
  scmp_filter_ctx context = seccomp_init(DefaultAction(refusal));
  if (context == nullptr) Check(-1, "seccomp_init");
  Check(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS), "bad arch");
  // Looked up in a tree, a call costs about the same whichever it is, and the kernel takes half the
  // time to check the program. Worth it for many calls; a few are better tried in their order.
  constexpr size_t kMany = 20;
  size_t rule_count = 0;
  for (std::span<const Rule> rules : tables) rule_count += rules.size();
  if (rule_count > kMany) {
    Check(seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2), "optimize");
  }
  uint8_t heat = 255;
  for (std::span<const Rule> rules : tables) {
    for (const Rule& rule : rules) {
      Add(context, rule, vcpus);
      // The first rule of a call decides its place; later ones cannot raise it.
      Check(seccomp_syscall_priority(context, static_cast<int>(rule.number), heat), "priority");
      if (heat > 0) --heat;
    }
  }
  std::vector<sock_filter> program = Export(context);
  seccomp_release(context);
  for (sock_filter& instruction : program) {
    if (instruction.code == (BPF_RET | BPF_K) && instruction.k == SECCOMP_RET_TRAP) {
      instruction.k = refusal;
    }
  }
  if (program.size() > kMaxFilterLength) Check(-1, "program is longer than kMaxFilterLength");
  return program;
}

void Print(const char* name, uint32_t number, const std::vector<sock_filter>& program) {
  std::printf("constexpr sock_filter %s%.0u[] = {\n", name, number);
  for (const sock_filter& instruction : program) {
    std::printf("    {0x%02x, %u, %u, 0x%08x},\n", instruction.code, instruction.jt, instruction.jf,
                instruction.k);
  }
  std::printf("};\n");
}

// One program for each number of vCPUs, and a table of them.
void PrintRunFilters(const char* name, std::span<const std::span<const Rule>> tables) {
  for (uint32_t vcpus = 1; vcpus <= abi::kMaxLanes; ++vcpus) {
    Print(name, vcpus, Compile(tables, vcpus, kRunRefusal));
  }
  std::printf("constexpr std::span<const sock_filter> %ss[] = {\n", name);
  for (uint32_t vcpus = 1; vcpus <= abi::kMaxLanes; ++vcpus)
    std::printf("    %s%u,\n", name, vcpus);
  std::printf("};\n");
}

void PrintAll() {
  // What the library believes about the machine that builds must not matter.
  Check(seccomp_api_set(4), "seccomp_api_set");
  using Tables = std::span<const Rule>;
  Print("kSetupFilter", 0,
        Compile(std::array<Tables, 4>{kRunRules, kDirtyLogRules, kDoorbellRules, kSetupRules},
                abi::kMaxLanes, kSetupRefusal));
  PrintRunFilters("kRunFilter", std::array<Tables, 1>{kRunRules});
  PrintRunFilters("kDirtyLogFilter", std::array<Tables, 2>{kRunRules, kDirtyLogRules});
  PrintRunFilters("kDoorbellFilter", std::array<Tables, 2>{kRunRules, kDoorbellRules});
}

}  // namespace
}  // namespace hotcell::policy

int main() {
  hotcell::policy::PrintAll();
  return 0;
}
