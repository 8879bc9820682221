#ifndef HOTCELL_BROKER_MAPPING_H_
#define HOTCELL_BROKER_MAPPING_H_

#include <sys/mman.h>

#include <cstddef>
#include <span>
#include <utility>

namespace hotcell::broker {

// Owns a memory mapping. Move-only; unmapped on destruction.
class Mapping {
 public:
  Mapping() = default;
  // Takes over [data, data + size), as mmap() returned it.
  Mapping(void* data, size_t size) : data_(static_cast<std::byte*>(data)), size_(size) {}
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    Mapping(std::move(other)).Swap(*this);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
  }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void Swap(Mapping& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_MAPPING_H_
