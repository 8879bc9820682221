// The virtual machine of one job: its RAM, arena, vCPUs and platform. Made while the worker is
// still being set up, the memory on one thread and the VM on another; loaded with a program of the
// user's when it is locked down.
#ifndef HOTCELL_VMM_WORKER_MACHINE_H_
#define HOTCELL_VMM_WORKER_MACHINE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "protos/control.pb.h"
#include "vmm-worker/boot/boot_payload.h"
#include "vmm-worker/frames.h"
#include "vmm-worker/kvm/guest_memory.h"
#include "vmm-worker/kvm/kvm.h"
#include "vmm-worker/narration.h"
#include "vmm-worker/platform/classic_platform.h"
#include "vmm-worker/platform/payload_platform.h"
#include "vmm-worker/platform/platform.h"
#include "vmm-worker/result.h"

namespace hotcell::worker {

class Machine {
 public:
  // Checks every field of `setup` and allocates the memory. `builtin` is the program of payloads
  // that bring none. It and `narration` outlive the machine.
  static Result<std::unique_ptr<Machine>> Create(const v1::Setup& setup, const PayloadSeeds& seeds,
                                                 std::span<const std::byte> builtin,
                                                 Narration& narration);

  // Populates the memory, and loads the built-in program where it is the one to be run: that one
  // is trusted. May run beside MakeVm().
  Status PrepareMemory();
  // Takes over the descriptors abi::kFdKvm and abi::kFdArena, and closes what a locked-down worker
  // does not need. `channel` outlives the machine.
  Status MakeVm(FrameChannel& channel);

  // After both: loads a program of the user's and sets the registers to start it. Makes no system
  // calls. Errors are about the program.
  Status Load(const v1::Start& start);

  uint32_t vcpu_count() const { return setup_.vcpus(); }
  kvm::Vcpu& vcpu(uint32_t index) { return vcpus_[index]; }
  Platform& platform() { return *platform_; }
  v1::GuestMode mode() const { return setup_.mode(); }
  bool has_lanes() const { return has_lanes_; }
  bool runs_builtin() const { return is_payload() && setup_.program_size() == 0; }

  // Once the guest runs: maps what of the arena it will come to use, which costs less here than at
  // the guest's first access.
  void WarmArenaLater() const;
  // What the machine knows at the end: registers at entry and dirty pages, where they were asked
  // for.
  void Finish(v1::Finished& finished);

 private:
  // RAM in one slot of KVM's, for the dirty-page log.
  struct RamSlot {
    uint32_t slot = 0;
    uint64_t gpa = 0;
    uint64_t size = 0;
    std::vector<uint64_t> dirty;  // one bit per page
  };

  Machine(const v1::Setup& setup, const PayloadSeeds& seeds, std::span<const std::byte> builtin,
          Narration& narration)
      : setup_(setup),
        seeds_(seeds),
        builtin_(builtin),
        narration_(narration),
        boot_(setup.memory_size(), setup.vcpus(), setup.arena_size()) {}

  bool is_payload() const { return setup_.mode() == v1::GUEST_MODE_PAYLOAD; }
  bool is_real() const { return setup_.mode() == v1::GUEST_MODE_REAL; }

  void PopulateArena() const;
  Status AddMemory();
  Status AddRamSlot(uint64_t gpa, uint64_t size);
  Status AddArena();
  Status AddVcpus(const kvm::System& system);
  Status AddIoEvents();

  Status LoadPayload(std::span<const std::byte> program);
  Status LoadClassic(const v1::Start& start, std::span<const std::byte> program);
  Result<uint64_t> PlaceFlat(const v1::Start& start, std::span<const std::byte> program);
  Result<uint64_t> PlaceElf(const v1::Start& start, std::span<const std::byte> program);

  const v1::Setup setup_;
  const PayloadSeeds seeds_;
  const std::span<const std::byte> builtin_;
  Narration& narration_;
  const PayloadBoot boot_;
  std::optional<GuestMemory> memory_;
  Mapping arena_;
  Mapping program_;  // for a private copy of a program of the user's
  std::optional<kvm::Vm> vm_;
  std::vector<RamSlot> ram_;
  std::vector<kvm::Vcpu> vcpus_;
  std::vector<kvm_sregs> sregs_;
  std::vector<kvm_regs> regs_;  // at entry
  std::unique_ptr<Platform> platform_;
  ClassicPlatform* classic_ = nullptr;  // platform_, when it is that
  bool has_lanes_ = false;
};

}  // namespace hotcell::worker

#endif  // HOTCELL_VMM_WORKER_MACHINE_H_
