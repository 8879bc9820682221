#include "vmm-worker/boot/elf_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "vmm-worker/testing/elf_builder.h"

namespace hotcell::worker {
namespace {

using testing::ElfBuilder;
using ::testing::HasSubstr;

constexpr uint64_t kLow = 0x200000;
constexpr uint64_t kHigh = 0x400000;
constexpr ElfRules kRules{.low = kLow, .high = kHigh, .protected_pages = true};
constexpr uint32_t kText = PF_R | PF_X;

std::span<const std::byte> Bytes(const std::string& file) { return std::as_bytes(std::span(file)); }

// A program with code, constants and data.
ElfBuilder Good() {
  ElfBuilder elf;
  elf.AddSegment(0x200000, kText, "code", 4);
  elf.AddSegment(0x201000, PF_R, "constants", 9);
  elf.AddSegment(0x202000, PF_R | PF_W, "data", 0x3000);
  elf.header().e_entry = 0x200001;
  return elf;
}

void ExpectRefused(const std::string& file, const std::string& words,
                   const ElfRules& rules = kRules) {
  const Result<ElfImage> image = ParseElf(Bytes(file), rules);
  ASSERT_FALSE(image.ok()) << "accepted; expected: " << words;
  EXPECT_THAT(image.error().detail, HasSubstr(words));
}

TEST(ElfLoaderTest, SegmentsOfAGoodFileComeBackInOrderOfAddress) {
  ElfBuilder elf;
  elf.AddSegment(0x202000, PF_R | PF_W, "data", 0x3000);
  elf.AddSegment(0x200000, kText, "code", 4);
  elf.header().e_entry = 0x200003;
  const Result<ElfImage> image = ParseElf(Bytes(elf.Build()), kRules);
  ASSERT_TRUE(image.ok()) << image.error().detail;
  ASSERT_EQ(image->segments.size(), 2u);
  EXPECT_EQ(image->entry, 0x200003u);
  EXPECT_EQ(image->segments[0].address, 0x200000u);
  EXPECT_TRUE(image->segments[0].executable);
  EXPECT_FALSE(image->segments[0].writable);
  EXPECT_EQ(image->segments[1].end(), 0x205000u);
  EXPECT_TRUE(image->segments[1].writable);
}

TEST(ElfLoaderTest, LoadCopiesFilePartsAndLeavesTheRestZero) {
  const std::string file = Good().Build();
  const Result<ElfImage> image = ParseElf(Bytes(file), kRules);
  ASSERT_TRUE(image.ok()) << image.error().detail;
  Result<GuestMemory> memory = GuestMemory::Create(kHigh);
  ASSERT_TRUE(memory.ok());
  ASSERT_TRUE(LoadElf(Bytes(file), *image, *memory).ok());
  std::string loaded(9, '\0');
  memory->Read(0x202000, std::as_writable_bytes(std::span(loaded)));
  EXPECT_EQ(loaded, std::string("data\0\0\0\0\0", 9));
  memory->Read(0x201000, std::as_writable_bytes(std::span(loaded)));
  EXPECT_EQ(loaded, "constants");
}

TEST(ElfLoaderTest, LoadOfAnImageOfAnotherFileIsRefused) {
  const Result<ElfImage> image = ParseElf(Bytes(Good().Build()), kRules);
  ASSERT_TRUE(image.ok());
  Result<GuestMemory> memory = GuestMemory::Create(kHigh);
  EXPECT_FALSE(LoadElf(Bytes("short"), *image, *memory).ok());
  Result<GuestMemory> small = GuestMemory::Create(kLow);
  EXPECT_FALSE(LoadElf(Bytes(Good().Build()), *image, *small).ok());
}

// ---- The file header ----------------------------------------------------------------------------

TEST(ElfLoaderTest, FilesThatAreNotElfAreRefused) {
  ExpectRefused("", "not an ELF file");
  ExpectRefused(
      "\x7f"
      "EL",
      "not an ELF file");
  ExpectRefused(std::string(4096, '\0'), "not an ELF file");
}

TEST(ElfLoaderTest, FilesCutAnywhereAreRefused) {
  const std::string file = Good().Build();
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(ParseElf(Bytes(file.substr(0, size)), kRules).ok()) << size;
  }
}

TEST(ElfLoaderTest, OtherClassesAndMachinesAreRefused) {
  ElfBuilder elf = Good();
  elf.header().e_ident[EI_CLASS] = ELFCLASS32;
  ExpectRefused(elf.Build(), "not a 64-bit one");
  elf = Good();
  elf.header().e_ident[EI_DATA] = ELFDATA2MSB;
  ExpectRefused(elf.Build(), "little-endian");
  elf = Good();
  elf.header().e_version = 2;
  ExpectRefused(elf.Build(), "version");
  elf = Good();
  elf.header().e_machine = EM_AARCH64;
  ExpectRefused(elf.Build(), "machine 183");
}

TEST(ElfLoaderTest, FilesThatAreNotFixedExecutablesAreRefused) {
  for (const uint16_t type : {ET_DYN, ET_REL, ET_CORE, ET_NONE}) {
    ElfBuilder elf = Good();
    elf.header().e_type = type;
    ExpectRefused(elf.Build(), "-static -no-pie");
  }
}

TEST(ElfLoaderTest, ProgramHeadersMustBeWithinTheFile) {
  ElfBuilder elf = Good();
  elf.header().e_phoff = elf.Build().size() - 10;
  ExpectRefused(elf.Build(), "ends within its program headers");
  elf.header().e_phoff = ~uint64_t{0} - 20;
  ExpectRefused(elf.Build(), "ends within its program headers");
  elf = Good();
  elf.header().e_phnum = kMaxProgramHeaders;
  ExpectRefused(elf.Build(), "ends within its program headers");
}

TEST(ElfLoaderTest, ProgramHeadersAreCountedAndSized) {
  ElfBuilder elf = Good();
  elf.header().e_phnum = 0;
  ExpectRefused(elf.Build(), "no program headers");
  elf.header().e_phnum = PN_XNUM;
  ExpectRefused(elf.Build(), "more than 64");
  elf = Good();
  elf.header().e_phentsize = 32;
  ExpectRefused(elf.Build(), "32 bytes each instead of 56");
}

// ---- Segments -----------------------------------------------------------------------------------

TEST(ElfLoaderTest, SegmentsMustBeWithinTheFile) {
  ElfBuilder elf = Good();
  elf.segment(2).p_offset = ~uint64_t{0};
  ExpectRefused(elf.Build(), "beyond the end of the file");
  elf = Good();
  elf.segment(2).p_filesz = 0x2000;
  ExpectRefused(elf.Build(), "beyond the end of the file");
}

TEST(ElfLoaderTest, SegmentsMustBeWithinMemory) {
  ElfBuilder elf = Good();
  elf.segment(2).p_vaddr = kLow - 0x1000;
  ExpectRefused(elf.Build(), "outside the memory");
  elf.segment(2).p_vaddr = 0;
  ExpectRefused(elf.Build(), "outside the memory");
  elf.segment(2).p_vaddr = kHigh;
  ExpectRefused(elf.Build(), "outside the memory");
  elf.segment(2).p_vaddr = 0xffff'ffff'ffff'f000;
  ExpectRefused(elf.Build(), "outside the memory");
  elf = Good();
  elf.segment(2).p_memsz = ~uint64_t{0};
  ExpectRefused(elf.Build(), "outside the memory");
  elf.segment(2).p_memsz = kHigh - 0x202000 + 1;
  ExpectRefused(elf.Build(), "outside the memory");
}

TEST(ElfLoaderTest, SegmentMayEndWhereMemoryEnds) {
  ElfBuilder elf = Good();
  elf.segment(2).p_memsz = kHigh - 0x202000;
  EXPECT_TRUE(ParseElf(Bytes(elf.Build()), kRules).ok());
}

TEST(ElfLoaderTest, FilePartLargerThanMemoryIsRefused) {
  ElfBuilder elf = Good();
  elf.segment(2).p_memsz = 3;
  ExpectRefused(elf.Build(), "more bytes in the file (4) than in memory (3)");
}

TEST(ElfLoaderTest, SegmentsMustStartOnPages) {
  ElfBuilder elf = Good();
  elf.segment(2).p_vaddr = 0x202010;
  ExpectRefused(elf.Build(), "does not start on a page");
}

TEST(ElfLoaderTest, WritableAndExecutableIsRefused) {
  ElfBuilder elf = Good();
  elf.segment(0).p_flags = PF_R | PF_W | PF_X;
  ExpectRefused(elf.Build(), "both writable and executable");
}

TEST(ElfLoaderTest, OverlappingSegmentsAreRefused) {
  ElfBuilder elf = Good();
  elf.segment(1).p_vaddr = 0x200000;
  ExpectRefused(elf.Build(), "overlap at 0x200000");
  elf = Good();
  elf.segment(1).p_memsz = 0x1001;
  ExpectRefused(elf.Build(), "overlap at 0x202000");
}

TEST(ElfLoaderTest, SegmentsThatShareAPageAreRefusedWherePagesAreProtected) {
  ElfBuilder elf;
  elf.AddSegment(0x200000, kText, "code", 4);
  elf.AddSegment(0x200800, PF_R | PF_W | PF_X, "data", 4);
  elf.header().e_entry = 0x200000;
  ExpectRefused(elf.Build(), "does not start on a page");
  EXPECT_TRUE(
      ParseElf(Bytes(elf.Build()), {.low = kLow, .high = kHigh, .protected_pages = false}).ok());
}

TEST(ElfLoaderTest, EmptySegmentsAreSkipped) {
  ElfBuilder elf = Good();
  elf.AddSegment(0x123, PF_R | PF_W | PF_X, "", 0);
  const Result<ElfImage> image = ParseElf(Bytes(elf.Build()), kRules);
  ASSERT_TRUE(image.ok()) << image.error().detail;
  EXPECT_EQ(image->segments.size(), 3u);
}

TEST(ElfLoaderTest, FilesWithNothingToLoadAreRefused) {
  ElfBuilder elf = Good();
  for (size_t i = 0; i < 3; ++i) elf.segment(i).p_type = PT_NOTE;
  ExpectRefused(elf.Build(), "nothing to load");
}

TEST(ElfLoaderTest, DynamicLinkingAndThreadLocalStorageAreRefused) {
  for (const uint32_t type : {PT_INTERP, PT_DYNAMIC}) {
    ElfBuilder elf = Good();
    elf.segment(1).p_type = type;
    ExpectRefused(elf.Build(), "dynamic linker");
  }
  ElfBuilder elf = Good();
  elf.segment(2).p_type = PT_TLS;
  ExpectRefused(elf.Build(), "thread-local");
}

TEST(ElfLoaderTest, EntryMustBeInCodeOfTheFile) {
  for (const uint64_t entry : {uint64_t{0}, uint64_t{0x200004}, uint64_t{0x1fffff},
                               uint64_t{0x201000}, uint64_t{0x202000}, ~uint64_t{0}}) {
    ElfBuilder elf = Good();
    elf.header().e_entry = entry;
    ExpectRefused(elf.Build(), "entry");
  }
}

}  // namespace
}  // namespace hotcell::worker
