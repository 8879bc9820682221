// All the code that a payload's guest has at CPL 0: 32 entries, one for each exception, 16 bytes
// apart. An entry completes the frame that the processor pushed and tells the worker, which reads
// the frame and the registers, none of which has changed but RDX, and ends the job.
//
// What lies at RSP then, 8 bytes each: RDX, vector, error code, RIP, CS, RFLAGS, RSP, SS.
//
// The worker copies this to guest-physical memory (vmm-worker/boot/boot_payload.cc); it is position
// independent.

.set kPortCrash, 0x51c  // abi::kPortCrash

.section .rodata
.balign 16
.globl hotcell_fault_stubs_begin
.globl hotcell_fault_stubs_end

hotcell_fault_stubs_begin:
.set vector, 0
.rept 32
  .balign 16
  // These push an error code of their own: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX.
  .if (vector != 8) && (vector < 10 || vector > 14) && (vector != 17) && (vector != 21) && (vector != 29) && (vector != 30)
  pushq $0
  .endif
  pushq $vector
  pushq %rdx
  movl $kPortCrash, %edx
  outb %al, %dx
1:
  hlt
  jmp 1b
  .set vector, vector + 1
.endr
.balign 16, 0xf4
hotcell_fault_stubs_end:

.section .note.GNU-stack, "", @progbits
