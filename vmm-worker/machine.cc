#include "vmm-worker/machine.h"

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <string>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/abi/abi.h"
#include "vmm-worker/boot/boot_long.h"
#include "vmm-worker/boot/boot_real.h"
#include "vmm-worker/boot/elf_loader.h"
#include "vmm-worker/kvm/cpuid.h"
#include "vmm-worker/kvm/setup_check.h"
#include "vmm-worker/platform/exit_loop.h"

namespace hotcell::worker {
namespace {

using abi::kPageSize;

constexpr uint64_t kVgaPageEnd = abi::kVgaTextGpa + kPageSize;
constexpr uint32_t kArenaSlot = 15;
constexpr int kMaxDirtyRanges = 128;
constexpr uint64_t kLongModeDefaultLoad = 0x10000;

Error Refuse(std::string detail) { return {v1::STEP_LOAD_PROGRAM, 0, std::move(detail)}; }

bool Overlaps(uint64_t begin, uint64_t end, uint64_t other_begin, uint64_t other_end) {
  return begin < other_end && other_begin < end;
}

// Appends the ranges of set bits, as page frame numbers.
void AppendRanges(std::span<const uint64_t> bitmap, uint64_t first_page, uint64_t pages,
                  v1::Finished& finished) {
  for (uint64_t page = 0; page < pages; ++page) {
    if ((bitmap[page / 64] >> (page % 64) & 1) == 0) continue;
    const int count = finished.dirty_pages_size();
    const uint64_t number = first_page + page;
    if (count > 0) {
      v1::PageRange& last = *finished.mutable_dirty_pages(count - 1);
      if (last.first() + last.count() == number) {
        last.set_count(last.count() + 1);
        continue;
      }
    }
    if (count == kMaxDirtyRanges) return;
    v1::PageRange& range = *finished.add_dirty_pages();
    range.set_first(number);
    range.set_count(1);
  }
}

// What a vCPU shall have. A host that is itself a guest takes microseconds for each CPUID leaf, so
// they are read for the first vCPU and set for all.
class Features {
 public:
  // The most of the host's vector state that this KVM gives to a guest.
  Status SetFirst(kvm::Vcpu& vcpu) {
    const uint64_t host_xcr0 = ReadHostXcr0();
    Status status;
    for (const uint64_t limit :
         {~uint64_t{0}, kXcr0X87 | kXcr0Sse | kXcr0Avx, kXcr0X87 | kXcr0Sse}) {
      cpuid_ = MakeGuestCpuid(&ReadHostCpuid, host_xcr0 & limit);
      status = vcpu.SetCpuid(cpuid_.entries);
      if (!status.ok()) return status;
      status = vcpu.SetXcr0(cpuid_.xcr0);
      if (status.ok()) return status;
    }
    return status;
  }

  Status SetNext(kvm::Vcpu& vcpu) const {
    Status status = vcpu.SetCpuid(cpuid_.entries);
    return status.ok() ? vcpu.SetXcr0(cpuid_.xcr0) : status;
  }

 private:
  GuestCpuid cpuid_;
};

}  // namespace

Result<std::unique_ptr<Machine>> Machine::Create(const v1::Setup& setup, const PayloadSeeds& seeds,
                                                 std::span<const std::byte> builtin,
                                                 Narration& narration) {
  if (Status status = CheckSetup(setup); !status.ok()) return status.error();
  std::unique_ptr<Machine> machine(new Machine(setup, seeds, builtin, narration));
  Result<GuestMemory> memory = GuestMemory::Create(setup.memory_size());
  if (!memory.ok()) return memory.error();
  machine->memory_ = std::move(*memory);
  const UniqueFd given_up(abi::kFdArena);  // once it is mapped
  if (setup.arena_size() != 0) {
    Result<Mapping> arena = Mapping::OfFile(abi::kFdArena, setup.arena_size());
    if (!arena.ok()) return Error{v1::STEP_MAP_ARENA, arena.error().error, {}};
    machine->arena_ = std::move(*arena);
  }
  return machine;
}

Status Machine::PrepareMemory() {
  if (!is_payload()) return {};
  if (setup_.arena_size() != 0) PopulateArena();
  boot_.Prepare(*memory_, runs_builtin() ? builtin_.size() : setup_.program_size());
  return runs_builtin() ? LoadPayload(builtin_) : Status();
}

// What the smallest job touches: a page that is there costs the guest one fault together with its
// neighbours, and one that is not a dear one of its own.
void Machine::PopulateArena() const {
  abi::ArenaHeader header;
  const uint64_t size = arena_.bytes().size();
  if (size < sizeof(header)) return;
  std::memcpy(&header, arena_.bytes().data(), sizeof(header));
  const auto populate = [&](uint64_t begin, uint64_t end) {
    if (begin < end && end <= size && begin % kPageSize == 0) arena_.Populate(begin, end - begin);
  };
  populate(0, header.job_offset + kPageSize);
  populate(header.report_offset, header.report_offset + kPageSize);
  populate(header.lanes_offset, header.buffers_offset);
  for (uint32_t lane = 0; lane < setup_.vcpus(); ++lane) {
    arena_.Populate(setup_.warm_offset() + lane * setup_.warm_stride(), setup_.warm_size());
  }
}

Status Machine::MakeVm(FrameChannel& channel) {
  Result<kvm::System> system = kvm::System::Adopt(UniqueFd(abi::kFdKvm));
  if (!system.ok()) return system.error();
  narration_.Tell(StrCat("KVM API version ", system->api_version()));
  Result<kvm::Vm> vm = kvm::Vm::Create(*system, abi::kFdVm);
  if (!vm.ok()) return vm.error();
  vm_ = std::move(*vm);
  if (Status status = vm_->DenyMsrs(); !status.ok()) return status;
  if (Status status = vm_->DropSurplus(*system); !status.ok()) return status;
  if (Status status = AddMemory(); !status.ok()) return status;
  if (Status status = AddArena(); !status.ok()) return status;
  if (Status status = AddVcpus(*system); !status.ok()) return status;
  if (Status status = AddIoEvents(); !status.ok()) return status;

  if (!setup_.log_dirty_pages()) vm_.reset();  // the vCPUs keep it alive
  if (is_payload()) {
    platform_ =
        std::make_unique<PayloadPlatform>(boot_, *memory_, has_lanes_ ? abi::kFdWake : -1,
                                          setup_.forward_doorbells() ? abi::kFdDoorbell : -1);
  } else {
    auto classic = std::make_unique<ClassicPlatform>(channel);
    classic_ = classic.get();
    platform_ = std::move(classic);
  }
  return {};
}

Status Machine::AddRamSlot(uint64_t gpa, uint64_t size) {
  RamSlot ram{.slot = static_cast<uint32_t>(ram_.size()), .gpa = gpa, .size = size, .dirty = {}};
  if (setup_.log_dirty_pages()) ram.dirty.resize(DivideUp(size / kPageSize, 64));
  const uint32_t flags = setup_.log_dirty_pages() ? KVM_MEM_LOG_DIRTY_PAGES : 0;
  ram_.push_back(std::move(ram));
  return vm_->SetMemory(ram_.back().slot, gpa, memory_->bytes().subspan(gpa, size), flags);
}

Status Machine::AddMemory() {
  narration_.Tell(StrCat("Guest memory: ", setup_.memory_size() >> 20,
                         " MiB of anonymous memory at guest-physical address 0x0"));
  if (is_payload()) return AddRamSlot(0, setup_.memory_size());
  // The VGA text page is a device: no memory behind it, so that each access comes to the worker.
  if (Status status = AddRamSlot(0, abi::kVgaTextGpa); !status.ok()) return status;
  return AddRamSlot(kVgaPageEnd, setup_.memory_size() - kVgaPageEnd);
}

Status Machine::AddArena() {
  if (setup_.arena_size() != 0 && !is_real()) {
    Status status = vm_->SetMemory(kArenaSlot, abi::kArenaGpa, arena_.bytes(), 0);
    if (!status.ok()) return status;
  }
  if (setup_.program_size() != 0) {
    Result<Mapping> program = Mapping::Anonymous(setup_.program_size());
    if (!program.ok()) return Error{v1::STEP_ALLOCATE_PROGRAM, program.error().error, {}};
    program_ = std::move(*program);
  }
  return {};
}

void Machine::WarmArenaLater() const {
  constexpr uint64_t kStep = 64 << 10;
  for (uint64_t begin = 0; begin < setup_.warm_later_size(); begin += kStep) {
    const uint64_t size = std::min(kStep, setup_.warm_later_size() - begin);
    // All lanes at the same time.
    for (uint32_t lane = 0; lane < setup_.vcpus(); ++lane) {
      arena_.Touch(setup_.warm_offset() + lane * setup_.warm_stride() + begin, size);
    }
  }
}

Status Machine::AddVcpus(const kvm::System& system) {
  Features features;
  for (uint32_t i = 0; i < setup_.vcpus(); ++i) {
    Result<kvm::Vcpu> vcpu = vm_->CreateVcpu(system, i, abi::kFdVcpu + static_cast<int>(i));
    if (!vcpu.ok()) return vcpu.error();
    vcpus_.push_back(std::move(*vcpu));
    Status featured = i == 0 ? features.SetFirst(vcpus_.back()) : features.SetNext(vcpus_.back());
    if (!featured.ok()) return featured;
    Result<kvm_sregs> initial = vcpus_.back().GetSregs();
    if (!initial.ok()) return initial.error();
    sregs_.push_back(is_payload() ? boot_.Sregs(*initial, i)
                     : is_real()  ? RealModeSregs(*initial)
                                  : LongModeSregs(*initial));
    if (Status status = vcpus_.back().SetSregs(sregs_.back()); !status.ok()) return status;
  }
  return vcpus_.front().Prepare();
}

Status Machine::AddIoEvents() {
  has_lanes_ = is_payload() && setup_.arena_size() != 0;
  if (!has_lanes_ || setup_.forward_doorbells()) return {};
  for (uint32_t lane = 0; lane < setup_.vcpus(); ++lane) {
    const int index = static_cast<int>(lane);
    UniqueFd doorbell(abi::kFdDoorbell + index);  // KVM holds it from here on
    Status status = vm_->AddIoEvent(abi::kPortDoorbell, lane, doorbell.get());
    if (!status.ok()) return status;
    status = vm_->AddIoEvent(abi::kPortWakeLane, lane, abi::kFdWake + index);
    if (!status.ok()) return status;
  }
  return {};
}

Status Machine::Load(const v1::Start& start) {
  std::span<const std::byte> program = builtin_;
  if (setup_.program_size() != 0) {
    // Copied once: the guest will be able to write the arena.
    const auto source = arena_.bytes().subspan(setup_.program_offset(), setup_.program_size());
    std::copy(source.begin(), source.end(), program_.bytes().begin());
    program = program_.bytes();
  }
  Status status;
  if (!is_payload()) {
    status = LoadClassic(start, program);
  } else if (!runs_builtin()) {
    status = LoadPayload(program);
  }
  if (!status.ok()) return status;
  for (uint32_t i = 0; i < vcpu_count(); ++i) vcpus_[i].SetRegs(regs_[i]);
  if (is_payload() && !runs_builtin()) {
    narration_.Tell(StrCat("Program: ELF, entry ", Hex(regs_.front().rip), ", ", vcpu_count(),
                           " vCPUs at CPL 3"));
  }
  return {};
}

Status Machine::LoadPayload(std::span<const std::byte> program) {
  Result<ElfImage> image = ParseElf(program, boot_.Rules());
  if (!image.ok()) return image.error();
  if (Status status = boot_.Load(program, *image, seeds_, *memory_); !status.ok()) return status;
  for (uint32_t i = 0; i < vcpu_count(); ++i) regs_.push_back(boot_.Regs(image->entry, i));
  return {};
}

Status Machine::LoadClassic(const v1::Start& start, std::span<const std::byte> program) {
  if (!is_real()) {
    if (Status status = LoadLongMode(setup_.arena_size(), *memory_); !status.ok()) return status;
    narration_.Tell(StrCat("GDT at ", Hex(kLongModeGdt), ": null, 64-bit code 0x8, data 0x10"));
    narration_.Tell(
        StrCat("Page tables at ", Hex(kLongModeTables), ": identity mapping with 2 MiB pages"));
  }
  classic_->SetSerialInput(start.serial_input());
  Result<uint64_t> entry = IsElf(program) ? PlaceElf(start, program) : PlaceFlat(start, program);
  if (!entry.ok()) return entry.error();
  for (uint32_t i = 0; i < vcpu_count(); ++i) {
    regs_.push_back(is_real() ? RealModeRegs(*entry)
                              : LongModeRegs(*entry, i, setup_.arena_size()));
    narration_.Tell(StrCat("vCPU ", i, ": ", is_real() ? "real mode" : "64-bit long mode, CPL 0",
                           ", CR0=", Hex(sregs_[i].cr0), " CR3=", Hex(sregs_[i].cr3),
                           " CR4=", Hex(sregs_[i].cr4), " EFER=", Hex(sregs_[i].efer)));
    narration_.Tell(StrCat("Registers: RIP=", Hex(regs_[i].rip), " RSP=", Hex(regs_[i].rsp),
                           " RFLAGS=", Hex(regs_[i].rflags), " CS=", Hex(sregs_[i].cs.selector),
                           " SS=", Hex(sregs_[i].ss.selector)));
  }
  narration_.Tell("Entering the guest");
  return {};
}

Result<uint64_t> Machine::PlaceFlat(const v1::Start& start, std::span<const std::byte> program) {
  if (program.empty()) return Refuse("the program is empty");
  const bool default_load = !is_real() && start.load_address() == 0;
  const uint64_t load = default_load ? kLongModeDefaultLoad : start.load_address();
  const uint64_t entry = start.entry() == 0 ? load : start.entry();
  if (!memory_->Range(load, program.size())) {
    return Refuse(StrCat("the program (", program.size(), " bytes at ", Hex(load),
                         ") does not fit into guest memory"));
  }
  const uint64_t end = load + program.size();
  if (Overlaps(load, end, abi::kVgaTextGpa, kVgaPageEnd)) {
    return Refuse(StrCat("the program (", Hex(load), " to ", Hex(end),
                         ") overlaps the VGA text memory at ", Hex(abi::kVgaTextGpa)));
  }
  if (!is_real() && load < kLongModeProgramLow) {
    return Refuse(StrCat("the load address ", Hex(load), " is below ", Hex(kLongModeProgramLow),
                         ", where the GDT and the page tables lie"));
  }
  if (entry < load || entry >= end) {
    return Refuse(
        StrCat("the entry ", Hex(entry), " is outside the program, ", Hex(load), " to ", Hex(end)));
  }
  if (is_real() && entry >= kRealModeCodeEnd) {
    return Refuse(StrCat("the entry ", Hex(entry), " is beyond ", Hex(kRealModeCodeEnd),
                         ", what real mode reaches with CS = 0"));
  }
  memory_->Write(load, program);
  narration_.Tell(StrCat("Code: ", program.size(), " bytes at ", Hex(load)));
  return entry;
}

Result<uint64_t> Machine::PlaceElf(const v1::Start& start, std::span<const std::byte> program) {
  if (is_real()) return Refuse("an ELF program cannot run in real mode; it takes a flat binary");
  Result<ElfImage> image = ParseElf(
      program, {.low = kLongModeProgramLow, .high = memory_->size(), .protected_pages = false});
  if (!image.ok()) return image.error();
  for (const ElfSegment& segment : image->segments) {
    if (Overlaps(segment.address, segment.end(), abi::kVgaTextGpa, kVgaPageEnd)) {
      return Refuse(StrCat("a segment of the ELF file overlaps the VGA text memory at ",
                           Hex(abi::kVgaTextGpa)));
    }
    narration_.Tell(
        StrCat("Code: ELF segment of ", segment.memory_size, " bytes at ", Hex(segment.address)));
  }
  if (Status status = LoadElf(program, *image, *memory_); !status.ok()) return status.error();
  return start.entry() == 0 ? image->entry : start.entry();
}

void Machine::Finish(v1::Finished& finished) {
  if (!regs_.empty()) {
    CopyRegisters(regs_[finished.vcpu()], sregs_[finished.vcpu()],
                  *finished.mutable_initial_registers());
  }
  if (!setup_.log_dirty_pages()) return;
  for (RamSlot& ram : ram_) {
    if (!vm_->GetDirtyLog(ram.slot, ram.dirty).ok()) continue;
    AppendRanges(ram.dirty, ram.gpa / kPageSize, ram.size / kPageSize, finished);
  }
}

}  // namespace hotcell::worker
