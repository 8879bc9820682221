#include "tools/fuzzers/images/native_image.h"

#include <algorithm>

#include "tools/fuzzers/check.h"

namespace hotcell::fuzz {
namespace {

using guest::IoResult;
using guest::IoStatus;

constexpr uint64_t kReadLimit = 24 << 20;
constexpr uint64_t kTargetLimit = 32 << 20;
constexpr size_t kMaxReferences = 16;

class TargetFile : public guest::MemoryFile {
 public:
  IoResult Write(uint64_t offset, std::span<const std::byte> data) override {
    if (!Fits(offset, data.size())) return {.status = IoStatus::kNoSpace};
    return MemoryFile::Write(offset, data);
  }
  IoResult WriteZeroes(uint64_t offset, uint64_t length) override {
    if (!Fits(offset, length)) return {.status = IoStatus::kNoSpace};
    return MemoryFile::WriteZeroes(offset, length);
  }
  IoResult SetSize(uint64_t size) override {
    if (!Fits(0, size)) return {.status = IoStatus::kNoSpace};
    return MemoryFile::SetSize(size);
  }

 private:
  static bool Fits(uint64_t offset, uint64_t length) {
    return offset <= kTargetLimit && length <= kTargetLimit - offset;
  }
};

}  // namespace

class NativeImage::ReadOnlyFile : public guest::NativeFile {
 public:
  ReadOnlyFile(const SparseFile& file, uint64_t& bytes_left)
      : file_(file), bytes_left_(bytes_left) {}

  uint64_t size() override { return file_.size; }

  IoResult Read(uint64_t offset, std::span<std::byte> data) override {
    if (offset >= file_.size) return {.value = 0};
    const uint64_t count = std::min<uint64_t>(data.size(), file_.size - offset);
    if (count > bytes_left_) return {.status = IoStatus::kIoError};
    bytes_left_ -= count;
    file_.Read(offset, data.first(count));
    return {.value = count};
  }

  IoResult BlockStatus(uint64_t offset, uint64_t length) override {
    uint64_t next = offset + length;
    for (const SparseFile::Segment& segment : file_.segments) {
      if (segment.offset <= offset && offset < segment.end()) {
        return {.value = std::min(length, segment.end() - offset), .value2 = 1};
      }
      if (segment.offset > offset) next = std::min(next, segment.offset);
    }
    return {.value = next - offset, .value2 = 0};
  }

  IoResult Write(uint64_t /*offset*/, std::span<const std::byte> /*data*/) override {
    return Refuse();
  }
  IoResult WriteZeroes(uint64_t /*offset*/, uint64_t /*length*/) override { return Refuse(); }
  IoResult Flush() override { return Refuse(); }
  IoResult SetSize(uint64_t /*size*/) override { return Refuse(); }

 private:
  static IoResult Refuse() {
    Check(false, "an input is only read");
    return {.status = IoStatus::kRefused};
  }

  const SparseFile& file_;
  uint64_t& bytes_left_;
};

NativeImage::NativeImage(const FuzzInput& input) : input_(input), bytes_left_(kReadLimit) {
  image_ = files_.Add(std::make_unique<ReadOnlyFile>(input.files[0], bytes_left_));
  files_.set_reference_opener(
      [this](uint32_t, guest::ReferenceKind, std::string_view) { return OpenReference(); });
}

guest::FileHandle NativeImage::AddTarget() { return files_.Add(std::make_unique<TargetFile>()); }

guest::NativeFiles::Opened NativeImage::OpenReference() {
  const size_t others = input_.files.size() - 1;
  const bool refused =
      input_.references == FuzzInput::References::kRefuse || references_ == kMaxReferences ||
      (input_.references == FuzzInput::References::kOthers && references_ >= others);
  if (refused) return {.status = IoStatus::kRefused};
  const size_t index = input_.references == FuzzInput::References::kSelf ? 0 : 1 + references_;
  ++references_;
  return {.status = IoStatus::kOk,
          .file = std::make_unique<ReadOnlyFile>(input_.files[index], bytes_left_)};
}

}  // namespace hotcell::fuzz
