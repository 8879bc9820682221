// Access to words that another, hostile party writes at the same time: each read is one load, so
// that what is checked is what is used.
#ifndef HOTCELL_BROKER_WORKERS_SHARED_MEMORY_H_
#define HOTCELL_BROKER_WORKERS_SHARED_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <type_traits>

namespace hotcell::broker {

template <typename T>
T LoadShared(T* word, std::memory_order order = std::memory_order_relaxed) {
  return std::atomic_ref<T>(*word).load(order);
}

template <typename T>
void StoreShared(T* word, std::type_identity_t<T> value,
                 std::memory_order order = std::memory_order_relaxed) {
  std::atomic_ref<T>(*word).store(value, order);
}

// Copies a struct made of 64-bit words, each word loaded exactly once.
template <typename T>
T CopyShared(T* source) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(uint64_t) == 0);
  uint64_t words[sizeof(T) / sizeof(uint64_t)];
  auto* from = reinterpret_cast<uint64_t*>(source);
  for (size_t i = 0; i < std::size(words); ++i) words[i] = LoadShared(&from[i]);
  T copy;
  std::memcpy(&copy, words, sizeof(copy));
  return copy;
}

template <typename T>
void StoreSharedStruct(T* target, const T& value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(uint64_t) == 0);
  uint64_t words[sizeof(T) / sizeof(uint64_t)];
  std::memcpy(words, &value, sizeof(value));
  auto* to = reinterpret_cast<uint64_t*>(target);
  for (size_t i = 0; i < std::size(words); ++i) StoreShared(&to[i], words[i]);
}

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_SHARED_MEMORY_H_
