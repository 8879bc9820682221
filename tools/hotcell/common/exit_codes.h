// The exit statuses of `hotcell`, which scripts rely on: qemu-img's where it has one.
#ifndef HOTCELL_TOOLS_HOTCELL_COMMON_EXIT_CODES_H_
#define HOTCELL_TOOLS_HOTCELL_COMMON_EXIT_CODES_H_

namespace hotcell::cli {

inline constexpr int kExitOk = 0;
// Any error, the command line's included, as qemu-img has it.
inline constexpr int kExitFailure = 1;

// `hotcell compare`, as qemu-img has them; 0 is "the same".
inline constexpr int kExitDifferent = 1;
inline constexpr int kExitCompareFailed = 2;      // any error before the first byte is compared
inline constexpr int kExitCompareMapFailed = 3;   // what is allocated could not be found out
inline constexpr int kExitCompareReadFailed = 4;  // data could not be read

// `hotcell check`, as qemu-img has them.
inline constexpr int kExitCorrupt = 2;
inline constexpr int kExitLeaks = 3;
inline constexpr int kExitCheckUnsupported = 63;  // the format has no check

// `hotcell inspect` and `convert --inspect`: the file was looked at and is not safe.
inline constexpr int kExitUnsafe = 2;

// A job that was ended for what its worker or its guest did, whichever command started it. As
// qemu-img, kExitFailure.
inline constexpr int kExitViolation = 119;   // the worker made a forbidden system call
inline constexpr int kExitTimeout = 124;     // as timeout(1): out of wall or CPU time
inline constexpr int kExitGuestFault = 125;  // or gave up, or broke its contract
inline constexpr int kExitKvmError = 126;
inline constexpr int kExitWorkerFailed = 127;  // died, or broke the protocol

// Ended by a signal: this plus its number, as shells have it.
inline constexpr int kExitSignalBase = 128;

// `hotcell run` hands on the guest's own code; these say that there is none, as do those above.
inline constexpr int kExitNotStarted = 120;      // command line, files, confinement: no guest ran
inline constexpr int kExitUnexpectedPort = 121;  // or any exit that is neither of the next two
inline constexpr int kExitUnexpectedMmio = 122;
inline constexpr int kExitTripleFault = 123;

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_COMMON_EXIT_CODES_H_
