// The owner of a memory mapping, for arenas and for the stacks of children that are about to become
// workers.
#ifndef HOTCELL_BROKER_HOST_MAPPING_H_
#define HOTCELL_BROKER_HOST_MAPPING_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <span>
#include <utility>

namespace hotcell::broker {

// Owns a memory mapping. Move-only; unmapped on destruction, by the process that made it: in its
// children there may be something else by then.
class Mapping {
 public:
  Mapping() = default;
  // Takes over [data, data + size), as mmap() returned it.
  Mapping(void* data, size_t size) : data_(static_cast<std::byte*>(data)), size_(size) {}
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        owner_(other.owner_) {}
  Mapping& operator=(Mapping&& other) noexcept {
    Mapping(std::move(other)).Swap(*this);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (data_ != nullptr && getpid() == owner_) munmap(data_, size_);
  }

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void Swap(Mapping& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(owner_, other.owner_);
  }

  std::byte* data_ = nullptr;
  size_t size_ = 0;
  pid_t owner_ = getpid();
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_HOST_MAPPING_H_
