// Makes small ELF64 executables for tests, right ones and, by way of header() and segment(), wrong
// ones.
#ifndef HOTCELL_VMM_WORKER_TESTING_ELF_BUILDER_H_
#define HOTCELL_VMM_WORKER_TESTING_ELF_BUILDER_H_

#include <elf.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace hotcell::worker::testing {

class ElfBuilder {
 public:
  ElfBuilder() {
    std::memcpy(header_.e_ident, ELFMAG, SELFMAG);
    header_.e_ident[EI_CLASS] = ELFCLASS64;
    header_.e_ident[EI_DATA] = ELFDATA2LSB;
    header_.e_ident[EI_VERSION] = EV_CURRENT;
    header_.e_type = ET_EXEC;
    header_.e_machine = EM_X86_64;
    header_.e_version = EV_CURRENT;
    header_.e_phoff = sizeof(Elf64_Ehdr);
    header_.e_ehsize = sizeof(Elf64_Ehdr);
    header_.e_phentsize = sizeof(Elf64_Phdr);
  }

  // A PT_LOAD of these bytes. `flags`: PF_R, PF_W, PF_X. Returns its index.
  size_t AddSegment(uint64_t address, uint32_t flags, std::string bytes, uint64_t memory_size) {
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_flags = flags;
    segment.p_vaddr = segment.p_paddr = address;
    segment.p_filesz = bytes.size();
    segment.p_memsz = memory_size;
    segment.p_align = 4096;
    segments_.push_back(segment);
    contents_.push_back(std::move(bytes));
    header_.e_phnum = segments_.size();
    uint64_t offset = sizeof(Elf64_Ehdr) + segments_.size() * sizeof(Elf64_Phdr);
    for (size_t i = 0; i < segments_.size(); ++i) {
      segments_[i].p_offset = offset;
      offset += contents_[i].size();
    }
    return segments_.size() - 1;
  }

  Elf64_Ehdr& header() { return header_; }
  Elf64_Phdr& segment(size_t index) { return segments_[index]; }

  std::string Build() const {
    std::string file(reinterpret_cast<const char*>(&header_), sizeof(header_));
    for (const Elf64_Phdr& segment : segments_) {
      file.append(reinterpret_cast<const char*>(&segment), sizeof(segment));
    }
    for (const std::string& bytes : contents_) file += bytes;
    return file;
  }

 private:
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
  std::vector<std::string> contents_;
};

}  // namespace hotcell::worker::testing

#endif  // HOTCELL_VMM_WORKER_TESTING_ELF_BUILDER_H_
