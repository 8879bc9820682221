#include "vmm-worker/boot/elf_loader.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "base/alignment.h"
#include "base/text.h"
#include "guest/abi/abi.h"

namespace hotcell::worker {
namespace {

Error Refuse(std::string detail) { return {v1::STEP_LOAD_PROGRAM, 0, std::move(detail)}; }

// Copies a struct out of the file. Precondition: it lies within.
template <typename T>
T ReadAt(std::span<const std::byte> file, uint64_t offset) {
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(value));
  return value;
}

bool Contains(uint64_t size, uint64_t offset, uint64_t length) {
  return offset <= size && length <= size - offset;
}

std::optional<Error> CheckHeader(std::span<const std::byte> file, const Elf64_Ehdr& header) {
  if (header.e_ident[EI_CLASS] != ELFCLASS64) return Refuse("the ELF file is not a 64-bit one");
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) return Refuse("the ELF file is not little-endian");
  if (header.e_ident[EI_VERSION] != EV_CURRENT || header.e_version != EV_CURRENT) {
    return Refuse("the ELF file's version is not 1");
  }
  if (header.e_machine != EM_X86_64) {
    return Refuse(
        StrCat("the ELF file is for machine ", header.e_machine, ", not for x86-64 (62)"));
  }
  if (header.e_type != ET_EXEC) {
    return Refuse(
        StrCat("the ELF file is of type ", header.e_type,
               ", not an executable at a fixed address (2): link it with -static -no-pie"));
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr)) {
    return Refuse(StrCat("the ELF file's program headers have ", header.e_phentsize,
                         " bytes each instead of ", sizeof(Elf64_Phdr)));
  }
  if (header.e_phnum == 0) return Refuse("the ELF file has no program headers");
  if (header.e_phnum > kMaxProgramHeaders) {
    return Refuse(StrCat("the ELF file has ", header.e_phnum, " program headers, more than ",
                         kMaxProgramHeaders));
  }
  if (!Contains(file.size(), header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr))) {
    return Refuse(
        StrCat("the ELF file ends within its program headers at offset ", Hex(header.e_phoff)));
  }
  return std::nullopt;
}

std::optional<Error> CheckSegment(uint64_t file_size, const Elf64_Phdr& header, int index,
                                  const ElfRules& rules) {
  const auto refuse = [&](const auto&... parts) {
    return Refuse(StrCat("segment ", index, " of the ELF file ", parts...));
  };
  if (header.p_filesz > header.p_memsz) {
    return refuse("has more bytes in the file (", header.p_filesz, ") than in memory (",
                  header.p_memsz, ")");
  }
  if (!Contains(file_size, header.p_offset, header.p_filesz)) {
    return refuse("reaches beyond the end of the file: offset ", Hex(header.p_offset), ", ",
                  header.p_filesz, " bytes");
  }
  if (header.p_vaddr < rules.low || header.p_vaddr > rules.high ||
      header.p_memsz > rules.high - header.p_vaddr) {
    return refuse("lies outside the memory a program may use: address ", Hex(header.p_vaddr), ", ",
                  header.p_memsz, " bytes, allowed are ", Hex(rules.low), " to ", Hex(rules.high));
  }
  if (!rules.protected_pages) return std::nullopt;
  if (header.p_vaddr % abi::kPageSize != 0) {
    return refuse("does not start on a page: address ", Hex(header.p_vaddr));
  }
  if ((header.p_flags & PF_W) != 0 && (header.p_flags & PF_X) != 0) {
    return refuse("is both writable and executable");
  }
  return std::nullopt;
}

uint64_t PageEnd(const ElfSegment& segment) { return AlignUp(segment.end(), abi::kPageSize); }

}  // namespace

bool IsElf(std::span<const std::byte> file) {
  return file.size() >= SELFMAG && std::memcmp(file.data(), ELFMAG, SELFMAG) == 0;
}

Result<ElfImage> ParseElf(std::span<const std::byte> file, const ElfRules& rules) {
  if (!IsElf(file)) return Refuse("the program is not an ELF file");
  if (file.size() < sizeof(Elf64_Ehdr)) return Refuse("the ELF file ends within its header");
  const auto header = ReadAt<Elf64_Ehdr>(file, 0);
  if (auto error = CheckHeader(file, header)) return *error;

  ElfImage image;
  image.entry = header.e_entry;
  for (int i = 0; i < header.e_phnum; ++i) {
    const auto segment = ReadAt<Elf64_Phdr>(file, header.e_phoff + i * sizeof(Elf64_Phdr));
    if (segment.p_type == PT_INTERP || segment.p_type == PT_DYNAMIC) {
      return Refuse("the ELF file asks for a dynamic linker: link it with -static -no-pie");
    }
    if (segment.p_type == PT_TLS && segment.p_memsz != 0) {
      return Refuse("the ELF file has thread-local variables, which a guest has no place for");
    }
    if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
    if (auto error = CheckSegment(file.size(), segment, i, rules)) return *error;
    image.segments.push_back({.address = segment.p_vaddr,
                              .memory_size = segment.p_memsz,
                              .file_offset = segment.p_offset,
                              .file_size = segment.p_filesz,
                              .writable = (segment.p_flags & PF_W) != 0,
                              .executable = (segment.p_flags & PF_X) != 0});
  }
  if (image.segments.empty()) return Refuse("the ELF file has nothing to load");

  std::sort(image.segments.begin(), image.segments.end(),
            [](const ElfSegment& a, const ElfSegment& b) { return a.address < b.address; });
  for (size_t i = 1; i < image.segments.size(); ++i) {
    const ElfSegment& before = image.segments[i - 1];
    const uint64_t end = rules.protected_pages ? PageEnd(before) : before.end();
    if (end > image.segments[i].address) {
      return Refuse(
          StrCat("two segments of the ELF file overlap at ", Hex(image.segments[i].address)));
    }
  }
  const bool entry_is_code =
      std::any_of(image.segments.begin(), image.segments.end(), [&](const ElfSegment& segment) {
        return segment.executable && image.entry >= segment.address &&
               image.entry - segment.address < segment.file_size;
      });
  if (!entry_is_code) {
    return Refuse(
        StrCat("the ELF file's entry ", Hex(image.entry), " is not in an executable segment"));
  }
  return image;
}

Status LoadElf(std::span<const std::byte> file, const ElfImage& image, GuestMemory& memory) {
  for (const ElfSegment& segment : image.segments) {
    if (!Contains(file.size(), segment.file_offset, segment.file_size) ||
        !memory.Range(segment.address, segment.memory_size)) {
      return Refuse("a segment of the ELF file does not fit");
    }
    memory.Write(segment.address, file.subspan(segment.file_offset, segment.file_size));
  }
  return {};
}

}  // namespace hotcell::worker
