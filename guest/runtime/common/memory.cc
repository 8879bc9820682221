#include "guest/runtime/common/memory.h"

#include <emmintrin.h>

#include <cstdint>

// Compilers know loops that copy, fill or count and call memcpy, memset or strlen in their place,
// which here would be a function that calls itself. Opaque() in each loop keeps it a loop.
// __builtin_memcpy of a constant few bytes is a plain load or store.

namespace hotcell::guest {

namespace {

// From here on the string instructions' microcode beats a loop of 16-byte moves.
constexpr size_t kStringInstructionSize = 512;

// The compiler takes `value` to be changed here.
template <typename T>
void Opaque(T& value) {
  asm("" : "+r"(value));
}

template <typename T>
T Load(const std::byte* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof(T));
  return value;
}

template <typename T>
void Store(std::byte* to, T value) {
  __builtin_memcpy(to, &value, sizeof(T));
}

__m128i Load16(const std::byte* from) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

void Store16(std::byte* to, __m128i value) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value);
}

// size in [sizeof(T), 2 * sizeof(T)]: both ends, which may overlap, loaded before either is stored.
template <typename T>
void MoveEnds(std::byte* to, const std::byte* from, size_t size) {
  const T head = Load<T>(from);
  const T tail = Load<T>(from + size - sizeof(T));
  Store(to, head);
  Store(to + size - sizeof(T), tail);
}

// size in [16, 32].
void MoveEnds16(std::byte* to, const std::byte* from, size_t size) {
  const __m128i head = Load16(from);
  const __m128i tail = Load16(from + size - 16);
  Store16(to, head);
  Store16(to + size - 16, tail);
}

// size in [33, 64].
void MoveEnds32(std::byte* to, const std::byte* from, size_t size) {
  const __m128i a = Load16(from);
  const __m128i b = Load16(from + 16);
  const __m128i c = Load16(from + size - 32);
  const __m128i d = Load16(from + size - 16);
  Store16(to, a);
  Store16(to + 16, b);
  Store16(to + size - 32, c);
  Store16(to + size - 16, d);
}

// More than 64 bytes, front to back. The last 64 are loaded first, as a source that overlaps may be
// overwritten by then.
void MoveUp(std::byte* to, const std::byte* from, size_t size) {
  const std::byte* const last = from + size - 64;
  std::byte* const last_to = to + size - 64;
  const __m128i t0 = Load16(last);
  const __m128i t1 = Load16(last + 16);
  const __m128i t2 = Load16(last + 32);
  const __m128i t3 = Load16(last + 48);
  for (; to < last_to; to += 64, from += 64) {
    Opaque(to);
    const __m128i a = Load16(from);
    const __m128i b = Load16(from + 16);
    const __m128i c = Load16(from + 32);
    const __m128i d = Load16(from + 48);
    Store16(to, a);
    Store16(to + 16, b);
    Store16(to + 32, c);
    Store16(to + 48, d);
  }
  Store16(last_to, t0);
  Store16(last_to + 16, t1);
  Store16(last_to + 32, t2);
  Store16(last_to + 48, t3);
}

// More than 64 bytes, back to front; the first 64 are loaded first.
void MoveDown(std::byte* to, const std::byte* from, size_t size) {
  const __m128i h0 = Load16(from);
  const __m128i h1 = Load16(from + 16);
  const __m128i h2 = Load16(from + 32);
  const __m128i h3 = Load16(from + 48);
  for (size_t left = size; left > 64; left -= 64) {
    Opaque(left);
    const std::byte* const source = from + left - 64;
    std::byte* const target = to + left - 64;
    const __m128i a = Load16(source);
    const __m128i b = Load16(source + 16);
    const __m128i c = Load16(source + 32);
    const __m128i d = Load16(source + 48);
    Store16(target, a);
    Store16(target + 16, b);
    Store16(target + 32, c);
    Store16(target + 48, d);
  }
  Store16(to, h0);
  Store16(to + 16, h1);
  Store16(to + 32, h2);
  Store16(to + 48, h3);
}

}  // namespace

void* MoveBytes(void* to_pointer, const void* from_pointer, size_t size) {
  auto* to = static_cast<std::byte*>(to_pointer);
  const auto* from = static_cast<const std::byte*>(from_pointer);
  if (size > 64) {
    // The distance, an unsigned number, is huge when `to` lies before `from`: one comparison tells
    // whether front to back would overwrite what is still to be read.
    const size_t distance = reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from);
    if (distance < size) {
      MoveDown(to, from, size);
    } else if (size >= kStringInstructionSize && 0 - distance >= size) {
      asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    } else {
      MoveUp(to, from, size);
    }
    return to_pointer;
  }
  if (size > 32) {
    MoveEnds32(to, from, size);
  } else if (size >= 16) {
    MoveEnds16(to, from, size);
  } else if (size >= 8) {
    MoveEnds<uint64_t>(to, from, size);
  } else if (size >= 4) {
    MoveEnds<uint32_t>(to, from, size);
  } else if (size >= 2) {
    MoveEnds<uint16_t>(to, from, size);
  } else if (size == 1) {
    *to = *from;
  }
  return to_pointer;
}

void* FillBytes(void* to_pointer, int byte, size_t size) {
  auto* to = static_cast<std::byte*>(to_pointer);
  const uint64_t word = 0x0101'0101'0101'0101u * static_cast<uint8_t>(byte);
  if (size >= kStringInstructionSize) {
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
  } else if (size >= 16) {
    const __m128i value = _mm_set1_epi8(static_cast<char>(byte));
    for (size_t i = 0; i < size - 16; i += 16) {
      Opaque(i);
      Store16(to + i, value);
    }
    Store16(to + size - 16, value);
  } else if (size >= 8) {
    Store(to, word);
    Store(to + size - 8, word);
  } else if (size >= 4) {
    Store(to, static_cast<uint32_t>(word));
    Store(to + size - 4, static_cast<uint32_t>(word));
  } else if (size > 0) {
    to[0] = static_cast<std::byte>(byte);
    to[size / 2] = static_cast<std::byte>(byte);
    to[size - 1] = static_cast<std::byte>(byte);
  }
  return to_pointer;
}

int CompareBytes(const void* a_pointer, const void* b_pointer, size_t size) {
  const auto* a = static_cast<const std::byte*>(a_pointer);
  const auto* b = static_cast<const std::byte*>(b_pointer);
  size_t i = 0;
  for (; size - i >= 16; i += 16) {
    const __m128i equal = _mm_cmpeq_epi8(Load16(a + i), Load16(b + i));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(equal));
    if (mask != 0xffff) {
      i += static_cast<size_t>(__builtin_ctz(~mask));
      return std::to_integer<int>(a[i]) - std::to_integer<int>(b[i]);
    }
  }
  for (; i < size; ++i) {
    if (a[i] != b[i]) return std::to_integer<int>(a[i]) - std::to_integer<int>(b[i]);
  }
  return 0;
}

void* FindByte(const void* data_pointer, int byte, size_t size) {
  const auto* data = static_cast<const std::byte*>(data_pointer);
  const auto wanted = static_cast<std::byte>(byte);
  for (size_t i = 0; i < size; ++i) {
    if (data[i] == wanted) return const_cast<std::byte*>(data + i);
  }
  return nullptr;
}

size_t TextLength(const char* text) {
  size_t length = 0;
  while (text[length] != '\0') {
    ++length;
    Opaque(length);
  }
  return length;
}

}  // namespace hotcell::guest
