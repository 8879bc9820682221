// Memory that is not there, or not for the guest to use in that way.
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

constexpr uint64_t kSupervisorGdt = 0x1000;
constexpr uint64_t kFaultStubs = 0x3000;
constexpr uint64_t kTss = 0x4000;
constexpr uint64_t kFaultStack = 0x11ff8;
constexpr uint64_t kPageTables = 0x40000;
constexpr uint64_t kText = abi::kPayloadBase;
constexpr uint64_t kVga = 0xb8000;
constexpr uint64_t kLocalApic = 0xfee00000;
constexpr uint64_t kIoApic = 0xfec00000;
constexpr uint64_t kHpet = 0xfed00000;
constexpr uint64_t kBetweenMemoryAndArena = 0xe0000000;
constexpr uint64_t kFarBeyondArena = abi::kArenaGpa + (1ull << 36);
constexpr uint64_t kHighestCanonical = 0x7fff'ffff'f000;
constexpr uint64_t kFirstNonCanonical = 1ull << 47;
constexpr uint64_t kPhysicalLimit = 1ull << 52;
constexpr uint64_t kKernelHalf = 0xffff'8000'0000'0000;
constexpr uint64_t kLinuxText = 0xffff'ffff'8100'0000;
constexpr uint64_t kLinuxVsyscall = 0xffff'ffff'ff60'0000;

End ReadFault(uint64_t address, uint64_t more = 0) { return PageFault(kUser | more, address); }
End WriteFault(uint64_t address, uint64_t more = 0) {
  return PageFault(kUser | kWriting | more, address);
}
End FetchFault(uint64_t address, uint64_t more = 0) {
  return PageFault(kUser | kFetching | more, address);
}
End AnyFetchFault() { return {absl::StatusCode::kInternal, "\\(vector 14, error 0x15\\)"}; }

const GuestCase kReads[] = {
    {"Null", {"read", 0}, ReadFault(0)},
    {"NullPageEnd", {"read", 0xfff}, ReadFault(0xfff)},
    {"Gdt", {"read", kSupervisorGdt}, ReadFault(kSupervisorGdt, kPresent)},
    {"FaultStubs", {"read", kFaultStubs}, ReadFault(kFaultStubs, kPresent)},
    {"Tss", {"read", kTss}, ReadFault(kTss, kPresent)},
    {"FaultStack", {"read", kFaultStack}, ReadFault(kFaultStack, kPresent)},
    {"PageTables", {"read", kPageTables}, ReadFault(kPageTables)},
    {"Vga", {"read", kVga}, ReadFault(kVga)},
    {"BelowText", {"read", kText - 1}, ReadFault(kText - 1)},
    {"BeyondMemory", {"read_beyond_memory"}, ReadFault(64 << 20)},
    {"BetweenMemoryAndArena", {"read", kBetweenMemoryAndArena}, ReadFault(kBetweenMemoryAndArena)},
    {"BeforeArena", {"read_before_arena"}, ReadFault(abi::kArenaGpa - 1)},
    {"LocalApic", {"read", kLocalApic}, ReadFault(kLocalApic)},
    {"IoApic", {"read", kIoApic}, ReadFault(kIoApic)},
    {"Hpet", {"read", kHpet}, ReadFault(kHpet)},
    {"FarBeyondArena", {"read", kFarBeyondArena}, ReadFault(kFarBeyondArena)},
    {"HighestCanonical", {"read", kHighestCanonical}, ReadFault(kHighestCanonical)},
    {"FirstNonCanonical", {"read", kFirstNonCanonical}, Fault(13)},
    {"PhysicalLimit", {"read", kPhysicalLimit}, Fault(13)},
    // KVM-PVM has page tables of its own there.
    {"KernelHalf",
     {"read", kKernelHalf},
     {absl::StatusCode::kInternal, "\\(vector 14, error 0x(4|d)\\) .*0xffff800000000000 on"}},
    {"LinuxText", {"read", kLinuxText}, ReadFault(kLinuxText)},
    {"LinuxVsyscall", {"read", kLinuxVsyscall}, ReadFault(kLinuxVsyscall)},
    {"LastByte", {"read", UINT64_MAX}, ReadFault(UINT64_MAX)},
    {"VectorOfGdt", {"read_vector", kSupervisorGdt}, ReadFault(kSupervisorGdt, kPresent)},
    {"StringOfTss", {"copy_string", kTss, 64}, ReadFault(kTss, kPresent)},
};
HOTCELL_HOSTILE_GUESTS(Reads, kReads);

const GuestCase kWrites[] = {
    {"Null", {"write", 8}, WriteFault(8)},
    {"Gdt", {"write", kSupervisorGdt}, WriteFault(kSupervisorGdt, kPresent)},
    {"FaultStubs", {"write", kFaultStubs}, WriteFault(kFaultStubs, kPresent)},
    {"PortBitmap", {"write", kTss + 104}, WriteFault(kTss + 104, kPresent)},
    {"FaultStack", {"write", kFaultStack}, WriteFault(kFaultStack, kPresent)},
    {"PageTables", {"write", kPageTables}, WriteFault(kPageTables)},
    {"Vga", {"write", kVga}, WriteFault(kVga)},
    {"LocalApic", {"write", kLocalApic + 0x300}, WriteFault(kLocalApic + 0x300)},
    {"Text", {"write", kText}, WriteFault(kText, kPresent)},
    {"OwnCode",
     {"write_text"},
     {absl::StatusCode::kInternal, "\\(vector 14, error 0x7\\) at .*, address 0x2"}},
    {"Constants", {"write_constants"}, {absl::StatusCode::kInternal, "\\(vector 14, error 0x7\\)"}},
    {"BootInfo", {"write_boot_info"}, {absl::StatusCode::kInternal, "\\(vector 14, error 0x7\\)"}},
    {"LinuxText", {"write", kLinuxText}, WriteFault(kLinuxText)},
    {"CompareExchangeOfGdt",
     {"compare_exchange", kSupervisorGdt},
     WriteFault(kSupervisorGdt, kPresent)},
    {"CompareExchangeOfApic", {"compare_exchange", kLocalApic}, WriteFault(kLocalApic)},
    {"StringOverTss", {"store_string", kTss, 512}, WriteFault(kTss, kPresent)},
    {"StringIntoText", {"store_string", kText, 1}, WriteFault(kText, kPresent)},
    // The stack of vCPU 0 is the topmost: 256 KiB below the end of memory is its guard page.
    {"StackOverflow", {"overflow_stack"}, WriteFault((64 << 20) - abi::kStackSize - 8)},
    {"StackUnderflow", {"underflow_stack"}, ReadFault(64 << 20)},
};
HOTCELL_HOSTILE_GUESTS(Writes, kWrites);

const GuestCase kJumps[] = {
    {"Null", {"jump", 0}, FetchFault(0)},
    {"Gdt", {"jump", kSupervisorGdt}, FetchFault(kSupervisorGdt, kPresent)},
    {"FaultStubs", {"jump", kFaultStubs}, FetchFault(kFaultStubs, kPresent)},
    {"CrashPortOfFaultStubs", {"jump", kFaultStubs + 6}, FetchFault(kFaultStubs + 6, kPresent)},
    {"BetweenMemoryAndArena", {"jump", kBetweenMemoryAndArena}, FetchFault(kBetweenMemoryAndArena)},
    {"LocalApic", {"jump", kLocalApic}, FetchFault(kLocalApic)},
    {"NonCanonical", {"jump", kFirstNonCanonical}, Fault(13)},
    {"LinuxText", {"jump", kLinuxText}, FetchFault(kLinuxText)},
    {"LinuxVsyscall", {"jump", kLinuxVsyscall}, FetchFault(kLinuxVsyscall)},
    {"ReturnToNull", {"return_to", 0}, FetchFault(0)},
    {"ReturnToNonCanonical", {"return_to", 1ull << 63}, Fault(13)},
    {"ReturnToFaultStubs", {"return_to", kFaultStubs}, FetchFault(kFaultStubs, kPresent)},
    {"IretToNonCanonical", {"iret_to", 1ull << 63}, Fault(13)},
    {"IretToFaultStubs", {"iret_to", kFaultStubs}, FetchFault(kFaultStubs, kPresent)},
    {"Constants", {"execute_constants"}, AnyFetchFault()},
    {"Data", {"execute_data"}, AnyFetchFault()},
    {"Stack", {"execute_stack"}, AnyFetchFault()},
    {"Heap", {"execute_heap"}, AnyFetchFault()},
    {"ThreadPage", {"execute_thread_page"}, AnyFetchFault()},
    {"ArenaHeader", {"execute_arena_header"}, FetchFault(abi::kArenaGpa, kPresent)},
    {"ArenaEnd", {"execute_arena_end"}, AnyFetchFault()},
};
HOTCELL_HOSTILE_GUESTS(Jumps, kJumps);

}  // namespace
}  // namespace hotcell::hostile
