#include "tools/fuzzers/boundary/kvm_guest.h"

#include <elf.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "tools/fuzzers/check.h"

namespace hotcell::fuzz {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kText = abi::kPayloadBase;
constexpr uint64_t kTextOffset = 4096;  // in the file
constexpr uint64_t kDataSize = 64 << 10;
constexpr uint64_t kData = kText + kPayloadSize;
constexpr size_t kMaxCode = kPayloadSize - kTextOffset - 256;
constexpr int kMaxSteps = 100;

// Instructions of interest, with whatever the registers hold: what CPL 3 may not do, what it may,
// and what leaves for the hypervisor.
constexpr std::string_view kInstructions[] = {
    "\xf4"sv,                          // hlt
    "\xfa"sv,                          // cli
    "\xfb"sv,                          // sti
    "\x0f\x05"sv,                      // syscall
    "\x0f\x34"sv,                      // sysenter
    "\x0f\x07"sv,                      // sysret
    "\x48\xcf"sv,                      // iretq
    "\xcd\x80"sv,                      // int 0x80
    "\xcd\x0e"sv,                      // int 14
    "\xcc"sv,                          // int3
    "\xf1"sv,                          // int1
    "\x0f\x0b"sv,                      // ud2
    "\x0f\x01\xc1"sv,                  // vmcall
    "\x0f\x01\xd9"sv,                  // vmmcall
    "\x0f\x01\xc8"sv,                  // monitor
    "\x0f\x01\xc9"sv,                  // mwait
    "\x0f\x01\xd0"sv,                  // xgetbv
    "\x0f\x01\xd1"sv,                  // xsetbv
    "\x0f\x01\xf8"sv,                  // swapgs
    "\x0f\x01\xf9"sv,                  // rdtscp
    "\x0f\xa2"sv,                      // cpuid
    "\x0f\x30"sv,                      // wrmsr
    "\x0f\x32"sv,                      // rdmsr
    "\x0f\x33"sv,                      // rdpmc
    "\x0f\x31"sv,                      // rdtsc
    "\x0f\x08"sv,                      // invd
    "\x0f\x09"sv,                      // wbinvd
    "\x0f\x06"sv,                      // clts
    "\x0f\x01\x38"sv,                  // invlpg [rax]
    "\x0f\x20\xc0"sv,                  // mov rax, cr0
    "\x0f\x22\xd8"sv,                  // mov cr3, rax
    "\x0f\x22\xe0"sv,                  // mov cr4, rax
    "\x0f\x23\xc0"sv,                  // mov dr0, rax
    "\x0f\x01\x10"sv,                  // lgdt [rax]
    "\x0f\x01\x18"sv,                  // lidt [rax]
    "\x0f\x00\xd0"sv,                  // lldt ax
    "\x0f\x00\xd8"sv,                  // ltr ax
    "\x8e\xd8"sv,                      // mov ds, eax
    "\x8e\xe8"sv,                      // mov gs, eax
    "\xf3\x48\x0f\xae\xd0"sv,          // wrfsbase rax
    "\xf3\x48\x0f\xae\xd8"sv,          // wrgsbase rax
    "\x0f\xae\x00"sv,                  // fxsave [rax]
    "\x0f\xae\x08"sv,                  // fxrstor [rax]
    "\x48\x0f\xc7\x08"sv,              // cmpxchg16b [rax]
    "\xf0\x48\x0f\xb1\x08"sv,          // lock cmpxchg [rax], rcx
    "\x66\x0f\x38\x82\x00"sv,          // invpcid rax, [rax]
    "\xc5\xfc\x77"sv,                  // vzeroall
    "\x62\xf1\x7c\x48\x28\x00"sv,      // vmovaps zmm0, [rax]
    "\x0f\xc7\xf8"sv,                  // rdseed eax
    "\xf3\x0f\xc7\xf8"sv,              // rdpid rax
    "\x9d"sv,                          // popfq
    "\x48\xc7\xc4\x00\x00\x00\x00"sv,  // mov rsp, 0
    "\x48\x31\xc0\xff\xe0"sv,          // jump to null
    "\x48\xcb"sv,                      // retfq
    "\x0f\xff"sv,                      // ud0
    "\xf3\x90"sv,                      // pause
    "\xf3\xa4"sv,                      // rep movsb
    "\xf3\xab"sv,                      // rep stosd
    "\xf3\x6e"sv,                      // rep outsb
    "\xf3\x6c"sv,                      // rep insb
};

class Assembler {
 public:
  void Bytes(std::string_view bytes) { code_ += bytes; }
  size_t size() const { return code_.size(); }
  std::string Take() { return std::move(code_); }

  void Rax(uint64_t value) { Load("\x48\xb8", value); }
  void Rcx(uint64_t value) { Load("\x48\xb9", value); }
  void Rdx(uint64_t value) { Load("\x48\xba", value); }
  void Rsi(uint64_t value) { Load("\x48\xbe", value); }
  void Rdi(uint64_t value) { Load("\x48\xbf", value); }
  void Store64(uint64_t address, uint64_t value) {
    Rax(address);
    Rcx(value);
    Bytes("\x48\x89\x08"sv);  // mov [rax], rcx
  }
  void Store32(uint64_t address, uint32_t value) {
    Rax(address);
    Rcx(value);
    Bytes("\x89\x08"sv);  // mov [rax], ecx
  }
  // Copies bytes that stand in the code to `address`.
  void CopyTo(uint64_t address, std::string_view bytes) {
    Bytes("\x48\x8d\x35"sv);  // lea rsi, [rip + ...]
    Number<uint32_t>(10 + 10 + 2 + 5);
    Rdi(address);
    Rcx(bytes.size());
    Bytes("\xf3\xa4\xe9"sv);  // rep movsb; jmp over them
    Number(static_cast<uint32_t>(bytes.size()));
    Bytes(bytes);
  }
  void Out32(uint16_t port, uint32_t value) {
    Rdx(port);
    Rax(value);
    Bytes("\xef"sv);
  }
  // Lets the broker have its turn.
  void Spin(uint32_t count) {
    Rcx(count + 1);
    Bytes("\xf3\x90\x48\xff\xc9\x75\xf9"sv);  // pause; dec rcx; jnz
  }
  template <typename T>
  void Number(T value) {
    code_.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }

 private:
  void Load(const char* opcode, uint64_t value) {
    code_.append(opcode, 2);
    Number(value);
  }
  std::string code_;
};

// What the first vCPU does.
class Script {
 public:
  Script(ByteSource& input, const abi::ArenaHeader& header) : input_(input), header_(header) {}

  std::string Assemble() {
    for (int i = 0; i < kMaxSteps && !input_.empty() && code_.size() < kMaxCode / 2; ++i) Step();
    code_.Out32(abi::kPortDoorbell, 0);
    code_.Spin(200);
    code_.Out32(abi::kPortExit, 0);
    return code_.Take();
  }

 private:
  uint64_t Lane() const { return abi::kArenaGpa + header_.lanes_offset; }

  uint64_t TakeNumber() {
    static constexpr uint64_t kEdges[] = {0,        4096,       40000,     65536,      2 << 20,
                                          24 << 20, 1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX};
    return input_.TakeNear(kEdges);
  }

  uint64_t TakeAddress() {
    const uint64_t edges[] = {0,
                              0x1000,   // GDT
                              0x2000,   // IDT
                              0x4000,   // TSS
                              0x40000,  // page tables
                              kText,
                              kData,
                              abi::kArenaGpa,
                              Lane(),
                              abi::kArenaGpa + header_.buffers_offset,
                              abi::kArenaGpa + header_.arena_size,
                              0xb8000,
                              0xfee00000,  // local APIC
                              0xfec00000,  // I/O APIC
                              0x800000000000,
                              UINT64_MAX - 127};
    return input_.Pick(edges) + static_cast<uint64_t>(int64_t{input_.Take<int8_t>()});
  }

  void Submit(abi::Submission request) {
    request.user_data = tail_;
    code_.CopyTo(Lane() + abi::kSubmissionRingOffset + tail_ % abi::kRingEntries * sizeof(request),
                 {reinterpret_cast<const char*>(&request), sizeof(request)});
    code_.Store32(Lane() + offsetof(abi::LaneControl, sq_tail), ++tail_);
  }

  abi::Submission TakeSubmission() {
    abi::Submission request{};
    request.opcode = input_.Choose(11);
    request.slot = input_.Choose(4);
    request.offset = request.opcode == 5 || request.opcode == 7 ? 0 : TakeNumber();
    request.length = request.opcode == 5 || request.opcode == 6 ? 0 : TakeNumber();
    const bool has_buffer =
        request.opcode == 1 || request.opcode == 2 || request.opcode == 4 || request.opcode == 7;
    if (has_buffer)
      request.buffer = header_.buffers_offset + (input_.Choose(4) == 0 ? TakeNumber() : 0);
    if (request.opcode == 7) request.flags = 1 + input_.Choose(4);
    if (request.opcode == 8) request.source_offset = TakeNumber();
    return request;
  }

  void Step() {
    switch (input_.Choose(16)) {
      case 0:
      case 1:
        return Submit(TakeSubmission());
      case 2: {  // a word of any lane's control or rings
        const uint64_t at = input_.Take<uint16_t>() % (kGuestVcpus * abi::kLaneStride) & ~7ull;
        return code_.Store64(Lane() + at, TakeNumber());
      }
      case 3:
        code_.Out32(abi::kPortDoorbell, input_.Choose(4));
        return code_.Spin(input_.Choose(200));
      case 4: {  // sleep until a request is done, or be woken at once
        code_.Store32(Lane() + offsetof(abi::LaneControl, guest_waiting), 1);
        code_.Out32(input_.Choose(2) == 0 ? abi::kPortWakeLane : abi::kPortDoorbell, 0);
        return code_.Out32(abi::kPortWait, input_.Choose(8) == 0 ? input_.Choose(4) : 0);
      }
      case 5:
      case 6:
        return code_.Bytes(input_.TakeBytes(1 + input_.Choose(24)));
      case 7:
        return Port();
      case 8:
      case 9:
        code_.Rax(TakeAddress());
        code_.Rcx(TakeNumber());
        return code_.Bytes(input_.Pick(kInstructions));
      case 10:
        return Access();
      case 11: {  // a report
        const std::string_view report = input_.TakeBytes(input_.Choose(64));
        code_.CopyTo(abi::kArenaGpa + header_.report_offset, report);
        return code_.Store64(
            abi::kArenaGpa + header_.status_offset + offsetof(abi::GuestStatus, report_size),
            input_.Choose(2) == 0 ? report.size() : TakeNumber());
      }
      case 12: {  // any word of the status, and of the header, which nobody reads again
        const uint64_t at = input_.Take<uint16_t>() % 2048 & ~7ull;
        return code_.Store64(
            abi::kArenaGpa + (input_.Choose(4) == 0 ? 0 : header_.status_offset) + at,
            TakeNumber());
      }
      case 13: {
        const std::string_view name = input_.TakeBytes(1 + input_.Choose(40));
        code_.CopyTo(abi::kArenaGpa + header_.buffers_offset, name);
        return Submit({.opcode = static_cast<uint32_t>(abi::Opcode::kOpenReference),
                       .slot = input_.Choose(3),
                       .length = name.size(),
                       .buffer = header_.buffers_offset,
                       .flags = 1 + input_.Choose(4)});
      }
      case 14:
        // Completions are taken.
        return code_.Store32(Lane() + offsetof(abi::LaneControl, cq_head),
                             tail_ + static_cast<uint32_t>(int32_t{input_.Take<int8_t>()}));
      default:
        return code_.Out32(abi::kPortExit, input_.Choose(8) == 0 ? input_.Take<uint32_t>() : 0x70);
    }
  }

  void Port() {
    static constexpr uint16_t kPorts[] = {0x510, 0x511, 0x513, 0x514, 0x518, 0x51b, 0x51c, 0x51f,
                                          0x520, 0x523, 0x524, 0x3f8, 0x60,  0x64,  0x70,  0xcf8};
    static constexpr std::string_view kMoves[] = {"\xef"sv,     "\xee"sv, "\x66\xef"sv,
                                                  "\xed"sv,     "\xec"sv, "\x66\xed"sv,
                                                  "\xf3\x6f"sv,  // rep outsd
                                                  "\x6e"sv};     // outsb
    const bool known = input_.Choose(4) != 0;
    code_.Rsi(kData);
    code_.Rdi(kData);
    code_.Rcx(input_.Take<uint8_t>());
    code_.Rdx(known ? input_.Pick(kPorts) : input_.Take<uint16_t>());
    code_.Rax(input_.Choose(4) != 0 ? input_.Choose(20) : TakeNumber());
    code_.Bytes(input_.Pick(kMoves));
  }

  void Access() {
    static constexpr std::string_view kMoves[] = {
        "\x48\x8b\x08"sv,          // mov rcx, [rax]
        "\x48\x89\x08"sv,          // mov [rax], rcx
        "\xf0\x48\x01\x08"sv,      // lock add [rax], rcx
        "\xff\xe0"sv,              // jmp rax
        "\x48\x89\xc4\x50"sv,      // mov rsp, rax; push rax
        "\x0f\x11\x00"sv,          // movups [rax], xmm0
        "\xc5\xfc\x11\x00"sv,      // vmovups [rax], ymm0
        "\x48\x89\xc7\xf3\xaa"sv,  // mov rdi, rax; rep stosb
    };
    code_.Rax(TakeAddress());
    code_.Rcx(input_.Take<uint16_t>());
    code_.Bytes(input_.Pick(kMoves));
  }

  ByteSource& input_;
  const abi::ArenaHeader& header_;
  Assembler code_;
  uint32_t tail_ = 0;
};

// Flips a word of the first lane between two values, some thousand times.
std::string Flipper(ByteSource& input, const abi::ArenaHeader& header) {
  Assembler code;
  const uint64_t at = input.Take<uint16_t>() % 2048 & ~3ull;
  code.Rax(abi::kArenaGpa + header.lanes_offset + at);
  code.Rcx(1 + uint64_t{input.Take<uint16_t>()});
  code.Rdx(input.Take<uint32_t>());
  code.Rsi(input.Take<uint16_t>());
  code.Bytes("\x89\x10\x89\x30\x48\xff\xc9\x75\xf7"sv);  // mov [rax], edx; [rax], esi; loop
  code.Out32(abi::kPortExit, 0);
  return code.Take();
}

void AddSegment(std::string& file, int index, const Elf64_Phdr& segment) {
  std::memcpy(file.data() + sizeof(Elf64_Ehdr) + index * sizeof(segment), &segment,
              sizeof(segment));
}

}  // namespace

std::string MakePayload(ByteSource& input, const abi::ArenaHeader& header) {
  const std::string flipper = Flipper(input, header);
  Assembler code;
  code.Bytes("\x83\x7f\x04\x00\x74"sv);  // cmp dword [rdi + 4], 0 (vcpu_index); je over
  code.Number(static_cast<uint8_t>(flipper.size()));
  code.Bytes(flipper);
  code.Bytes(Script(input, header).Assemble());
  Check(code.size() <= kMaxCode && flipper.size() < 128, "a payload fits");

  Elf64_Ehdr elf{};
  std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
  elf.e_ident[EI_CLASS] = ELFCLASS64;
  elf.e_ident[EI_DATA] = ELFDATA2LSB;
  elf.e_ident[EI_VERSION] = EV_CURRENT;
  elf.e_type = ET_EXEC;
  elf.e_machine = EM_X86_64;
  elf.e_version = EV_CURRENT;
  elf.e_entry = kText;
  elf.e_phoff = elf.e_ehsize = sizeof(elf);
  elf.e_phentsize = sizeof(Elf64_Phdr);
  elf.e_phnum = 2;
  std::string file(kTextOffset, '\0');
  std::memcpy(file.data(), &elf, sizeof(elf));
  file += code.Take();
  file.resize(kPayloadSize);
  AddSegment(file, 0,
             {.p_type = PT_LOAD,
              .p_flags = PF_R | PF_X,
              .p_offset = kTextOffset,
              .p_vaddr = kText,
              .p_filesz = kPayloadSize - kTextOffset,
              .p_memsz = kPayloadSize - kTextOffset});
  AddSegment(file, 1,
             {.p_type = PT_LOAD,
              .p_flags = PF_R | PF_W,
              .p_offset = 0,
              .p_vaddr = kData,
              .p_filesz = 0,
              .p_memsz = kDataSize});
  return file;
}

}  // namespace hotcell::fuzz
