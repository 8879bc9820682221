// The binary contract between the guest, the worker and the broker: what lies where in
// guest-physical memory and in the arena, which ports a payload may use, and how requests and
// completions look in the rings. It is the only header the three trust domains share.
// docs/guest-abi.md is its prose.
//
// All integers are little-endian and naturally aligned. "Arena offset" means bytes from the start
// of the arena. Nothing here is to be believed by its reader merely because it has the right type:
// the broker and the worker copy what they read out of shared memory once and validate the copy.
#ifndef HOTCELL_GUEST_ABI_ABI_H_
#define HOTCELL_GUEST_ABI_ABI_H_

#include <cstddef>
#include <cstdint>

namespace hotcell::abi {

inline constexpr uint32_t kVersion = 1;

// ---- Limits both sides agree on -----------------------------------------------------------------

inline constexpr uint32_t kMaxLanes = 16;
inline constexpr uint64_t kPageSize = 4096;
inline constexpr uint64_t kMinGuestMemory = 4ull << 20;
inline constexpr uint64_t kMaxGuestMemory = 3ull << 30;

// ---- Guest-physical memory of a payload (identity mapped) ---------------------------------------
//
//   0x0000'0000  one page, unmapped (null)
//   0x0000'1000  supervisor area: GDT, IDT, TSSs, fault stubs, fault stacks, page tables
//   0x0020'0000  the payload's ELF segments, each with its own protection
//   ...          heap (BootInfo::heap_begin to heap_end)
//   top of RAM   per vCPU: boot info page, thread page (FS base), guard page, stack
//   0x1'0000'0000 the arena

inline constexpr uint64_t kPayloadBase = 0x200000;
inline constexpr uint64_t kArenaGpa = 0x100000000;
inline constexpr uint64_t kStackSize = 256 << 10;  // bytes per vCPU, guard page not included

// Handed to the payload's entry point on each vCPU: `void entry(const BootInfo*)`, System V ABI,
// with RSP as after a call. Lies on a read-only page of its own.
struct BootInfo {
  uint32_t version;  // kVersion
  uint32_t vcpu_index;
  uint32_t vcpu_count;
  uint32_t reserved;
  uint64_t memory_size;  // bytes of RAM from guest-physical 0
  uint64_t heap_begin;   // page aligned, zero filled, read-write
  uint64_t heap_end;
  uint64_t arena_base;  // kArenaGpa
  uint64_t arena_size;  // bytes; 0 when the job has no arena
  uint64_t random_seed;
};

// The word the System V ABI's stack protector reads is at FS:0x28; FS points at a page of its own.
inline constexpr uint64_t kStackCanaryOffset = 0x28;

// ---- Ports of a payload -------------------------------------------------------------------------

// 32-bit `out` of a lane index: tells the broker that the lane's submission ring has entries. An
// ioeventfd: the worker does not wake.
inline constexpr uint16_t kPortDoorbell = 0x510;
// 32-bit `out` of a lane index: the vCPU sleeps until the broker posts completions to that lane.
inline constexpr uint16_t kPortWait = 0x514;
// 32-bit `out` of an exit code: this vCPU is done. The job ends when vCPU 0 exits, or when any vCPU
// exits with a code other than 0.
inline constexpr uint16_t kPortExit = 0x518;
// 8-bit `out`, from CPL 0 fault stubs only: an exception frame is on the fault stack.
inline constexpr uint16_t kPortCrash = 0x51c;
// 32-bit `out` of a lane index: ends that lane's kPortWait. An ioeventfd on the lane's wake
// eventfd, so lanes wake each other without anybody on the host. A wake that finds nobody waiting
// ends the lane's next wait at once; waiters look again at what they waited for.
inline constexpr uint16_t kPortWakeLane = 0x520;

// Exit codes with a meaning of their own; others are the program's.
inline constexpr uint32_t kExitOk = 0;
inline constexpr uint32_t kExitPanic = 0x70;        // GuestStatus::panic_text holds the reason
inline constexpr uint32_t kExitOutOfMemory = 0x71;  // likewise: RAM was too small for the job

// ---- Ports and addresses of real-mode and long-mode guests (`hotcell run`) ----------------------

inline constexpr uint16_t kPortSerialData = 0x3f8;
inline constexpr uint16_t kPortSerialLineStatus = 0x3fd;
inline constexpr uint16_t kPortRunExit = 0x01;
inline constexpr uint16_t kPortResult = 0xeff;
inline constexpr uint64_t kVgaTextGpa = 0xb8000;
inline constexpr uint64_t kVgaTextSize = 80ull * 25 * 2;

// ---- The arena ----------------------------------------------------------------------------------

inline constexpr uint64_t kArenaMagic = 0x3163'6c65'6374'6f68;  // "hotcelc1" read as bytes

// The header of the arena, at its offset 0, on a page that only the broker writes, before the guest
// starts; job_size may come later.
struct ArenaHeader {
  uint64_t magic;    // kArenaMagic
  uint32_t version;  // kVersion
  uint32_t lane_count;
  uint64_t arena_size;
  uint64_t status_offset;  // GuestStatus
  uint64_t job_offset;     // serialized hotcell.v1.Job
  uint64_t job_size;       // bytes used; 0 until there is a job, stored after it
  uint64_t report_offset;  // the guest's serialized hotcell.v1.Report
  uint64_t report_capacity;
  uint64_t lanes_offset;  // LaneControl of lane i at lanes_offset + i * lane_stride
  uint64_t lane_stride;
  uint64_t
      buffers_offset;  // buffer b of lane i at buffers_offset + (i*buffers_per_lane+b)*buffer_size
  uint64_t buffer_size;  // bytes
  uint32_t buffers_per_lane;
  uint32_t ring_entries;  // of each submission and each completion ring; a power of two
  // Guests of `hotcell run` that were started with --input and --output; 0 otherwise.
  uint64_t input_offset;
  uint64_t input_size;
  uint64_t output_offset;
  uint64_t output_capacity;
};

inline constexpr uint32_t kPanicTextSize = 1024;

// Written by the guest, read (as hostile input) by the broker.
struct GuestStatus {
  uint64_t progress_done;   // bytes of virtual disk dealt with; may be updated by any lane
  uint64_t progress_total;  // 0 while unknown
  uint64_t report_size;     // bytes of the report, set before the last exit
  uint64_t output_size;     // guests of `hotcell run`: bytes of output
  uint32_t panic_size;      // bytes of panic_text
  uint32_t reserved;
  char panic_text[kPanicTextSize];
};

inline constexpr uint32_t kRingEntries = 128;

// What the guest asks of the broker.
enum class Opcode : uint32_t {
  kRead = 1,   // file slot, offset, length -> buffer. result: bytes read, short only at the end
  kWrite = 2,  // buffer -> file slot, offset, length. result: bytes written, always all
  kWriteZeroes = 3,  // slot, offset, length read as zeroes afterwards; deallocates where it can
  kBlockStatus = 4,  // slot, offset, length -> buffer, BlockRun[kMaxBlockRuns]: what lies there,
                     // from offset on. result: how many there are, at least 1
  kFlush = 5,        // slot: data reaches stable storage as far as the cache mode asks for it
  kSetSize = 6,      // slot, offset = new size of the file in bytes
  kOpenReference =
      7,      // buffer, length: the name as it stands in the image; slot: the file that holds
              // it; flags: ReferenceKind. result: new slot; result2: its size in bytes
  kCopy = 8,  // file source_slot, source_offset, length -> file slot, offset. result: bytes copied,
              // short only at the end of the source, which is not a file that the job writes
  // slot: the target, offset: the number of an extent file of it, from 0 on and each once, in
  // order. result: the slot of the file, which is new and empty
  kCreateExtentFile = 9,
  kProceed = 10,  // buffer, length: a serialized hotcell.v1.Report with what was found out about
                  // the file in slot, at most ArenaHeader::report_capacity bytes. kOk: the job may
                  // write; kRefused: it is over. Once, in a job that asks for it
};

// Bytes of a file that are alike; those of two that follow each other may be.
struct BlockRun {
  uint64_t length;   // bytes
  uint64_t is_data;  // 1 data, 0 hole
};
inline constexpr uint32_t kMaxBlockRuns = 256;

// Longest name of kOpenReference, bytes; a longer one is a breach of the contract.
inline constexpr uint64_t kMaxReferenceName = 4096;

// Longest range of kCopy, bytes.
inline constexpr uint64_t kMaxCopy = 16 << 20;

// Most files that kCreateExtentFile makes.
inline constexpr uint32_t kMaxExtentFiles = 256;

// What a map of a disk is made of: written by the guest to a file of the broker's, one after the
// other, and read as hostile input.
struct MapRecord {
  uint64_t start;   // in the disk, bytes
  uint64_t length;  // bytes, at least 1
  uint64_t offset;  // in file `slot`, bytes; kMapHasOffset
  uint32_t slot;    // likewise
  uint32_t depth;   // of the image that the bytes are in, 0 being the top one
  uint32_t flags;   // kMap...
  uint32_t reserved;
};
static_assert(sizeof(MapRecord) == 40);
inline constexpr uint32_t kMapPresent = 1;     // an image of the chain says what is there
inline constexpr uint32_t kMapZero = 2;        // reads as zeroes
inline constexpr uint32_t kMapData = 4;        // bytes are stored
inline constexpr uint32_t kMapCompressed = 8;  // and compressed
inline constexpr uint32_t kMapHasOffset = 16;
inline constexpr uint32_t kMapFlags = 31;

enum class ReferenceKind : uint32_t {
  kBackingFile = 1,
  kDataFile = 2,
  kExtentFile = 3,
  kParent = 4,
};

// One entry of a submission ring, written by the guest.
struct Submission {
  uint32_t opcode;  // Opcode
  uint32_t slot;
  uint64_t offset;  // in the file, bytes
  uint64_t length;  // bytes
  uint64_t buffer;  // arena offset, within the buffers area
  uint64_t user_data;
  uint32_t flags;  // opcode's own; otherwise 0
  uint32_t reserved0;
  uint64_t source_slot;    // kCopy; otherwise 0
  uint64_t source_offset;  // in that file, bytes; kCopy; otherwise 0
};
static_assert(sizeof(Submission) == 64);

enum class IoStatus : uint32_t {
  kOk = 0,
  kIoError = 1,   // the host's call failed; result is the errno
  kNoSpace = 2,   // the target's file system is full
  kQuota = 3,     // a limit of the job; the broker knows which
  kRefused = 4,   // the reference policy says no; the broker keeps the reason
  kNotFound = 5,  // an allowed reference that does not exist
};

// One entry of a completion ring, written by the broker. A request that breaks the contract
// (unknown opcode, slot or range outside the job's) gets no completion: it ends the job.
struct Completion {
  uint64_t user_data;
  uint64_t result;
  uint64_t result2;
  uint32_t status;  // IoStatus
  uint32_t reserved;
};
static_assert(sizeof(Completion) == 32);

// Ring indices run freely and wrap at 2^32; an entry's place is index % ring_entries. Each word has
// one writer and a cache line of its own. Completions are posted in the order of submission.
struct LaneControl {
  alignas(64) uint32_t sq_tail;  // guest: entries submitted
  alignas(64) uint32_t cq_head;  // guest: completions taken
  alignas(64) uint32_t
      guest_waiting;             // guest: 1 from before its last look at cq_tail until it is woken
  uint32_t wake_at;              // guest, before guest_waiting: no wake-up until cq_tail is there
  alignas(64) uint32_t sq_head;  // broker: entries taken
  alignas(64) uint32_t cq_tail;  // broker: completions posted
  alignas(64) uint32_t broker_polling;  // broker: 1 while it needs no doorbell
};
static_assert(sizeof(LaneControl) == size_t{6} * 64);

// Both rings of a lane follow its LaneControl.
inline constexpr uint64_t kSubmissionRingOffset = 512;
inline constexpr uint64_t kCompletionRingOffset =
    kSubmissionRingOffset + kRingEntries * sizeof(Submission);
inline constexpr uint64_t kLaneStride = 16384;
static_assert(kCompletionRingOffset + kRingEntries * sizeof(Completion) <= kLaneStride);

// ---- File descriptors of a worker ---------------------------------------------------------------

// The broker passes these at fixed numbers; every other one is closed.
inline constexpr int kFdControlIn = 3;   // pipe, frames from the broker
inline constexpr int kFdControlOut = 4;  // pipe, frames to the broker
inline constexpr int kFdKvm = 5;         // /dev/kvm
inline constexpr int kFdArena = 6;       // sealed memfd
inline constexpr int kFdVm = 15;         // made by the worker itself; kept only for dirty-page logs
inline constexpr int kFdDoorbell = 16;   // + lane: eventfd the doorbell port signals
inline constexpr int kFdWake = 32;       // + lane: eventfd the wait port blocks on
inline constexpr int kFdVcpu = 48;       // + vCPU: made by the worker itself

// Frames on the control pipes: u32 little-endian length, then that many bytes of a ToWorker or
// FromWorker message. Frames from the worker are at most PIPE_BUF, so that each is one atomic
// write.
inline constexpr uint32_t kMaxFrameToWorker = 256 << 10;
inline constexpr uint32_t kMaxFrameFromWorker = 4096 - sizeof(uint32_t);

}  // namespace hotcell::abi

#endif  // HOTCELL_GUEST_ABI_ABI_H_
