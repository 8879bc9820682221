// Editing images of qemu-img's natively, as far as wanted, for tests.
#ifndef HOTCELL_GUEST_FORMATS_QCOW2_EDIT_BENCH_H_
#define HOTCELL_GUEST_FORMATS_QCOW2_EDIT_BENCH_H_

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "guest/formats/common/chain.h"
#include "guest/formats/qcow2/checker.h"
#include "guest/formats/testing/disk.h"
#include "guest/formats/testing/qemu_img.h"
#include "guest/runtime/native/native_channel.h"

namespace hotcell::guest::qcow2 {

using Bytes = std::vector<std::byte>;

// Memory that takes `limit` changes and fails the next: a write does the first half of what
// it is asked for, in whole sectors, or nothing.
class DyingFile : public MemoryFile {
 public:
  DyingFile(Bytes bytes, uint64_t limit, bool torn)
      : MemoryFile(std::move(bytes)), limit_(limit), torn_(torn) {}

  bool died() const { return died_; }
  // Made so far, or asked for.
  uint64_t changes() const { return changes_; }

  IoResult Write(uint64_t offset, std::span<const std::byte> data) override {
    if (Survives()) return MemoryFile::Write(offset, data);
    if (torn_ && data.size() >= kMinTorn) {
      (void)MemoryFile::Write(offset, data.first(data.size() / kMinTorn * kMinTorn / 2));
    }
    return kGone;
  }
  IoResult WriteZeroes(uint64_t offset, uint64_t length) override {
    return Survives() ? MemoryFile::WriteZeroes(offset, length) : kGone;
  }
  IoResult SetSize(uint64_t size) override {
    return Survives() ? MemoryFile::SetSize(size) : kGone;
  }
  IoResult Flush() override { return died_ ? kGone : IoResult{}; }

 private:
  static constexpr size_t kMinTorn = 1024;  // two sectors
  static constexpr IoResult kGone = {.status = IoStatus::kIoError};

  bool Survives() {
    // Nothing follows a kill.
    if (died_) ADD_FAILURE() << "a change after one that failed";
    if (changes_++ == limit_) died_ = true;
    return !died_;
  }

  const uint64_t limit_;
  uint64_t changes_ = 0;
  const bool torn_;
  bool died_ = false;
};

class EditBench {
 public:
  explicit EditBench(const TemporaryDirectory& directory) : directory_(directory) {}

  Bytes Load(const std::string& name) const {
    std::ifstream in(directory_.path(name), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    const auto bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
  }
  void Store(const std::string& name, const Bytes& bytes) const {
    std::ofstream out(directory_.path(name), std::ios::binary | std::ios::trunc);
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }

  struct Edited {
    Status status;
    Bytes bytes;
    bool died = false;
    uint64_t changes = 0;
  };
  using Edit = std::function<Status(IoChannel& io, const FileHandle& file)>;
  // Edits a copy of `bytes`, which dies after `changes` changes.
  Edited Run(const Bytes& bytes, const Edit& edit, uint64_t changes = UINT64_MAX,
             bool torn = false) const {
    NativeFiles files;
    AllowReferences(files);
    auto memory = std::make_unique<DyingFile>(bytes, changes, torn);
    DyingFile* const file = memory.get();
    const FileHandle handle = files.Add(std::move(memory));
    NativeChannel io(files, 4, 64 << 10);
    Edited edited = {.status = edit(io, handle)};
    edited.bytes = file->bytes();
    edited.died = file->died();
    edited.changes = file->changes();
    return edited;
  }

  // What the checker says against an image; empty: nothing but that space is lost, or not even that
  // with `strict`.
  std::string Damage(const Bytes& bytes, bool strict) const {
    NativeFiles files;
    const FileHandle file = files.Add(std::make_unique<MemoryFile>(bytes));
    NativeChannel io(files);
    const auto check = CheckQcow2(io, file, {});
    if (!check.ok()) return check.status().message();
    std::string damage;
    for (const CheckFinding& finding : check->findings) {
      if (strict || finding.kind != CheckFinding::Kind::kLeak) damage += finding.text + "\n";
    }
    return damage;
  }

  // The whole disk, with what the images below hold of it.
  Result<Bytes> Disk(const Bytes& bytes) const {
    NativeFiles files;
    AllowReferences(files, /*always=*/true);
    const FileHandle file = files.Add(std::make_unique<MemoryFile>(bytes));
    NativeChannel io(files);
    const auto chain = ImageChain::Open(io, {.file = file, .format = "qcow2"}, {});
    if (!chain.ok()) return chain.status();
    return DiskReader(io, **chain).Read(0, (*chain)->virtual_size());
  }

  // Whether edits may open the images below.
  void set_references_allowed(bool allowed) { references_allowed_ = allowed; }

 private:
  void AllowReferences(NativeFiles& files, bool always = false) const {
    if (!references_allowed_ && !always) return;
    files.set_reference_opener(
        [this](uint32_t, ReferenceKind, std::string_view name) -> NativeFiles::Opened {
          const int fd = open(directory_.path(std::string(name)).c_str(), O_RDONLY | O_CLOEXEC);
          if (fd < 0) return {.status = IoStatus::kNotFound, .file = nullptr};
          return {.status = IoStatus::kOk, .file = std::make_unique<FdFile>(fd)};
        });
  }

  const TemporaryDirectory& directory_;
  bool references_allowed_ = true;
};

}  // namespace hotcell::guest::qcow2

#endif  // HOTCELL_GUEST_FORMATS_QCOW2_EDIT_BENCH_H_
