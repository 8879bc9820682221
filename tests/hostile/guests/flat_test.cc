// Bare-metal guests of `hotcell run`, in real and in long mode, that misbehave.
#include <string>

#include "absl/time/clock.h"
#include "tests/hostile/guests/fixture.h"

// flat_guests.S
#define HOTCELL_FLAT_GUEST(name)       \
  extern "C" const char flat_##name[]; \
  extern "C" const char flat_##name##_end[]
HOTCELL_FLAT_GUEST(real_cli_hlt);
HOTCELL_FLAT_GUEST(real_vga_storm);
HOTCELL_FLAT_GUEST(real_serial_flood);
HOTCELL_FLAT_GUEST(real_serial_read_storm);
HOTCELL_FLAT_GUEST(real_port_scan);
HOTCELL_FLAT_GUEST(real_doorbell);
HOTCELL_FLAT_GUEST(real_protected_mode);
HOTCELL_FLAT_GUEST(long_ud2);
HOTCELL_FLAT_GUEST(long_no_page_tables);
HOTCELL_FLAT_GUEST(long_local_apic);
HOTCELL_FLAT_GUEST(long_write_apic_base);
HOTCELL_FLAT_GUEST(long_exit_port_of_payloads);
#define FLAT_PROGRAM(name) std::string(flat_##name, flat_##name##_end)

namespace hotcell::hostile {
namespace {

// KVM_EXIT_*
constexpr uint32_t kExitIo = 2;
constexpr uint32_t kExitMmio = 6;
constexpr uint32_t kExitShutdown = 8;

class HostileFlatGuest : public HostileGuestTest {
 protected:
  absl::StatusOr<RunReply> Run(const std::string& program, GuestMode mode) {
    TakeNote();
    RunRequest request;
    request.program = program;
    request.mode = mode;
    request.load_address = mode == GuestMode::kReal ? 0x1000 : 0x10000;
    request.entry = request.load_address;
    request.memory_size = 4 << 20;
    request.serial_output = [this](std::string_view text) { serial_size_ += text.size(); };
    request.options = options_;
    return engine().Run(request);
  }
  GuestEnd RunReal(const std::string& program) { return End(Run(program, GuestMode::kReal)); }
  GuestEnd RunLong(const std::string& program) { return End(Run(program, GuestMode::kLong)); }
  void ExpectDeadline(const std::string& program) {
    options_.limits.wall_time = absl::Milliseconds(300);
    ExpectEnd(Run(program, GuestMode::kReal).status(),
              {absl::StatusCode::kDeadlineExceeded, "its limit `wall-time` of 300ms"});
  }
  static void ExpectUnexpectedExit(const GuestEnd& end, uint32_t exit_reason) {
    EXPECT_EQ(end.reason, EndReason::kUnexpectedExit) << end.detail;
    EXPECT_EQ(end.kvm_exit_reason, exit_reason) << end.detail;
  }

  size_t serial_size_ = 0;

 private:
  static GuestEnd End(const absl::StatusOr<RunReply>& reply) {
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? reply->worker.end : GuestEnd();
  }
};

TEST_F(HostileFlatGuest, SleepingWithoutInterruptsIsAHalt) {
  EXPECT_EQ(RunReal(FLAT_PROGRAM(real_cli_hlt)).reason, EndReason::kHalted);
}

TEST_F(HostileFlatGuest, StormsOnVgaMeetTheirDeadline) {
  ExpectDeadline(FLAT_PROGRAM(real_vga_storm));
}

// What the broker passes on is what came, and it keeps none of it.
TEST_F(HostileFlatGuest, FloodsOfSerialOutputMeetTheirDeadline) {
  ExpectDeadline(FLAT_PROGRAM(real_serial_flood));
  EXPECT_GT(serial_size_, 0u);
  EXPECT_LT(serial_size_, 16u << 20);
}

TEST_F(HostileFlatGuest, ReadingASilentSerialPortMeetsItsDeadline) {
  ExpectDeadline(FLAT_PROGRAM(real_serial_read_storm));
}

TEST_F(HostileFlatGuest, PortScansEndAtTheFirstPort) {
  const GuestEnd end = RunReal(FLAT_PROGRAM(real_port_scan));
  ExpectUnexpectedExit(end, kExitIo);
  EXPECT_EQ(end.address, 0u);
  EXPECT_FALSE(end.is_write);
}

TEST_F(HostileFlatGuest, RealModeHasNoDoorbell) {
  const GuestEnd end = RunReal(FLAT_PROGRAM(real_doorbell));
  ExpectUnexpectedExit(end, kExitIo);
  EXPECT_EQ(end.address, abi::kPortDoorbell);
}

TEST_F(HostileFlatGuest, ProtectedModeWithoutSegmentsIsATripleFault) {
  ExpectUnexpectedExit(RunReal(FLAT_PROGRAM(real_protected_mode)), kExitShutdown);
}

TEST_F(HostileFlatGuest, ExceptionsInLongModeAreTripleFaults) {
  ExpectUnexpectedExit(RunLong(FLAT_PROGRAM(long_ud2)), kExitShutdown);
}

TEST_F(HostileFlatGuest, LongModeWithoutPageTablesEnds) {
  const EndReason reason = RunLong(FLAT_PROGRAM(long_no_page_tables)).reason;
  EXPECT_TRUE(reason == EndReason::kUnexpectedExit || reason == EndReason::kKvmError)
      << static_cast<int>(reason);
}

TEST_F(HostileFlatGuest, LongModeHasNoLocalApic) {
  ExpectUnexpectedExit(RunLong(FLAT_PROGRAM(long_local_apic)), kExitShutdown);
}

TEST_F(HostileFlatGuest, LongModeCannotMoveTheLocalApic) {
  const GuestEnd end = RunLong(FLAT_PROGRAM(long_write_apic_base));
  EXPECT_EQ(end.reason, EndReason::kUnexpectedExit) << end.detail;
  EXPECT_EQ(end.address, 0x1bu);
  EXPECT_TRUE(end.is_write);
}

TEST_F(HostileFlatGuest, LongModeHasNoPortsOfPayloads) {
  const GuestEnd end = RunLong(FLAT_PROGRAM(long_exit_port_of_payloads));
  ExpectUnexpectedExit(end, kExitIo);
  EXPECT_EQ(end.address, abi::kPortExit);
}

}  // namespace
}  // namespace hotcell::hostile
