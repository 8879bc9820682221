// IoChannel over files and memory of this process, for unit tests, sanitizers, fuzzers and
// benchmarks of guest code.
//
//   NativeFiles files;
//   const FileHandle image = files.Add(std::make_unique<MemoryFile>(bytes));
//   NativeChannel io(files);
//   auto reader = driver->open(io, image, {});
//
// Requests run when they are waited for, in the order of submission, so that code that looks at a
// buffer too early sees stale bytes. A breach of IoChannel's contract (data outside the channel's
// buffers, overlapping requests, a ticket waited for twice or never, too many in flight, an unknown
// slot) prints what it was and aborts: in the guest it would end the job.
#ifndef HOTCELL_GUEST_RUNTIME_NATIVE_NATIVE_CHANNEL_H_
#define HOTCELL_GUEST_RUNTIME_NATIVE_NATIVE_CHANNEL_H_

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "guest/runtime/common/io.h"

namespace hotcell::guest {

// What a slot stands for. Called by several channels at once.
class NativeFile {
 public:
  virtual ~NativeFile() = default;

  virtual uint64_t size() = 0;  // bytes
  virtual IoResult Read(uint64_t offset, std::span<std::byte> data) = 0;
  virtual IoResult Write(uint64_t offset, std::span<const std::byte> data) = 0;
  virtual IoResult WriteZeroes(uint64_t offset, uint64_t length) = 0;
  virtual IoResult BlockStatus(uint64_t offset, uint64_t length) = 0;
  virtual IoResult Flush() = 0;
  virtual IoResult SetSize(uint64_t size) = 0;
};

// Owns a file descriptor. Holes are what lseek(SEEK_DATA) says.
class FdFile : public NativeFile {
 public:
  explicit FdFile(int fd) : fd_(fd) {}  // takes ownership
  ~FdFile() override;
  FdFile(const FdFile&) = delete;
  FdFile& operator=(const FdFile&) = delete;

  uint64_t size() override;
  IoResult Read(uint64_t offset, std::span<std::byte> data) override;
  IoResult Write(uint64_t offset, std::span<const std::byte> data) override;
  IoResult WriteZeroes(uint64_t offset, uint64_t length) override;
  IoResult BlockStatus(uint64_t offset, uint64_t length) override;
  IoResult Flush() override;
  IoResult SetSize(uint64_t size) override;

 private:
  int fd_;
};

// Bytes in memory, without holes.
class MemoryFile : public NativeFile {
 public:
  explicit MemoryFile(std::vector<std::byte> bytes = {}) : bytes_(std::move(bytes)) {}

  // What the file holds. Call it only while no request is under way.
  const std::vector<std::byte>& bytes() const { return bytes_; }

  uint64_t size() override;
  IoResult Read(uint64_t offset, std::span<std::byte> data) override;
  IoResult Write(uint64_t offset, std::span<const std::byte> data) override;
  IoResult WriteZeroes(uint64_t offset, uint64_t length) override;
  IoResult BlockStatus(uint64_t offset, uint64_t length) override;
  IoResult Flush() override { return {}; }
  IoResult SetSize(uint64_t size) override;

 private:
  std::mutex mutex_;
  std::vector<std::byte> bytes_;
};

// A request as a fault hook sees it.
struct NativeRequest {
  abi::Opcode opcode;
  uint32_t slot = 0;
  uint64_t offset = 0;     // bytes
  uint64_t length = 0;     // bytes
  CopySource source = {};  // kCopy
};

// The job's slots, shared by the channels of all lanes.
class NativeFiles {
 public:
  // Answers OPEN_REFERENCE: a file, or the status of the refusal.
  struct Opened {
    IoStatus status = IoStatus::kRefused;
    std::unique_ptr<NativeFile> file;  // when kOk
  };
  using ReferenceOpener =
      std::function<Opened(uint32_t from_slot, ReferenceKind kind, std::string_view name)>;
  // Answers CREATE_EXTENT_FILE: a new file; null: the request is refused.
  using ExtentFileOpener = std::function<std::unique_ptr<NativeFile>(uint32_t number)>;
  // Answers PROCEED.
  using Judge = std::function<IoStatus(uint32_t slot, std::span<const std::byte> report)>;
  // A result takes the place of the request's own. Called by several channels at once.
  using FaultHook = std::function<std::optional<IoResult>(const NativeRequest&)>;

  FileHandle Add(std::unique_ptr<NativeFile> file);
  // Opens a path of the host; the handle's slot is kNoSlot when that fails (errno says why).
  FileHandle AddPath(const std::string& path, int open_flags);
  static constexpr uint32_t kNoSlot = UINT32_MAX;

  // Refuse everything unless set. Set all before the first request.
  void set_reference_opener(ReferenceOpener opener) { opener_ = std::move(opener); }
  void set_extent_file_opener(ExtentFileOpener opener) { extent_file_opener_ = std::move(opener); }
  void set_judge(Judge judge) { judge_ = std::move(judge); }
  void set_fault_hook(FaultHook hook) { fault_hook_ = std::move(hook); }

  // nullptr: no such slot.
  NativeFile* file(uint32_t slot);

 private:
  friend class NativeChannel;

  std::mutex mutex_;
  std::vector<std::unique_ptr<NativeFile>> files_;
  ReferenceOpener opener_;
  ExtentFileOpener extent_file_opener_;
  uint32_t next_extent_file_ = 0;
  Judge judge_;
  FaultHook fault_hook_;
};

class NativeChannel : public IoChannel {
 public:
  static constexpr size_t kDefaultBufferCount = 16;
  static constexpr size_t kDefaultBufferSize = 1 << 20;

  // `files` outlives the channel.
  explicit NativeChannel(NativeFiles& files, size_t buffer_count = kDefaultBufferCount,
                         size_t buffer_size = kDefaultBufferSize);
  ~NativeChannel() override;

  // Requests executed so far.
  uint64_t request_count() const { return request_count_; }

  size_t buffer_count() const override { return buffers_.size(); }
  size_t buffer_size() const override { return buffer_size_; }
  std::byte* buffer(size_t index) override { return buffers_[index]; }
  void CutBuffers(size_t size) override;
  Ticket SubmitRead(uint32_t slot, uint64_t offset, std::span<std::byte> data) override;
  Ticket SubmitWrite(uint32_t slot, uint64_t offset, std::span<const std::byte> data) override;
  Ticket SubmitWriteZeroes(uint32_t slot, uint64_t offset, uint64_t length) override;
  Ticket SubmitCopy(const CopySource& source, uint32_t slot, uint64_t offset,
                    uint64_t length) override;
  IoResult Wait(Ticket ticket) override;
  IoResult BlockStatus(uint32_t slot, uint64_t offset, uint64_t length,
                       std::span<abi::BlockRun> runs) override;
  IoResult Flush(uint32_t slot) override;
  IoResult SetSize(uint32_t slot, uint64_t size) override;
  IoResult OpenReference(uint32_t from_slot, ReferenceKind kind, std::string_view name) override;
  IoResult CreateExtentFile(uint32_t target_slot, uint32_t number) override;
  IoResult Proceed(uint32_t slot, std::span<const std::byte> report) override;
  std::byte* AcquireBuffer() override;
  void ReleaseBuffer(std::byte* buffer) override;

 private:
  struct Pending {
    Ticket ticket;
    NativeRequest request;
    std::byte* data;  // reads and writes
    bool done = false;
    IoResult result;
  };

  Ticket Submit(const NativeRequest& request, const std::byte* data);
  void CheckData(const NativeRequest& request, const std::byte* data) const;
  IoResult Execute(const NativeRequest& request, std::byte* data);
  IoResult ExecuteCopy(const NativeRequest& request, NativeFile& target);
  // Executes what was submitted before a synchronous request, then the request.
  IoResult ExecuteInOrder(const NativeRequest& request);
  void Drain(size_t count);

  NativeFiles& files_;
  size_t buffer_size_;
  std::unique_ptr<std::byte[]> memory_;
  std::vector<std::byte*> buffers_;
  std::vector<std::byte*> free_buffers_;
  std::deque<Pending> pending_;
  Ticket next_ticket_ = 1;
  uint64_t request_count_ = 0;
};

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_NATIVE_NATIVE_CHANNEL_H_
