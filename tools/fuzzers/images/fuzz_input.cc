#include "tools/fuzzers/images/fuzz_input.h"

#include <algorithm>
#include <cstring>

namespace hotcell::fuzz {
namespace {

constexpr uint8_t kFileTag = 'F';
constexpr uint8_t kSegmentTag = 'S';
constexpr size_t kFileSize = 1 + sizeof(uint64_t);
constexpr size_t kSegmentSize = 1 + sizeof(uint64_t) + sizeof(uint32_t);

class Parser {
 public:
  explicit Parser(std::span<const uint8_t> rest) : rest_(rest) {}

  size_t left() const { return rest_.size(); }
  uint8_t Peek() const { return rest_.front(); }

  template <typename T>
  T Take() {
    T value;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }

  std::vector<std::byte> TakeBytes(size_t count) {
    const auto taken = std::as_bytes(rest_.first(std::min(count, rest_.size())));
    rest_ = rest_.subspan(taken.size());
    return {taken.begin(), taken.end()};
  }

 private:
  std::span<const uint8_t> rest_;
};

template <typename T>
void Append(std::vector<uint8_t>& out, T value) {
  const size_t at = out.size();
  out.resize(at + sizeof(T));
  std::memcpy(out.data() + at, &value, sizeof(T));
}

FuzzInput ParseFiles(Parser parser) {
  FuzzInput input;
  input.references = static_cast<FuzzInput::References>(parser.Take<uint8_t>() % 3);
  input.operation = parser.Take<uint8_t>();
  while (parser.left() > 0) {
    const uint8_t tag = parser.Peek();
    if (tag == kFileTag && parser.left() >= kFileSize &&
        input.files.size() < FuzzInput::kMaxFiles) {
      parser.Take<uint8_t>();
      input.files.push_back({.size = parser.Take<uint64_t>() % (SparseFile::kMaxSize + 1)});
    } else if (tag == kSegmentTag && parser.left() >= kSegmentSize && !input.files.empty() &&
               input.files.back().segments.size() < SparseFile::kMaxSegments) {
      parser.Take<uint8_t>();
      SparseFile& file = input.files.back();
      const auto offset = parser.Take<uint64_t>();
      std::vector<std::byte> bytes = parser.TakeBytes(parser.Take<uint32_t>());
      if (offset >= file.size || bytes.empty()) continue;
      bytes.resize(std::min<uint64_t>(bytes.size(), file.size - offset));
      file.segments.push_back({.offset = offset, .bytes = std::move(bytes)});
    } else {
      break;
    }
  }
  if (input.files.empty()) input.files.emplace_back();
  return input;
}

}  // namespace

void SparseFile::Read(uint64_t offset, std::span<std::byte> out) const {
  std::fill(out.begin(), out.end(), std::byte{0});
  for (const Segment& segment : segments) {
    const uint64_t begin = std::max(offset, segment.offset);
    const uint64_t end = std::min(offset + out.size(), segment.end());
    if (begin >= end) continue;
    std::copy_n(segment.bytes.begin() + static_cast<ptrdiff_t>(begin - segment.offset), end - begin,
                out.begin() + static_cast<ptrdiff_t>(begin - offset));
  }
}

bool SparseFile::Write(uint64_t offset, std::span<const std::byte> bytes) {
  if (offset > kMaxSize - bytes.size()) return false;
  size = std::max(size, offset + bytes.size());
  // The last segment that has the bytes, unless a later one hides some of them.
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    if (segment->offset <= offset && offset + bytes.size() <= segment->end()) {
      std::copy(bytes.begin(), bytes.end(),
                segment->bytes.begin() + static_cast<ptrdiff_t>(offset - segment->offset));
      return true;
    }
    if (segment->offset < offset + bytes.size() && offset < segment->end()) break;
  }
  if (segments.size() == kMaxSegments) return false;
  segments.push_back({.offset = offset, .bytes = {bytes.begin(), bytes.end()}});
  return true;
}

bool SparseFile::HasData(uint64_t offset, uint64_t length) const {
  return std::any_of(segments.begin(), segments.end(), [&](const Segment& segment) {
    return segment.offset < offset + length && offset < segment.end();
  });
}

FuzzInput FuzzInput::Parse(std::span<const uint8_t> data) {
  if (data.size() >= kMagic.size() + 2 &&
      std::memcmp(data.data(), kMagic.data(), kMagic.size()) == 0) {
    return ParseFiles(Parser(data.subspan(kMagic.size())));
  }
  FuzzInput input;
  input.all_operations = true;
  input.files.push_back({.size = data.size()});
  if (!data.empty()) {
    const auto bytes = std::as_bytes(data);
    input.files[0].segments.push_back({.offset = 0, .bytes = {bytes.begin(), bytes.end()}});
  }
  return input;
}

std::vector<uint8_t> FuzzInput::Serialize(size_t max_size) const {
  std::vector<uint8_t> out(kMagic.begin(), kMagic.end());
  Append(out, references);
  Append(out, operation);
  for (const SparseFile& file : files) {
    Append(out, kFileTag);
    Append(out, file.size);
    for (const SparseFile::Segment& segment : file.segments) {
      Append(out, kSegmentTag);
      Append(out, segment.offset);
      Append(out, static_cast<uint32_t>(segment.bytes.size()));
      const auto* bytes = reinterpret_cast<const uint8_t*>(segment.bytes.data());
      out.insert(out.end(), bytes, bytes + segment.bytes.size());
    }
  }
  return out.size() <= max_size ? out : std::vector<uint8_t>();
}

}  // namespace hotcell::fuzz
