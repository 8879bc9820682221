// Port I/O: four ports take a 32-bit OUT each, and that is all.
#include "absl/strings/str_format.h"
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

constexpr uint32_t kProtection = 13;
constexpr uint64_t kSupervisorGdt = 0x1000;
constexpr uint64_t kText = abi::kPayloadBase;

// What a PC has at these: PIC, PIT, keyboard, POST, CMOS, port 92, DMA, APM, IDE, VGA, serial,
// ACPI, PCI, QEMU's debug exit, its firmware configuration and VMware's backdoor.
TEST_F(HostileGuestTest, PortsOfAPcAreForbidden) {
  for (const uint16_t port : {0x00,  0x01,  0x20,  0x40,  0x60,  0x64,   0x70,      0x80,  0x92,
                              0xb2,  0x1f0, 0x3d4, 0x3f8, 0x3fd, 0x501,  0x510 - 1, 0x524, 0x5658,
                              0x604, 0xcf8, 0xcf9, 0xcfc, 0xeff, 0x8000, 0xffff}) {
    SCOPED_TRACE(port);
    ExpectConvertEnds({"out8", port}, Fault(kProtection));
    ExpectConvertEnds({"in8", port}, Fault(kProtection));
    ExpectConvertEnds({"out32", port}, Fault(kProtection));
    ExpectConvertEnds({"in32", port}, Fault(kProtection));
  }
}

const GuestCase kPorts[] = {
    {"OutImmediate", {"out_immediate"}, Fault(kProtection)},
    {"InImmediate", {"in_immediate"}, Fault(kProtection)},
    {"CrashPort", {"out8", abi::kPortCrash}, Fault(kProtection)},
    {"CrashPortWord", {"out32", abi::kPortCrash}, Fault(kProtection)},
    {"IntoCrashPort", {"out32", abi::kPortCrash - 2}, Fault(kProtection)},
    {"BeforeFirst", {"out32", abi::kPortDoorbell - 1}, Fault(kProtection)},
    {"BeyondLast", {"out32", abi::kPortWakeLane + 1}, Fault(kProtection)},
    {"WordBeyondLast", {"out16", abi::kPortWakeLane + 3}, Fault(kProtection)},
    {"LastPortAcrossTheEnd", {"out32", 0xffff}, Fault(kProtection)},

    {"ByteToDoorbell", {"out8", abi::kPortDoorbell}, UnexpectedOut(abi::kPortDoorbell, 1)},
    {"WordToDoorbell", {"out16", abi::kPortDoorbell}, UnexpectedOut(abi::kPortDoorbell, 2)},
    {"ByteToWait", {"out8", abi::kPortWait}, UnexpectedOut(abi::kPortWait, 1)},
    {"WordToWait", {"out16", abi::kPortWait}, UnexpectedOut(abi::kPortWait, 2)},
    {"ByteToExit", {"out8", abi::kPortExit}, UnexpectedOut(abi::kPortExit, 1)},
    {"WordToExit", {"out16", abi::kPortExit}, UnexpectedOut(abi::kPortExit, 2)},
    {"ByteToWake", {"out8", abi::kPortWakeLane}, UnexpectedOut(abi::kPortWakeLane, 1)},
    {"WordToWake", {"out16", abi::kPortWakeLane}, UnexpectedOut(abi::kPortWakeLane, 2)},
    {"InsideDoorbell", {"out8", abi::kPortDoorbell + 3}, UnexpectedOut(abi::kPortDoorbell + 3, 1)},
    {"AcrossTwoPorts", {"out32", abi::kPortDoorbell + 2}, UnexpectedOut(abi::kPortDoorbell + 2, 4)},
    {"AcrossWaitAndExit", {"out32", abi::kPortWait + 1}, UnexpectedOut(abi::kPortWait + 1, 4)},
    {"InFromDoorbell", {"in32", abi::kPortDoorbell}, UnexpectedIn(abi::kPortDoorbell, 4)},
    {"InFromWait", {"in32", abi::kPortWait}, UnexpectedIn(abi::kPortWait, 4)},
    {"InFromExit", {"in32", abi::kPortExit}, UnexpectedIn(abi::kPortExit, 4)},
    {"InFromWake", {"in32", abi::kPortWakeLane}, UnexpectedIn(abi::kPortWakeLane, 4)},
    {"ByteFromExit", {"in8", abi::kPortExit}, UnexpectedIn(abi::kPortExit, 1)},
    {"WordFromExit", {"in16", abi::kPortExit}, UnexpectedIn(abi::kPortExit, 2)},

    {"DoorbellOfNoLane", {"out32", abi::kPortDoorbell, 1}, UnexpectedOut(abi::kPortDoorbell, 4)},
    {"DoorbellOfLane16", {"out32", abi::kPortDoorbell, 16}, UnexpectedOut(abi::kPortDoorbell, 4)},
    {"DoorbellOfLastLaneOfAll",
     {"out32", abi::kPortDoorbell, UINT32_MAX},
     UnexpectedOut(abi::kPortDoorbell, 4)},
    {"WakeOfNoLane", {"out32", abi::kPortWakeLane, 1}, UnexpectedOut(abi::kPortWakeLane, 4)},
    {"WakeOfLastLaneOfAll",
     {"out32", abi::kPortWakeLane, UINT32_MAX},
     UnexpectedOut(abi::kPortWakeLane, 4)},
    {"WaitOfNoLane", {"out32", abi::kPortWait, 1}, UnexpectedOut(abi::kPortWait, 4)},
    {"WaitOfAnotherLane", {"out32", abi::kPortWait, 1, 2}, UnexpectedOut(abi::kPortWait, 4)},
    {"WaitOfLastLaneOfAll",
     {"out32", abi::kPortWait, UINT32_MAX},
     UnexpectedOut(abi::kPortWait, 4)},

    // The upper half of the value is not there.
    {"OutWithRexW", {"out64", abi::kPortExit, 0xdead'beef'0000'0007}, ExitedWith(7)},

    // The first element ends the job: the code is 0, and there is no report.
    {"StringToExit",
     {"outs32", abi::kPortExit, 4},
     {absl::StatusCode::kInternal, "^the guest reports success and no result$"}},
    {"StringToForbiddenPort", {"outs8", 0x80, 1}, Fault(kProtection)},
    {"StringOfNothingToForbiddenPort", {"outs8", 0x80, 0}, Fault(kProtection)},
    {"StringFromForbiddenPort", {"ins32", 0xcfc, 1}, Fault(kProtection)},
    {"StringFromExit", {"ins32", abi::kPortExit, 4}, UnexpectedIn(abi::kPortExit, 4)},
    {"StringOfBytesToDoorbell",
     {"outs8", abi::kPortDoorbell, 1},
     UnexpectedOut(abi::kPortDoorbell, 1)},
    // More than the page has: it ends where the data does.
    {"EndlessStringToDoorbell",
     {"outs32", abi::kPortDoorbell, UINT64_MAX},
     {absl::StatusCode::kInternal, "\\(vector 14, error 0x4\\)|0x510"}},
    // An emulator reads and writes with the rights of the guest.
    {"StringFromSupervisorPage",
     {"outs_from", abi::kPortDoorbell, kSupervisorGdt},
     PageFault(kUser | kPresent, kSupervisorGdt)},
    {"StringFromNull", {"outs_from", abi::kPortDoorbell, 0}, PageFault(kUser, 0)},
    {"StringFromNonCanonical", {"outs_from", abi::kPortDoorbell, 1ull << 63}, Fault(kProtection)},
    // Whether the port or the memory comes first is up to KVM.
    {"StringIntoSupervisorPage",
     {"ins_to", abi::kPortExit, kSupervisorGdt},
     {absl::StatusCode::kInternal, "\\(vector 14, error 0x7\\)|read of 4 bytes at 0x518,"}},
    {"StringIntoText",
     {"ins_to", abi::kPortExit, kText},
     {absl::StatusCode::kInternal, "\\(vector 14, error 0x7\\)|read of 4 bytes at 0x518,"}},
};
HOTCELL_HOSTILE_GUESTS(Ports, kPorts);

}  // namespace
}  // namespace hotcell::hostile
