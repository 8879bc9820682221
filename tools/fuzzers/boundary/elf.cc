// A program that is any ELF file or none, against the worker's loader: what it accepts is placed
// where the file says and nowhere else, and the page tables allow what the file asks for and never
// writing and executing at once. The tables are walked as a processor walks them.
#include <elf.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/alignment.h"
#include "guest/abi/abi.h"
#include "tools/fuzzers/boundary/clean_text.h"
#include "tools/fuzzers/check.h"
#include "vmm-worker/boot/boot_long.h"
#include "vmm-worker/boot/boot_payload.h"
#include "vmm-worker/boot/elf_loader.h"
#include "vmm-worker/kvm/guest_memory.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace hotcell::fuzz {
namespace {

using worker::ElfImage;
using worker::ElfSegment;
using worker::GuestMemory;

constexpr uint64_t kMemory = abi::kMinGuestMemory;
constexpr uint64_t kArena = 8 << 20;
constexpr uint64_t kPage = 4096;
constexpr uint64_t kTables = 0x40000;

struct Access {
  bool user = false, writable = false, executable = false;
  bool operator==(const Access&) const = default;
};

// Intel SDM volume 3, 4.5: four levels, the weakest permission on the way counts. `address` is
// below 8 GiB.
std::optional<Access> Walk(const GuestMemory& memory, uint64_t root, uint64_t address) {
  Access access{.user = true, .writable = true, .executable = true};
  uint64_t table = root;
  for (int shift = 39; shift >= 12; shift -= 9) {
    uint64_t entry = 0;
    Check(memory.Read(table + (address >> shift & 511) * 8,
                      std::as_writable_bytes(std::span(&entry, 1))),
          "page tables lie in guest memory");
    if ((entry & 1) == 0) return std::nullopt;
    access.writable = access.writable && (entry & 2) != 0;
    access.user = access.user && (entry & 4) != 0;
    access.executable = access.executable && entry >> 63 == 0;
    const uint64_t target = entry & 0x000f'ffff'ffff'f000;
    if (shift == 12 || (shift == 21 && (entry & 0x80) != 0)) {
      const uint64_t mask = (1ull << shift) - 1;
      Check((target & ~mask) + (address & mask) == address, "the mapping is the identity");
      return access;
    }
    table = target;
  }
  return std::nullopt;
}

// The segments to be loaded, read anew.
std::vector<Elf64_Phdr> Loads(std::string_view file) {
  Elf64_Ehdr header;
  std::memcpy(&header, file.data(), sizeof(header));
  std::vector<Elf64_Phdr> loads;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, file.data() + header.e_phoff + i * sizeof(segment), sizeof(segment));
    if (segment.p_type == PT_LOAD && segment.p_memsz != 0) loads.push_back(segment);
  }
  return loads;
}

void CheckImage(std::string_view file, const ElfImage& image, const worker::ElfRules& rules) {
  const std::vector<Elf64_Phdr> loads = Loads(file);
  Check(image.segments.size() == loads.size(), "each segment is loaded");
  for (const ElfSegment& segment : image.segments) {
    Check(segment.address >= rules.low && segment.memory_size <= rules.high &&
              segment.address <= rules.high - segment.memory_size,
          "a segment lies in the memory a program may use");
    Check(segment.file_size <= segment.memory_size && segment.file_offset <= file.size() &&
              segment.file_size <= file.size() - segment.file_offset,
          "a segment's bytes lie in the file");
    for (const ElfSegment& other : image.segments) {
      Check(&segment == &other || segment.end() <= other.address || other.end() <= segment.address,
            "segments lie apart");
    }
    if (!rules.protected_pages) continue;
    Check(segment.address % kPage == 0, "a protected segment begins on a page");
    Check(!segment.writable || !segment.executable, "no segment is writable and executable");
  }
}

void CheckSegmentBytes(std::string_view file, const GuestMemory& memory) {
  for (const Elf64_Phdr& load : Loads(file)) {
    const auto range = memory.Range(load.p_vaddr, load.p_memsz);
    Check(range.has_value(), "a segment lies in guest memory");
    const std::string_view placed(reinterpret_cast<const char*>(range->data()), range->size());
    Check(placed.substr(0, load.p_filesz) == file.substr(load.p_offset, load.p_filesz),
          "a segment's bytes are the file's");
    Check(placed.substr(load.p_filesz).find_first_not_of('\0') == std::string_view::npos,
          "the rest of a segment is zero");
  }
}

bool IsZero(const GuestMemory& memory, uint64_t begin, uint64_t end) {
  const auto range = memory.bytes().subspan(begin, end - begin);
  return std::all_of(range.begin(), range.end(),
                     [](std::byte byte) { return byte == std::byte{}; });
}

// What docs/guest-abi.md says of the memory at `page`, which is above the supervisor area.
std::optional<Access> Promised(std::span<const Elf64_Phdr> loads, const worker::PayloadBoot& boot,
                               uint32_t vcpus, uint64_t heap, uint64_t page) {
  for (uint32_t vcpu = 0; vcpu < vcpus; ++vcpu) {
    if (page == boot.BootInfoPage(vcpu)) return Access{.user = true};
    if (page == boot.ThreadPage(vcpu)) return Access{.user = true, .writable = true};
    if (page == boot.ThreadPage(vcpu) + kPage) return std::nullopt;
  }
  if (page >= heap) return Access{.user = true, .writable = true};  // or a stack
  for (const Elf64_Phdr& load : loads) {
    const uint64_t end = AlignUp(load.p_vaddr + load.p_memsz, kPage);
    if (page < load.p_vaddr || page >= end) continue;
    return Access{.user = true,
                  .writable = (load.p_flags & PF_W) != 0,
                  .executable = (load.p_flags & PF_X) != 0};
  }
  return std::nullopt;
}

void CheckPages(std::string_view file, const worker::PayloadBoot& boot, uint32_t vcpus,
                const GuestMemory& memory) {
  const std::vector<Elf64_Phdr> loads = Loads(file);
  uint64_t heap = 0;
  for (const Elf64_Phdr& load : loads) heap = std::max(heap, load.p_vaddr + load.p_memsz);
  heap = AlignUp(heap, kPage);
  Check(!Walk(memory, kTables, 0), "the null page is not mapped");
  for (uint64_t page = kPage; page < abi::kPayloadBase; page += kPage) {
    const std::optional<Access> access = Walk(memory, kTables, page);
    if (!access) continue;
    Check(!access->user, "the supervisor's pages are its own");
    Check(!access->writable || !access->executable, "W^X holds for the supervisor");
    Check(page < kTables, "page tables are not mapped");
  }
  for (uint64_t page = abi::kPayloadBase; page < kMemory; page += kPage) {
    Check(Walk(memory, kTables, page) == Promised(loads, boot, vcpus, heap, page),
          "a page may be used as promised", std::to_string(page));
  }
  // Some of them: there are many.
  for (uint64_t page = kMemory; page < kMemory + (8 << 20); page += 61 * kPage) {
    Check(!Walk(memory, kTables, page), "nothing lies beyond guest memory");
  }
  for (uint64_t offset = 0; offset < kArena; offset += 256 * kPage) {
    Check(Walk(memory, kTables, abi::kArenaGpa + offset) == Access{.user = true, .writable = true},
          "the arena is data");
  }
  Check(!Walk(memory, kTables, abi::kArenaGpa + kArena), "nothing lies beyond the arena");
  Check(IsZero(memory, heap, boot.BootInfoPage(0)), "the heap is zero");
}

std::span<const std::byte> AsBytes(std::string_view file) {
  return std::as_bytes(std::span(file.data(), file.size()));
}

void CheckError(const worker::Error& error) {
  CheckClean(error.detail, "an error's text");
  Check(!error.detail.empty() && error.detail.size() < 512, "an error has a short text");
}

GuestMemory MakeMemory() {
  worker::Result<GuestMemory> memory = GuestMemory::Create(kMemory);
  Check(memory.ok(), "guest memory can be made");
  return std::move(*memory);
}

void LoadPayload(std::string_view file) {
  // A byte of the header that means nothing chooses.
  const uint32_t vcpus = file.size() > EI_PAD && file[EI_PAD] % 2 != 0 ? 3 : 1;
  const worker::PayloadBoot boot(kMemory, vcpus, kArena);
  const worker::ElfRules rules = boot.Rules();
  const worker::Result<ElfImage> image = worker::ParseElf(AsBytes(file), rules);
  if (!image.ok()) return CheckError(image.error());
  CheckImage(file, *image, rules);
  Check(std::any_of(image->segments.begin(), image->segments.end(),
                    [&](const ElfSegment& segment) {
                      return segment.executable && image->entry >= segment.address &&
                             image->entry < segment.end();
                    }),
        "the entry is code");
  GuestMemory memory = MakeMemory();
  const worker::Status loaded = boot.Load(AsBytes(file), *image, {}, memory);
  Check(loaded.ok(), "what was accepted is loaded");
  CheckSegmentBytes(file, memory);
  CheckPages(file, boot, vcpus, memory);
}

void LoadLong(std::string_view file) {
  const worker::ElfRules rules{
      .low = worker::kLongModeProgramLow, .high = kMemory, .protected_pages = false};
  const worker::Result<ElfImage> image = worker::ParseElf(AsBytes(file), rules);
  if (!image.ok()) return CheckError(image.error());
  CheckImage(file, *image, rules);
  GuestMemory memory = MakeMemory();
  Check(worker::LoadLongMode(kArena, memory).ok(), "page tables for long mode are made");
  const std::string tables(reinterpret_cast<const char*>(memory.bytes().data()), rules.low);
  Check(worker::LoadElf(AsBytes(file), *image, memory).ok(), "what was accepted is loaded");
  Check(std::memcmp(tables.data(), memory.bytes().data(), tables.size()) == 0,
        "a program does not lie over the page tables");
  CheckSegmentBytes(file, memory);
}

// Numbers that a field of the file is set to: around the bounds of what is allowed.
uint64_t NewNumber(std::minstd_rand& random) {
  static constexpr uint64_t kEdges[] = {0,          1,          16,        kPage,
                                        0x10000,    0xb8000,    0x1fffff,  abi::kPayloadBase,
                                        0x201000,   0x3bd000,   kMemory,   kMemory - kPage,
                                        1ull << 32, 1ull << 63, UINT64_MAX};
  const uint64_t edge = kEdges[random() % std::size(kEdges)];
  switch (random() % 4) {
    case 0:
      return edge + random() % 3 - 1;
    case 1:
      return (edge + random() % 64 * kPage) & ~(kPage - 1);
    default:
      return edge;
  }
}

void MutateSegment(Elf64_Phdr& segment, std::minstd_rand& random) {
  switch (random() % 8) {
    case 0:
      segment.p_type = random() % 4 == 0 ? random() % 8 : PT_LOAD;
      break;
    case 1:
      segment.p_flags = random() % 8;
      break;
    case 2:
      segment.p_offset = NewNumber(random);
      break;
    case 3:
      segment.p_vaddr = NewNumber(random);
      break;
    case 4:
      segment.p_filesz = NewNumber(random);
      break;
    case 5:
      segment.p_memsz = NewNumber(random);
      break;
    case 6:
      segment.p_filesz = segment.p_memsz = random() % 300;
      break;
    default:
      segment.p_vaddr += kPage * (random() % 8) - 4 * kPage;
  }
}

}  // namespace
}  // namespace hotcell::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  hotcell::fuzz::LoadPayload(file);
  hotcell::fuzz::LoadLong(file);
  return 0;
}

// Mostly fields of the header and of program headers; else any bytes.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned int seed) {
  std::minstd_rand random(seed);
  Elf64_Ehdr header;
  if (size < sizeof(header) || random() % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  std::memcpy(&header, data, sizeof(header));
  switch (random() % 12) {
    case 0:
      header.e_entry = hotcell::fuzz::NewNumber(random);
      break;
    case 1:
      header.e_phoff = random() % 2 == 0 ? sizeof(header) : hotcell::fuzz::NewNumber(random);
      break;
    case 2:
      header.e_phnum = static_cast<uint16_t>(random() % 6);
      break;
    case 3:
      header.e_ident[EI_PAD] = static_cast<uint8_t>(random());
      break;
    default: {
      if (header.e_phnum == 0) return LLVMFuzzerMutate(data, size, max_size);
      const uint64_t at = header.e_phoff + random() % header.e_phnum * uint64_t{sizeof(Elf64_Phdr)};
      Elf64_Phdr segment;
      if (at > size || size - at < sizeof(segment)) return LLVMFuzzerMutate(data, size, max_size);
      std::memcpy(&segment, data + at, sizeof(segment));
      hotcell::fuzz::MutateSegment(segment, random);
      std::memcpy(data + at, &segment, sizeof(segment));
    }
  }
  std::memcpy(data, &header, sizeof(header));
  return size;
}
