#include "tools/fuzzers/boundary/wire_mutator.h"

#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace hotcell::fuzz {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxNewBytes = 512;

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  uint32_t number = 0;
  uint32_t type = kVarint;
  uint64_t value = 0;           // kVarint, kFixed64, kFixed32
  std::string bytes;            // kBytes that are no message
  std::vector<Field> children;  // kBytes that look like one
};
using Fields = std::vector<Field>;

std::optional<uint64_t> TakeVarint(std::string_view& in) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<Fields> Parse(std::string_view in, int depth) {
  Fields fields;
  while (!in.empty()) {
    const std::optional<uint64_t> tag = TakeVarint(in);
    if (!tag || *tag >> 3 == 0 || *tag >> 3 > 0x1fffffff) return std::nullopt;
    Field field{.number = static_cast<uint32_t>(*tag >> 3),
                .type = static_cast<uint32_t>(*tag & 7)};
    if (field.type == kVarint) {
      const std::optional<uint64_t> value = TakeVarint(in);
      if (!value) return std::nullopt;
      field.value = *value;
    } else if (field.type == kFixed64 || field.type == kFixed32) {
      const size_t size = field.type == kFixed64 ? 8 : 4;
      if (in.size() < size) return std::nullopt;
      std::memcpy(&field.value, in.data(), size);
      in.remove_prefix(size);
    } else if (field.type == kBytes) {
      const std::optional<uint64_t> size = TakeVarint(in);
      if (!size || *size > in.size()) return std::nullopt;
      const std::string_view bytes = in.substr(0, *size);
      in.remove_prefix(*size);
      std::optional<Fields> children;
      if (depth > 0 && bytes.size() >= 2) children = Parse(bytes, depth - 1);
      if (children) {
        field.children = *std::move(children);
      } else {
        field.bytes = bytes;
      }
    } else {
      return std::nullopt;
    }
    fields.push_back(std::move(field));
  }
  return fields;
}

void AppendVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

std::string Serialize(const Fields& fields) {
  std::string out;
  for (const Field& field : fields) {
    AppendVarint(out, uint64_t{field.number} << 3 | field.type);
    if (field.type == kVarint) {
      AppendVarint(out, field.value);
    } else if (field.type == kBytes) {
      const std::string bytes = field.children.empty() ? field.bytes : Serialize(field.children);
      AppendVarint(out, bytes.size());
      out += bytes;
    } else {
      out.append(reinterpret_cast<const char*>(&field.value), field.type == kFixed64 ? 8 : 4);
    }
  }
  return out;
}

class Mutator {
 public:
  Mutator(uint32_t max_field, std::minstd_rand& random) : max_field_(max_field), random_(random) {}

  void Mutate(Fields& root) {
    Fields* level = &root;
    // Down at random.
    for (int depth = 0; depth < kMaxDepth; ++depth) {
      std::vector<Field*> inner;
      for (Field& field : *level) {
        if (!field.children.empty()) inner.push_back(&field);
      }
      if (inner.empty() || Below(3) == 0) break;
      level = &inner[Below(inner.size())]->children;
    }
    MutateLevel(*level);
  }

 private:
  size_t Below(size_t count) { return random_() % count; }

  void MutateLevel(Fields& fields) {
    if (fields.empty() || Below(4) == 0) {
      fields.insert(fields.begin() + static_cast<ptrdiff_t>(Below(fields.size() + 1)), NewField());
      return;
    }
    const size_t index = Below(fields.size());
    switch (Below(6)) {
      case 0:
        fields.erase(fields.begin() + static_cast<ptrdiff_t>(index));
        break;
      case 1: {
        const Field copy = fields[index];
        fields.insert(fields.begin() + static_cast<ptrdiff_t>(Below(fields.size() + 1)), copy);
        break;
      }
      case 2:
        fields[index].number = 1 + static_cast<uint32_t>(Below(max_field_));
        break;
      case 3: {  // one deeper
        Field outer{.number = 1 + static_cast<uint32_t>(Below(max_field_)), .type = kBytes};
        outer.children.push_back(std::move(fields[index]));
        fields[index] = std::move(outer);
        break;
      }
      default:
        MutateValue(fields[index]);
    }
  }

  uint64_t NewValue() {
    static constexpr uint64_t kEdges[] = {
        0, 1, 2, 3, 127, 128, 255, 256, INT32_MAX, UINT32_MAX, 1ull << 32, INT64_MAX, UINT64_MAX};
    if (Below(2) == 0) return kEdges[Below(std::size(kEdges))];
    return uint64_t{random_()} << 32 >> Below(63);
  }

  Field NewField() {
    Field field{.number = 1 + static_cast<uint32_t>(Below(max_field_)),
                .type = Below(2) == 0 ? kVarint : kBytes,
                .value = NewValue()};
    if (field.type == kBytes) MutateBytes(field.bytes);
    return field;
  }

  void MutateValue(Field& field) {
    if (field.type != kBytes) {
      field.value = NewValue();
      return;
    }
    if (!field.children.empty()) field.bytes = Serialize(std::exchange(field.children, {}));
    MutateBytes(field.bytes);
  }

  static void MutateBytes(std::string& bytes) {
    const size_t size = bytes.size();
    bytes.resize(size + kMaxNewBytes);
    bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size()));
  }

  const uint32_t max_field_;
  std::minstd_rand& random_;
};

}  // namespace

std::string MutateWire(std::string_view message, uint32_t max_field, std::minstd_rand& random) {
  Fields fields =
      Parse(message, kMaxDepth)
          .value_or(Fields{{.number = 1, .type = kBytes, .bytes = std::string(message)}});
  Mutator mutator(max_field, random);
  mutator.Mutate(fields);
  if (random() % 2 == 0) mutator.Mutate(fields);
  return Serialize(fields);
}

}  // namespace hotcell::fuzz
