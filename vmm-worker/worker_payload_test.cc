// The worker program, end to end, with payloads that try everything a payload must not do.
#include <gtest/gtest.h>
#include <unistd.h>

#include <sstream>
#include <string>

#include "guest/abi/abi.h"
#include "vmm-worker/testing/elf_builder.h"
#include "vmm-worker/testing/worker_process.h"

// testing/payload_guests.S
extern "C" const char payload_guests_begin[];
extern "C" const char payload_guests_end[];
#define HOTCELL_GUEST(name) extern "C" const char payload_##name[]
HOTCELL_GUEST(exit_0);
HOTCELL_GUEST(exit_42);
HOTCELL_GUEST(abi);
HOTCELL_GUEST(vectors);
HOTCELL_GUEST(divide_by_zero);
HOTCELL_GUEST(divide_instruction);
HOTCELL_GUEST(invalid_opcode);
HOTCELL_GUEST(breakpoint);
HOTCELL_GUEST(non_canonical);
HOTCELL_GUEST(simd_exception);
HOTCELL_GUEST(read_null);
HOTCELL_GUEST(write_null);
HOTCELL_GUEST(call_null);
HOTCELL_GUEST(write_text);
HOTCELL_GUEST(write_constants);
HOTCELL_GUEST(write_boot_info);
HOTCELL_GUEST(execute_data);
HOTCELL_GUEST(execute_constants);
HOTCELL_GUEST(execute_stack);
HOTCELL_GUEST(execute_heap);
HOTCELL_GUEST(execute_arena);
HOTCELL_GUEST(read_supervisor);
HOTCELL_GUEST(write_supervisor);
HOTCELL_GUEST(call_supervisor);
HOTCELL_GUEST(read_page_tables);
HOTCELL_GUEST(read_beyond_arena);
HOTCELL_GUEST(read_beyond_memory);
HOTCELL_GUEST(overflow_stack);
HOTCELL_GUEST(bad_stack_pointer);
HOTCELL_GUEST(out_unknown_port);
HOTCELL_GUEST(in_unknown_port);
HOTCELL_GUEST(out_crash_port);
HOTCELL_GUEST(out_across_ports);
HOTCELL_GUEST(out_high_port);
HOTCELL_GUEST(in_exit_port);
HOTCELL_GUEST(out_exit_port_byte);
HOTCELL_GUEST(outs_exit_port);
HOTCELL_GUEST(hlt);
HOTCELL_GUEST(cli);
HOTCELL_GUEST(rdmsr);
HOTCELL_GUEST(wrmsr);
HOTCELL_GUEST(move_cr3);
HOTCELL_GUEST(load_gdt);
HOTCELL_GUEST(xsetbv);
HOTCELL_GUEST(interrupt_80);
HOTCELL_GUEST(syscall);
HOTCELL_GUEST(sysenter);
HOTCELL_GUEST(vmcall);
HOTCELL_GUEST(loop);
HOTCELL_GUEST(wait);
HOTCELL_GUEST(wait_forever);
HOTCELL_GUEST(wait_for_another_lane);
HOTCELL_GUEST(ring_doorbell);
HOTCELL_GUEST(ring_unknown_doorbell);
HOTCELL_GUEST(all_vcpus);
HOTCELL_GUEST(last_vcpu_exits_9);
HOTCELL_GUEST(last_vcpu_faults);
HOTCELL_GUEST(wake_lane);

namespace hotcell::worker {
namespace {

using testing::ElfBuilder;
using testing::KvmProblem;
using testing::WorkerOptions;
using testing::WorkerProcess;

constexpr uint64_t kText = abi::kPayloadBase;
constexpr uint64_t kData = 0x300000;
constexpr uint64_t kConstants = 0x400000;

constexpr uint32_t kDivideError = 0;
constexpr uint32_t kBreakpoint = 3;
constexpr uint32_t kInvalidOpcode = 6;
constexpr uint32_t kGeneralProtection = 13;
constexpr uint32_t kPageFault = 14;
constexpr uint32_t kSimdException = 19;

// Bits of a page fault's error code.
constexpr uint64_t kPresent = 1;
constexpr uint64_t kWrite = 2;
constexpr uint64_t kUser = 4;
constexpr uint64_t kFetch = 16;

uint64_t AddressOf(const char* guest) { return kText + (guest - payload_guests_begin); }

std::string ProgramAt(const char* guest) {
  ElfBuilder elf;
  elf.AddSegment(kText, PF_R | PF_X, std::string(payload_guests_begin, payload_guests_end),
                 payload_guests_end - payload_guests_begin);
  elf.AddSegment(kData, PF_R | PF_W, "", 4096);
  elf.AddSegment(kConstants, PF_R, "constants", 4096);
  elf.header().e_entry = AddressOf(guest);
  return elf.Build();
}

WorkerOptions PayloadOptions(const char* guest, uint32_t vcpus = 1) {
  return {.mode = v1::GUEST_MODE_PAYLOAD, .program = ProgramAt(guest), .vcpus = vcpus};
}

std::string Explain(const v1::Finished& finished) {
  std::ostringstream text;
  text << "reason " << finished.reason() << ", exit code " << finished.exit_code() << ", vCPU "
       << finished.vcpu() << ", vector " << finished.fault().vector() << ", error code "
       << finished.fault().error_code() << std::hex << ", rip " << finished.registers().rip()
       << ", rsp " << finished.registers().rsp() << ", cr2 " << finished.registers().cr2() << ": "
       << finished.detail();
  return text.str();
}

class WorkerPayloadTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = KvmProblem(); !problem.empty()) GTEST_SKIP() << problem;
  }

  static v1::Finished RunGuest(const char* guest, uint32_t vcpus = 1) {
    WorkerProcess worker(PayloadOptions(guest, vcpus));
    return worker.RunToEnd();
  }

  static void ExpectExit(const v1::Finished& finished, uint32_t code) {
    EXPECT_EQ(finished.reason(), v1::END_REASON_EXITED) << Explain(finished);
    EXPECT_EQ(finished.exit_code(), code) << Explain(finished);
  }

  static void ExpectFault(const v1::Finished& finished, uint32_t vector, uint64_t error_code) {
    EXPECT_EQ(finished.reason(), v1::END_REASON_GUEST_FAULT) << Explain(finished);
    EXPECT_EQ(finished.fault().vector(), vector) << Explain(finished);
    EXPECT_EQ(finished.fault().error_code(), error_code) << Explain(finished);
    EXPECT_EQ(finished.registers().cs(), 0x33u) << Explain(finished);
  }

  static void ExpectPageFault(const v1::Finished& finished, uint64_t error_code, uint64_t address) {
    ExpectFault(finished, kPageFault, error_code);
    EXPECT_EQ(finished.registers().cr2(), address) << Explain(finished);
  }

  static void ExpectUnexpectedPort(const v1::Finished& finished, uint16_t port, uint32_t size,
                                   bool is_write) {
    EXPECT_EQ(finished.reason(), v1::END_REASON_UNEXPECTED_EXIT) << Explain(finished);
    EXPECT_EQ(finished.address(), port);
    EXPECT_EQ(finished.access_size(), size);
    EXPECT_EQ(finished.is_write(), is_write);
  }
};

// ---- Ends ---------------------------------------------------------------------------------------

TEST_F(WorkerPayloadTest, ExitCodeIsReported) {
  ExpectExit(RunGuest(payload_exit_0), 0);
  ExpectExit(RunGuest(payload_exit_42), 42);
}

TEST_F(WorkerPayloadTest, WorkerEndsWithStatusZero) {
  WorkerProcess worker(PayloadOptions(payload_exit_42));
  worker.RunToEnd();
  EXPECT_EQ(worker.WaitForExit(), 0);
}

TEST_F(WorkerPayloadTest, GuestStartsAsTheAbiSays) { ExpectExit(RunGuest(payload_abi), 0); }

TEST_F(WorkerPayloadTest, GuestHasVectorUnits) { ExpectExit(RunGuest(payload_vectors), 0); }

// ---- Faults -------------------------------------------------------------------------------------

TEST_F(WorkerPayloadTest, DivideErrorIsReportedAtItsInstruction) {
  const v1::Finished finished = RunGuest(payload_divide_by_zero);
  ExpectFault(finished, kDivideError, 0);
  EXPECT_EQ(finished.registers().rip(), AddressOf(payload_divide_instruction));
  EXPECT_EQ(finished.registers().rax(), 0x1234u);
}

TEST_F(WorkerPayloadTest, FaultKeepsRegisters) {
  const v1::Finished finished = RunGuest(payload_invalid_opcode);
  EXPECT_EQ(finished.initial_registers().rip(), AddressOf(payload_invalid_opcode));
  ExpectFault(finished, kInvalidOpcode, 0);
  EXPECT_EQ(finished.registers().rdx(), 0x5555u);
  EXPECT_EQ(finished.registers().rbx(), 0x7777u);
  EXPECT_EQ(finished.registers().rsp() % 16, 8u);
}

TEST_F(WorkerPayloadTest, BreakpointIsReported) {
  ExpectFault(RunGuest(payload_breakpoint), kBreakpoint, 0);
}
TEST_F(WorkerPayloadTest, NonCanonicalAddressIsGeneralProtection) {
  ExpectFault(RunGuest(payload_non_canonical), kGeneralProtection, 0);
}
TEST_F(WorkerPayloadTest, UnmaskedSimdExceptionIsReported) {
  ExpectFault(RunGuest(payload_simd_exception), kSimdException, 0);
}

// ---- Page protection ----------------------------------------------------------------------------

TEST_F(WorkerPayloadTest, NullPageIsUnmapped) {
  ExpectPageFault(RunGuest(payload_read_null), kUser, 0);
  ExpectPageFault(RunGuest(payload_write_null), kUser | kWrite, 8);
  ExpectPageFault(RunGuest(payload_call_null), kUser | kFetch, 0);
}

TEST_F(WorkerPayloadTest, TextCannotBeWritten) {
  ExpectPageFault(RunGuest(payload_write_text), kUser | kWrite | kPresent, kText);
}
TEST_F(WorkerPayloadTest, ConstantsCannotBeWritten) {
  ExpectPageFault(RunGuest(payload_write_constants), kUser | kWrite | kPresent, kConstants);
}
TEST_F(WorkerPayloadTest, BootInfoCannotBeWritten) {
  const v1::Finished finished = RunGuest(payload_write_boot_info);
  ExpectPageFault(finished, kUser | kWrite | kPresent, finished.registers().rdi());
}

TEST_F(WorkerPayloadTest, NothingWritableCanBeExecuted) {
  constexpr uint64_t kFetchFault = kUser | kFetch | kPresent;
  ExpectPageFault(RunGuest(payload_execute_data), kFetchFault, kData);
  ExpectPageFault(RunGuest(payload_execute_constants), kFetchFault, kConstants);
  ExpectPageFault(RunGuest(payload_execute_arena), kFetchFault, abi::kArenaGpa);
  for (const char* guest : {payload_execute_stack, payload_execute_heap}) {
    const v1::Finished finished = RunGuest(guest);
    ExpectPageFault(finished, kFetchFault, finished.registers().rax());
  }
}

TEST_F(WorkerPayloadTest, SupervisorPagesAreOutOfReach) {
  ExpectPageFault(RunGuest(payload_read_supervisor), kUser | kPresent, 0x1000);
  ExpectPageFault(RunGuest(payload_write_supervisor), kUser | kWrite | kPresent, 0x1000);
  ExpectPageFault(RunGuest(payload_call_supervisor), kUser | kFetch | kPresent, 0x3000);
}

TEST_F(WorkerPayloadTest, PageTablesAreNotMapped) {
  ExpectPageFault(RunGuest(payload_read_page_tables), kUser, 0x40000);
}

TEST_F(WorkerPayloadTest, NothingIsMappedBeyondArenaAndMemory) {
  const WorkerOptions options = PayloadOptions(payload_read_beyond_arena);
  WorkerProcess worker(options);
  ExpectPageFault(worker.RunToEnd(), kUser, abi::kArenaGpa + worker.arena().size());
  ExpectPageFault(RunGuest(payload_read_beyond_memory), kUser, options.memory_size);
}

TEST_F(WorkerPayloadTest, StackOverflowHitsTheGuardPage) {
  const WorkerOptions options = PayloadOptions(payload_overflow_stack);
  const v1::Finished finished = RunGuest(payload_overflow_stack);
  ExpectPageFault(finished, kUser | kWrite, options.memory_size - abi::kStackSize - 8);
}

TEST_F(WorkerPayloadTest, FaultIsReportedWhateverTheStackPointer) {
  const v1::Finished finished = RunGuest(payload_bad_stack_pointer);
  ExpectFault(finished, kInvalidOpcode, 0);
  EXPECT_EQ(finished.registers().rsp(), 0x10u);
}

// ---- Ports and privileged instructions ----------------------------------------------------------

TEST_F(WorkerPayloadTest, PortsNotGrantedAreGeneralProtection) {
  for (const char* guest :
       {payload_out_unknown_port, payload_in_unknown_port, payload_out_crash_port,
        payload_out_across_ports, payload_out_high_port}) {
    const v1::Finished finished = RunGuest(guest);
    ExpectFault(finished, kGeneralProtection, 0);
  }
}

TEST_F(WorkerPayloadTest, GrantedPortsTakeOneOutOfFourBytesOnly) {
  ExpectUnexpectedPort(RunGuest(payload_in_exit_port), abi::kPortExit, 4, false);
  ExpectUnexpectedPort(RunGuest(payload_out_exit_port_byte), abi::kPortExit, 1, true);
  EXPECT_EQ(RunGuest(payload_outs_exit_port).reason(), v1::END_REASON_EXITED);
}

TEST_F(WorkerPayloadTest, PrivilegedInstructionsAreGeneralProtection) {
  for (const char* guest : {payload_hlt, payload_cli, payload_rdmsr, payload_wrmsr,
                            payload_move_cr3, payload_load_gdt, payload_xsetbv}) {
    SCOPED_TRACE(AddressOf(guest));
    ExpectFault(RunGuest(guest), kGeneralProtection, 0);
  }
}

// Which exception it is depends on the processor and on KVM: #GP or #UD, for SYSCALL under KVM-PVM
// #PF at the entry point that was never set. All of them end the guest at CPL 3.
TEST_F(WorkerPayloadTest, WaysIntoAKernelLeadNowhere) {
  for (const char* guest :
       {payload_interrupt_80, payload_syscall, payload_sysenter, payload_vmcall}) {
    SCOPED_TRACE(AddressOf(guest));
    const v1::Finished finished = RunGuest(guest);
    EXPECT_EQ(finished.reason(), v1::END_REASON_GUEST_FAULT) << Explain(finished);
    EXPECT_EQ(finished.registers().cs(), 0x33u) << Explain(finished);
  }
}

// ---- Lanes --------------------------------------------------------------------------------------

TEST_F(WorkerPayloadTest, DoorbellReachesTheBrokerWithoutAnExit) {
  WorkerProcess worker(PayloadOptions(payload_ring_doorbell));
  const v1::Finished finished = worker.RunToEnd();
  ExpectExit(finished, 0);
  uint64_t rings = 0;
  EXPECT_EQ(read(worker.doorbell(0), &rings, sizeof(rings)), 8);
  EXPECT_EQ(rings, 3u);
  EXPECT_EQ(finished.exits().total(), 1u);
}

TEST_F(WorkerPayloadTest, DoorbellIsForwardedWhereThatWasAskedFor) {
  WorkerOptions options = PayloadOptions(payload_ring_doorbell);
  options.forward_doorbells = true;
  WorkerProcess worker(options);
  const v1::Finished finished = worker.RunToEnd();
  ExpectExit(finished, 0);
  uint64_t rings = 0;
  EXPECT_EQ(read(worker.doorbell(0), &rings, sizeof(rings)), 8);
  EXPECT_EQ(rings, 3u);
  EXPECT_EQ(finished.exits().port_io(), 4u);
}

TEST_F(WorkerPayloadTest, WarmsWhatLiesWithinTheArenaAndNothingElse) {
  WorkerOptions options = PayloadOptions(payload_ring_doorbell);
  options.warm_stride = options.warm_size = options.warm_later_size = options.arena_size;
  ExpectExit(WorkerProcess(options).RunToEnd(), 0);

  options.warm_later_size += 1;
  WorkerProcess refused(options);
  std::optional<v1::FromWorker> frame = refused.Read();
  while (frame && !frame->has_failure()) frame = refused.Read();
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->failure().detail(), "memory to be warmed is outside the arena");
}

TEST_F(WorkerPayloadTest, DoorbellOfNoLaneIsUnexpected) {
  ExpectUnexpectedPort(RunGuest(payload_ring_unknown_doorbell), abi::kPortDoorbell, 4, true);
}

TEST_F(WorkerPayloadTest, WaitEndsWhenTheBrokerWakesTheLane) {
  WorkerProcess worker(PayloadOptions(payload_wait));
  ASSERT_TRUE(worker.Start());
  const uint64_t one = 1;
  EXPECT_EQ(write(worker.wake(0), &one, sizeof(one)), 8);
  const v1::Finished finished = worker.ReadToEnd();
  ExpectExit(finished, 0);
  EXPECT_EQ(finished.exits().waits(), 1u);
}

TEST_F(WorkerPayloadTest, WaitForAnotherLaneIsUnexpected) {
  ExpectUnexpectedPort(RunGuest(payload_wait_for_another_lane), abi::kPortWait, 4, true);
}

TEST_F(WorkerPayloadTest, LanesWakeEachOther) {
  WorkerProcess worker(PayloadOptions(payload_wake_lane, 2));
  ExpectExit(worker.RunToEnd(), 5);
}

// ---- vCPUs --------------------------------------------------------------------------------------

TEST_F(WorkerPayloadTest, AllVcpusRun) {
  for (const uint32_t vcpus : {1, 2, 3, 4, 16}) {
    SCOPED_TRACE(vcpus);
    ExpectExit(RunGuest(payload_all_vcpus, vcpus), 7);
  }
}

TEST_F(WorkerPayloadTest, FailureOfAnyVcpuEndsTheJob) {
  const v1::Finished exited = RunGuest(payload_last_vcpu_exits_9, 3);
  ExpectExit(exited, 9);
  EXPECT_EQ(exited.vcpu(), 2u);
  const v1::Finished faulted = RunGuest(payload_last_vcpu_faults, 3);
  ExpectFault(faulted, kInvalidOpcode, 0);
  EXPECT_EQ(faulted.vcpu(), 2u);
}

// ---- Stopping -----------------------------------------------------------------------------------

TEST_F(WorkerPayloadTest, StopEndsAnEndlessLoopAndShowsWhere) {
  for (const uint32_t vcpus : {1, 4}) {
    WorkerProcess worker(PayloadOptions(payload_loop, vcpus));
    ASSERT_TRUE(worker.Start());
    usleep(20'000);
    worker.Stop();
    const v1::Finished finished = worker.ReadToEnd();
    EXPECT_EQ(finished.reason(), v1::END_REASON_STOPPED) << Explain(finished);
    EXPECT_GE(finished.registers().rip(), AddressOf(payload_loop));
    EXPECT_LE(finished.registers().rip(), AddressOf(payload_loop) + 5);
    EXPECT_GT(finished.registers().rbx(), 0u);
    EXPECT_EQ(worker.WaitForExit(), 0);
  }
}

TEST_F(WorkerPayloadTest, StopEndsAWait) {
  for (int round = 0; round < 20; ++round) {
    WorkerProcess worker(PayloadOptions(payload_wait_forever));
    ASSERT_TRUE(worker.Start());
    usleep(round * 50);
    worker.Stop();
    EXPECT_EQ(worker.ReadToEnd().reason(), v1::END_REASON_STOPPED);
  }
}

TEST_F(WorkerPayloadTest, WorkerEndsWhenTheBrokerIsGone) {
  for (const char* guest : {payload_loop, payload_wait_forever}) {
    WorkerProcess worker(PayloadOptions(guest));
    ASSERT_TRUE(worker.Start());
    usleep(2'000);
    worker.CloseControl();
    EXPECT_EQ(worker.WaitForExit(), 1);
  }
}

}  // namespace
}  // namespace hotcell::worker
