#include "tools/fuzzers/images/mutator.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace hotcell::fuzz {
namespace {

constexpr uint32_t kNumberWidth = 8;  // of the widest field that is a number, bytes
constexpr size_t kMaxSegment = 16 << 10;

uint64_t MaxOf(uint32_t width) {
  return width >= kNumberWidth ? UINT64_MAX : (uint64_t{1} << width * 8) - 1;
}

}  // namespace

void ImageMutator::Mutate(FuzzInput& input) {
  for (uint32_t left = 1 + Random(3); left > 0; --left) MutateOnce(input);
  // Wrong checksums are worth a try as well.
  if (!OneIn(16)) {
    for (SparseFile& file : input.files) Repair(file);
  }
}

void ImageMutator::Cross(FuzzInput& input, const FuzzInput& other) {
  // libFuzzer asks for it half of the time, and inputs would do little but grow.
  if (!OneIn(8)) return Mutate(input);
  const SparseFile& donor = other.files[Random(static_cast<uint32_t>(other.files.size()))];
  if (OneIn(4) && input.files.size() < FuzzInput::kMaxFiles) {
    input.files.push_back(donor);
    input.references = FuzzInput::References::kOthers;
    return;
  }
  SparseFile& file = input.files[0];
  for (const SparseFile::Segment& segment : donor.segments) {
    if (file.segments.size() < SparseFile::kMaxSegments && OneIn(2)) {
      file.segments.push_back(segment);
      file.size = std::max(file.size, segment.end());
    }
  }
  Repair(file);
}

void ImageMutator::MutateOnce(FuzzInput& input) {
  SparseFile& file = input.files[OneIn(4) ? Random(static_cast<uint32_t>(input.files.size())) : 0];
  switch (Random(20)) {
    case 0:
      return ChangeJob(input);
    case 1:
      return ChangeSize(file);
    case 2:
    case 3:
      return ChangeSegments(file);
    case 4:
    case 5:
    case 6:
    case 7:
      return ChangeBytes(file);
    case 8:
    case 9:
    case 10:
    case 11:
    case 12:
      return ChangeEntry(file);
    default:
      return ChangeField(file);
  }
}

void ImageMutator::ChangeField(SparseFile& file) {
  if (layout_.structures.empty()) return ChangeBytes(file);
  const Structure& structure =
      layout_.structures[Random(static_cast<uint32_t>(layout_.structures.size()))];
  const Field& field = structure.fields[Random(static_cast<uint32_t>(structure.fields.size()))];
  const uint64_t at = PlaceOf(file, structure.at, structure.pointer) + field.offset +
                      uint64_t{Random(structure.count)} * structure.stride;
  if (field.width <= kNumberWidth) {
    Store(file, at, field.width, NewValue(file, Load(file, at, field.width), field.width));
    return;
  }
  std::vector<std::byte> bytes(field.width);
  file.Read(at, bytes);
  mutate_bytes_(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size(), bytes.size());
  file.Write(at, bytes);
}

void ImageMutator::ChangeEntry(SparseFile& file) {
  if (layout_.tables.empty()) return ChangeField(file);
  const Table* table = &layout_.tables[Random(static_cast<uint32_t>(layout_.tables.size()))];
  uint64_t at = PlaceOf(file, table->at, table->pointer);
  while (table->below != nullptr && !OneIn(3)) {
    const uint64_t entry = Load(file, at + Random(4) * table->width, table->width) & table->mask;
    if (entry == 0) break;
    at = entry * table->unit;
    table = table->below;
  }
  at += uint64_t{Random(table->entries)} * table->width;
  // The entry gets the value of another one, or a new value.
  const uint64_t value = OneIn(4) ? Load(file, at ^ table->width, table->width)
                                  : NewValue(file, Load(file, at, table->width), table->width);
  Store(file, at, table->width, value);
}

void ImageMutator::ChangeBytes(SparseFile& file) {
  if (file.segments.empty()) return ChangeSize(file);
  SparseFile::Segment& segment = file.segments[Random(static_cast<uint32_t>(file.segments.size()))];
  std::vector<std::byte>& bytes = segment.bytes;
  const size_t size = bytes.size();
  bytes.resize(std::max(size, std::min(size + 64, kMaxSegment)));
  const size_t now = mutate_bytes_(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size());
  bytes.resize(std::max<size_t>(now, 1));
  file.size = std::max(file.size, segment.end());
}

void ImageMutator::ChangeSegments(SparseFile& file) {
  if (file.segments.empty() || file.segments.size() == SparseFile::kMaxSegments) {
    return ChangeBytes(file);
  }
  const uint32_t index = Random(static_cast<uint32_t>(file.segments.size()));
  SparseFile::Segment& segment = file.segments[index];
  switch (Random(4)) {
    case 0:
      file.segments.erase(file.segments.begin() + index);
      return;
    case 1:
      segment.offset = SomePlace(file);
      file.size = std::max(file.size, segment.end());
      return;
    case 2: {
      SparseFile::Segment copy = segment;
      copy.offset = SomePlace(file);
      file.size = std::max(file.size, copy.end());
      file.segments.push_back(std::move(copy));
      return;
    }
    default: {
      SparseFile::Segment fresh = {.offset = SomePlace(file),
                                   .bytes = std::vector<std::byte>(size_t{1} << Random(9))};
      std::ranges::generate(fresh.bytes, [&] { return static_cast<std::byte>(Random(256)); });
      file.size = std::max(file.size, fresh.end());
      file.segments.push_back(std::move(fresh));
      return;
    }
  }
}

void ImageMutator::ChangeSize(SparseFile& file) {
  file.size = std::min(OneIn(4) ? NewValue(file, file.size, kNumberWidth) : SomePlace(file),
                       SparseFile::kMaxSize);
}

void ImageMutator::ChangeJob(FuzzInput& input) {
  switch (Random(4)) {
    case 0:
      input.references = static_cast<FuzzInput::References>(Random(3));
      return;
    case 1:
      if (input.files.size() < FuzzInput::kMaxFiles) {
        input.files.push_back(input.files[0]);
        input.references = FuzzInput::References::kOthers;
        return;
      }
      input.files.pop_back();
      return;
    default:
      input.operation = static_cast<uint8_t>(Random(256));
      return;
  }
}

void ImageMutator::Repair(SparseFile& file) {
  if (layout_.repair != nullptr) layout_.repair(file);
}

uint64_t ImageMutator::Load(const SparseFile& file, uint64_t at, uint32_t width) const {
  std::array<std::byte, kNumberWidth> bytes = {};
  file.Read(at, std::span(bytes).first(width));
  if (layout_.big_endian) std::reverse(bytes.begin(), bytes.begin() + width);
  uint64_t value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

void ImageMutator::Store(SparseFile& file, uint64_t at, uint32_t width, uint64_t value) const {
  std::array<std::byte, kNumberWidth> bytes;
  std::memcpy(bytes.data(), &value, sizeof(value));
  if (layout_.big_endian) std::reverse(bytes.begin(), bytes.begin() + width);
  file.Write(at, std::span(bytes).first(width));
}

uint64_t ImageMutator::PlaceOf(const SparseFile& file, int64_t at, const Pointer& pointer) const {
  uint64_t base = at < 0 ? file.size : 0;
  if (pointer.width > 0) {
    base = (Load(file, pointer.at, pointer.width) & pointer.mask) * pointer.unit + pointer.addend;
  }
  return std::min(base + static_cast<uint64_t>(at), SparseFile::kMaxSize);
}

uint64_t ImageMutator::SomePlace(const SparseFile& file) {
  uint64_t place = file.size;
  if (!file.segments.empty() && !OneIn(4)) {
    const auto& segment = file.segments[Random(static_cast<uint32_t>(file.segments.size()))];
    place = OneIn(2) ? segment.offset : segment.end();
  }
  constexpr std::array<uint64_t, 6> kSteps = {1, 8, 512, 4096, 65536, 1 << 20};
  const uint64_t step = kSteps[Random(kSteps.size())];
  switch (Random(4)) {
    case 0:
      return std::min(place + step, SparseFile::kMaxSize);
    case 1:
      return place > step ? place - step : 0;
    case 2:
      return place / step * step;
    default:
      return place;
  }
}

uint64_t ImageMutator::NewValue(const SparseFile& file, uint64_t old, uint32_t width) {
  const uint64_t max = MaxOf(width);
  const uint32_t bits = width * 8;
  switch (Random(12)) {
    case 0:
      return Random(4);
    case 1:
      return max - Random(3);
    case 2:  // around the sign bit
      return max / 2 + Random(3);
    case 3:
      return (uint64_t{1} << Random(bits)) - OneIn(3);
    case 4:
      return old ^ uint64_t { 1 } << Random(bits);
    case 5:
      return old + 1 + Random(OneIn(2) ? 2 : 64);
    case 6:
      return old - 1 - Random(OneIn(2) ? 2 : 64);
    case 7:
      return OneIn(2) ? old << 1 : old >> 1;
    case 8:
      if (!layout_.values.empty()) {
        return layout_.values[Random(static_cast<uint32_t>(layout_.values.size()))];
      }
      [[fallthrough]];
    case 9:  // the flags of the old value, another place
      return (old & ~(max >> 8)) | SomePlace(file) / layout_.unit;
    case 10:
      return SomePlace(file) / layout_.unit;
    default:
      return uint64_t{random_()} << Random(bits);
  }
}

}  // namespace hotcell::fuzz
