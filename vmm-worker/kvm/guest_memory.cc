#include "vmm-worker/kvm/guest_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "base/alignment.h"
#include "guest/abi/abi.h"

namespace hotcell::worker {
namespace {

using abi::kPageSize;

constexpr size_t kHugePage = 2 << 20;

}  // namespace

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

Mapping::~Mapping() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

Status Mapping::HideFromDumps() const {
  if (madvise(bytes_.data(), bytes_.size(), MADV_DONTDUMP) == 0) return {};
  return ErrnoError(v1::STEP_KEEP_OUT_OF_DUMPS);
}

Result<Mapping> Mapping::Anonymous(size_t size) {
  const size_t pages = AlignUp(size, kPageSize);
  const size_t padded = pages + kHugePage;
  void* address = mmap(nullptr, padded, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) return ErrnoError(v1::STEP_MMAP);
  auto* const begin = static_cast<std::byte*>(address);
  const size_t lead = -reinterpret_cast<uintptr_t>(address) & (kHugePage - 1);
  if (lead != 0) munmap(begin, lead);
  const size_t tail = padded - lead - pages;
  if (tail != 0) munmap(begin + lead + pages, tail);
  Mapping mapping(begin + lead, size);
  if (Status status = mapping.HideFromDumps(); !status.ok()) return status.error();
  return mapping;
}

Result<Mapping> Mapping::Stack(size_t size) {
  void* address = mmap(nullptr, kPageSize + size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (address == MAP_FAILED) return ErrnoError(v1::STEP_MMAP);
  Mapping mapping(address, kPageSize + size);
  if (mprotect(address, kPageSize, PROT_NONE) != 0) return ErrnoError(v1::STEP_MPROTECT);
  if (Status status = mapping.HideFromDumps(); !status.ok()) return status.error();
  return mapping;
}

Result<Mapping> Mapping::OfFile(int fd, size_t size) {
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return ErrnoError(v1::STEP_MMAP);
  Mapping mapping(address, size);
  if (Status status = mapping.HideFromDumps(); !status.ok()) return status.error();
  return mapping;
}

void Mapping::Populate(size_t begin, size_t size) const {
  if (size != 0) madvise(bytes_.data() + begin, size, MADV_POPULATE_WRITE);
}

void Mapping::Touch(size_t begin, size_t size) const {
  const volatile std::byte* const bytes = bytes_.data();
  for (size_t at = begin; at < begin + size; at += kPageSize) (void)bytes[at];
}

Result<GuestMemory> GuestMemory::Create(uint64_t size) {
  Result<Mapping> mapping = Mapping::Anonymous(size);
  if (!mapping.ok()) return Error{v1::STEP_ALLOCATE_GUEST_MEMORY, mapping.error().error, {}};
  return GuestMemory(std::move(*mapping));
}

std::optional<std::span<std::byte>> GuestMemory::Range(uint64_t gpa, uint64_t length) const {
  if (gpa > size() || length > size() - gpa) return std::nullopt;
  return mapping_.bytes().subspan(gpa, length);
}

bool GuestMemory::Write(uint64_t gpa, std::span<const std::byte> data) {
  const auto target = Range(gpa, data.size());
  if (!target) return false;
  std::copy(data.begin(), data.end(), target->begin());
  return true;
}

bool GuestMemory::Read(uint64_t gpa, std::span<std::byte> out) const {
  const auto source = Range(gpa, out.size());
  if (!source) return false;
  std::copy(source->begin(), source->end(), out.begin());
  return true;
}

void GuestMemory::Populate(uint64_t begin, uint64_t end) {
  const uint64_t first = AlignDown(begin, kPageSize);
  const uint64_t last = std::min(size(), AlignUp(end, kPageSize));
  if (first >= last) return;
  mapping_.Populate(first, last - first);
}

void GuestMemory::AdviseHuge(uint64_t begin, uint64_t end) {
  const auto range = Range(begin, end - begin);
  if (range && !range->empty()) madvise(range->data(), range->size(), MADV_HUGEPAGE);
}

}  // namespace hotcell::worker
