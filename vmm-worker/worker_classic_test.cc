// The worker program, end to end, with bare-metal guests in real and in long mode.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "guest/abi/abi.h"
#include "vmm-worker/testing/elf_builder.h"
#include "vmm-worker/testing/worker_process.h"

// testing/classic_guests.S
#define HOTCELL_GUEST(name) extern "C" const char(name)[]
HOTCELL_GUEST(real_guests_begin);
HOTCELL_GUEST(real_guests_end);
HOTCELL_GUEST(real_halt);
HOTCELL_GUEST(real_exit_42);
HOTCELL_GUEST(real_exit_word);
HOTCELL_GUEST(real_result);
HOTCELL_GUEST(real_print);
HOTCELL_GUEST(real_print_much);
HOTCELL_GUEST(real_echo);
HOTCELL_GUEST(real_vga);
HOTCELL_GUEST(real_dirty);
HOTCELL_GUEST(real_unknown_out);
HOTCELL_GUEST(real_unknown_in);
HOTCELL_GUEST(real_beyond_vga);
HOTCELL_GUEST(real_loop);
HOTCELL_GUEST(real_stack);
HOTCELL_GUEST(long_guests_begin);
HOTCELL_GUEST(long_guests_end);
HOTCELL_GUEST(long_halt);
HOTCELL_GUEST(long_exit_42);
HOTCELL_GUEST(long_state);
HOTCELL_GUEST(long_hello);
HOTCELL_GUEST(long_arena);
HOTCELL_GUEST(long_triple_fault);
HOTCELL_GUEST(long_beyond_memory);
HOTCELL_GUEST(long_rdmsr);
HOTCELL_GUEST(long_wrmsr);
HOTCELL_GUEST(long_vmcall);
HOTCELL_GUEST(long_vmmcall);
HOTCELL_GUEST(long_monitor);
HOTCELL_GUEST(long_mwait);
HOTCELL_GUEST(long_task_priority);

namespace hotcell::worker {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::ElfBuilder;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using testing::KvmProblem;
using testing::WorkerOptions;
using testing::WorkerProcess;

constexpr uint64_t kRealLoad = 0x1000;
constexpr uint64_t kLongLoad = 0x10000;
// KVM_EXIT_*
constexpr uint32_t kExitIo = 2;
constexpr uint32_t kExitMmio = 6;
constexpr uint32_t kExitShutdown = 8;
constexpr uint32_t kExitReadMsr = 29;
constexpr uint32_t kExitWriteMsr = 30;

WorkerOptions RealOptions(const char* guest) {
  WorkerOptions options{.mode = v1::GUEST_MODE_REAL,
                        .program = std::string(real_guests_begin, real_guests_end),
                        .memory_size = 4 << 20,
                        .arena_size = 0};
  options.start.set_load_address(kRealLoad);
  options.start.set_entry(kRealLoad + (guest - real_guests_begin));
  return options;
}

WorkerOptions LongOptions(const char* guest) {
  WorkerOptions options{.mode = v1::GUEST_MODE_LONG,
                        .program = std::string(long_guests_begin, long_guests_end)};
  options.start.set_load_address(kLongLoad);
  options.start.set_entry(kLongLoad + (guest - long_guests_begin));
  return options;
}

v1::Finished RunGuest(const WorkerOptions& options) {
  WorkerProcess worker(options);
  return worker.RunToEnd();
}

// Whether this KVM can do without that deviation from the manuals.
bool CanDisable(int quirk) {
  const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
  const int quirks = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_DISABLE_QUIRKS2);
  close(kvm);
  return quirks > 0 && (quirks & quirk) != 0;
}

class WorkerClassicTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string problem = KvmProblem(); !problem.empty()) GTEST_SKIP() << problem;
  }

  static void ExpectLoadError(const WorkerOptions& options, const std::string& words) {
    const v1::Finished finished = RunGuest(options);
    EXPECT_EQ(finished.reason(), v1::END_REASON_LOAD_ERROR);
    EXPECT_THAT(finished.detail(), HasSubstr(words));
  }
};

// ---- Real mode ----------------------------------------------------------------------------------

TEST_F(WorkerClassicTest, RealModeHaltEndsTheRunWithRegisters) {
  const v1::Finished finished = RunGuest(RealOptions(real_halt));
  EXPECT_EQ(finished.reason(), v1::END_REASON_HALTED) << finished.detail();
  EXPECT_EQ(finished.registers().rax(), 0x1234u);
  EXPECT_EQ(finished.initial_registers().rax(), 0u);
  EXPECT_EQ(finished.initial_registers().rip(), kRealLoad);
  EXPECT_EQ(finished.initial_registers().cs(), 0u);
  EXPECT_EQ(finished.initial_registers().cr0() & 1, 0u);
}

TEST_F(WorkerClassicTest, RealModeExitPortGivesTheExitCode) {
  const v1::Finished finished = RunGuest(RealOptions(real_exit_42));
  EXPECT_EQ(finished.reason(), v1::END_REASON_EXITED) << finished.detail();
  EXPECT_EQ(finished.exit_code(), 42u);
  EXPECT_EQ(RunGuest(RealOptions(real_exit_word)).exit_code(), 0x1234u);
}

TEST_F(WorkerClassicTest, ResultPortKeepsTheLastValue) {
  const v1::Finished finished = RunGuest(RealOptions(real_result));
  EXPECT_TRUE(finished.has_result());
  EXPECT_EQ(finished.result_port_value(), 210u);
  EXPECT_FALSE(RunGuest(RealOptions(real_halt)).has_result());
}

TEST_F(WorkerClassicTest, RealModeStackWorks) {
  EXPECT_EQ(RunGuest(RealOptions(real_stack)).exit_code(), 0x77u);
}

TEST_F(WorkerClassicTest, SerialOutputComesLineByLineAndAtTheEnd) {
  WorkerProcess worker(RealOptions(real_print));
  ASSERT_TRUE(worker.Start());
  EXPECT_EQ(worker.Read()->output().serial(), "a line\n");
  EXPECT_EQ(worker.Read()->output().serial(), "and more!");
  EXPECT_EQ(worker.Read()->finished().reason(), v1::END_REASON_HALTED);
}

TEST_F(WorkerClassicTest, LongSerialOutputComesInChunks) {
  WorkerProcess worker(RealOptions(real_print_much));
  ASSERT_TRUE(worker.Start());
  EXPECT_EQ(worker.Read()->output().serial(), std::string(256, 'x'));
  worker.ReadToEnd();
  EXPECT_EQ(worker.serial(), std::string(1000 - 256, 'x'));
}

TEST_F(WorkerClassicTest, SerialInputIsReadWhileThereIsSome) {
  WorkerOptions options = RealOptions(real_echo);
  options.start.set_serial_input(std::string("tell me\n\0more", 13));
  WorkerProcess worker(options);
  worker.RunToEnd();
  EXPECT_EQ(worker.serial(), std::string("tell me\n\0more", 13));
}

TEST_F(WorkerClassicTest, BigSerialInputFitsTheLockedDownWorker) {
  WorkerOptions options = RealOptions(real_halt);
  options.start.set_serial_input(std::string(200 << 10, 'x'));
  EXPECT_EQ(RunGuest(options).reason(), v1::END_REASON_HALTED);
}

TEST_F(WorkerClassicTest, VgaTextIsShownAndCanBeReadBack) {
  const v1::Finished finished = RunGuest(RealOptions(real_vga));
  EXPECT_EQ(finished.reason(), v1::END_REASON_HALTED) << finished.detail();
  EXPECT_EQ(finished.vga_text().substr(0, 3), "Hi ");
  EXPECT_EQ(finished.vga_text().size(), 80u * 25);
  EXPECT_EQ(finished.vga_text().back(), '.');
  EXPECT_EQ(finished.result_port_value(), 0x0700u + 'H');
  EXPECT_EQ(finished.exits().mmio(), 4u);
}

// KVM also logs pages that it only mapped writable: code, and page tables where the processor keeps
// accessed and dirty bits of its own. The rest of memory is not among them.
TEST_F(WorkerClassicTest, DirtyPagesHoldThoseThatTheGuestWrote) {
  WorkerOptions options = RealOptions(real_dirty);
  options.log_dirty_pages = true;
  const v1::Finished finished = RunGuest(options);
  std::set<uint64_t> pages;
  for (const v1::PageRange& range : finished.dirty_pages()) {
    for (uint64_t page = 0; page < range.count(); ++page) pages.insert(range.first() + page);
  }
  EXPECT_THAT(pages, IsSupersetOf({5, 6, 8}));
  pages.erase(options.start.load_address() / 4096);  // executed
  EXPECT_THAT(pages, ElementsAre(5, 6, 8));
}

TEST_F(WorkerClassicTest, PortsWithoutADeviceAreUnexpected) {
  const v1::Finished out = RunGuest(RealOptions(real_unknown_out));
  EXPECT_EQ(out.reason(), v1::END_REASON_UNEXPECTED_EXIT);
  EXPECT_EQ(out.kvm_exit_reason(), kExitIo);
  EXPECT_EQ(out.address(), 0x1f0u);
  EXPECT_EQ(out.access_size(), 2u);
  EXPECT_TRUE(out.is_write());
  EXPECT_THAT(out.detail(), HasSubstr("port 0x1f0"));
  const v1::Finished in = RunGuest(RealOptions(real_unknown_in));
  EXPECT_EQ(in.address(), 0x60u);
  EXPECT_FALSE(in.is_write());
}

TEST_F(WorkerClassicTest, AddressesWithoutMemoryOrDeviceAreUnexpected) {
  const v1::Finished vga = RunGuest(RealOptions(real_beyond_vga));
  EXPECT_EQ(vga.reason(), v1::END_REASON_UNEXPECTED_EXIT);
  EXPECT_EQ(vga.kvm_exit_reason(), kExitMmio);
  EXPECT_EQ(vga.address(), 0xb8000u + 4000);
  WorkerOptions options = LongOptions(long_beyond_memory);
  options.memory_size = (1 << 30) - 4096;  // the guest's mapping ends at 1 GiB
  const v1::Finished memory = RunGuest(options);
  EXPECT_EQ(memory.kvm_exit_reason(), kExitMmio) << memory.detail();
  EXPECT_EQ(memory.address(), 0x3fffffffu);
  EXPECT_TRUE(memory.is_write());
}

TEST_F(WorkerClassicTest, StopEndsARealModeLoop) {
  WorkerProcess worker(RealOptions(real_loop));
  ASSERT_TRUE(worker.Start());
  usleep(20'000);
  worker.Stop();
  EXPECT_EQ(worker.ReadToEnd().reason(), v1::END_REASON_STOPPED);
}

// ---- Long mode ----------------------------------------------------------------------------------

TEST_F(WorkerClassicTest, LongModeHalts) {
  const v1::Finished finished = RunGuest(LongOptions(long_halt));
  EXPECT_EQ(finished.reason(), v1::END_REASON_HALTED) << finished.detail();
  EXPECT_NE(finished.registers().efer() & 0x400, 0u);
}

TEST_F(WorkerClassicTest, LongModeStartsAsDocumented) {
  const v1::Finished finished = RunGuest(LongOptions(long_state));
  EXPECT_EQ(finished.reason(), v1::END_REASON_EXITED) << finished.detail();
  EXPECT_EQ(finished.exit_code(), 0u);
}

TEST_F(WorkerClassicTest, LongModeLoadsAt64KiBByDefault) {
  WorkerOptions options = LongOptions(long_halt);
  options.start.clear_load_address();
  options.start.clear_entry();
  EXPECT_EQ(RunGuest(options).initial_registers().rip(), kLongLoad);
}

TEST_F(WorkerClassicTest, LongModePrints) {
  WorkerProcess worker(LongOptions(long_hello));
  worker.RunToEnd();
  EXPECT_EQ(worker.serial(), "Hello from KVM guest!\n");
}

TEST_F(WorkerClassicTest, VerboseRunsTellEachStep) {
  WorkerOptions options = LongOptions(long_hello);
  options.start.set_verbose(true);
  WorkerProcess worker(options);
  worker.RunToEnd();
  for (const char* words : {"API version 12", "16 MiB", "GDT at 0x1000", "Page tables at 0x2000",
                            "at 0x10000", "vCPU 0", "RSP=0x2fff8", "HLT"}) {
    EXPECT_THAT(worker.trace(), Contains(HasSubstr(words)));
  }
}

TEST_F(WorkerClassicTest, LongModeReachesTheArena) {
  WorkerProcess worker(LongOptions(long_arena));
  std::memcpy(worker.arena().data(), "12345678", 8);
  EXPECT_EQ(worker.RunToEnd().reason(), v1::END_REASON_EXITED);
  EXPECT_EQ(std::memcmp(worker.arena().data() + 8, "12345678", 8), 0);
}

TEST_F(WorkerClassicTest, LongModeRunsElfFiles) {
  const std::string code(long_exit_42, 4);
  ElfBuilder elf;
  elf.AddSegment(0x20010, PF_R | PF_W | PF_X, code, code.size());
  elf.header().e_entry = 0x20010;
  WorkerOptions options{.mode = v1::GUEST_MODE_LONG, .program = elf.Build()};
  const v1::Finished finished = RunGuest(options);
  EXPECT_EQ(finished.reason(), v1::END_REASON_EXITED) << finished.detail();
  EXPECT_EQ(finished.exit_code(), 42u);
}

TEST_F(WorkerClassicTest, TripleFaultIsNamed) {
  const v1::Finished finished = RunGuest(LongOptions(long_triple_fault));
  EXPECT_EQ(finished.reason(), v1::END_REASON_UNEXPECTED_EXIT);
  EXPECT_EQ(finished.kvm_exit_reason(), kExitShutdown);
  EXPECT_THAT(finished.detail(), HasSubstr("triple fault"));
}

TEST_F(WorkerClassicTest, MsrsAreDenied) {
  const v1::Finished read = RunGuest(LongOptions(long_rdmsr));
  EXPECT_EQ(read.reason(), v1::END_REASON_UNEXPECTED_EXIT);
  EXPECT_EQ(read.kvm_exit_reason(), kExitReadMsr);
  EXPECT_EQ(read.address(), 0x10u);
  const v1::Finished written = RunGuest(LongOptions(long_wrmsr));
  EXPECT_EQ(written.kvm_exit_reason(), kExitWriteMsr);
  EXPECT_EQ(written.address(), 0xc0000080u);
}

// KVM would write the processor's own instruction over that of the other vendor.
TEST_F(WorkerClassicTest, HypercallsAreNotPatched) {
  if (!CanDisable(KVM_X86_QUIRK_FIX_HYPERCALL_INSN)) GTEST_SKIP() << "this KVM is too old";
  for (const char* const guest : {long_vmcall, long_vmmcall}) {
    const v1::Finished finished = RunGuest(LongOptions(guest));
    const bool has_faulted = finished.kvm_exit_reason() == kExitShutdown;
    EXPECT_TRUE(has_faulted || finished.exit_code() == 2)
        << finished.detail() << ", exit code " << finished.exit_code();
  }
}

// CPUID does not offer them.
TEST_F(WorkerClassicTest, MonitorAndMwaitAreNoInstructions) {
  if (!CanDisable(KVM_X86_QUIRK_MWAIT_NEVER_UD_FAULTS)) GTEST_SKIP() << "this KVM is too old";
  for (const char* const guest : {long_monitor, long_mwait}) {
    // An exception, or, where KVM has to emulate CPL 0, an instruction that it does not emulate.
    EXPECT_NE(RunGuest(LongOptions(guest)).reason(), v1::END_REASON_HALTED);
  }
}

TEST_F(WorkerClassicTest, TheTaskPriorityMayBeLowered) {
  const v1::Finished finished = RunGuest(LongOptions(long_task_priority));
  EXPECT_EQ(finished.reason(), v1::END_REASON_EXITED) << finished.detail();
  EXPECT_EQ(finished.exit_code(), 42u);
}

// ---- Programs that cannot be placed -------------------------------------------------------------

TEST_F(WorkerClassicTest, ProgramsThatDoNotFitAreRefused) {
  WorkerOptions options = RealOptions(real_halt);
  options.start.set_load_address(options.memory_size - 1);
  ExpectLoadError(options, "does not fit");
  options.start.set_load_address(~uint64_t{0});
  ExpectLoadError(options, "does not fit");
  options = RealOptions(real_halt);
  options.program.resize(0xb8000);
  ExpectLoadError(options, "VGA");
  options = RealOptions(real_halt);
  options.start.set_entry(0x100);
  ExpectLoadError(options, "outside the program");
  options.start.set_load_address(0x20000);
  options.start.set_entry(0x20000);
  ExpectLoadError(options, "real mode");
  options = LongOptions(long_halt);
  options.start.set_load_address(0x2000);
  ExpectLoadError(options, "page tables");
}

TEST_F(WorkerClassicTest, ElfFilesNeedAnotherModeThanReal) {
  WorkerOptions options = RealOptions(real_halt);
  options.program = ElfBuilder().Build();
  ExpectLoadError(options, "real mode");
}

}  // namespace
}  // namespace hotcell::worker
