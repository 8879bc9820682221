// The files of one job: the only ones that its guest can name, by slots instead of paths, with the
// quotas on what is read and written. The slots come from a hostile guest.
#ifndef HOTCELL_BROKER_FILES_FILE_TABLE_H_
#define HOTCELL_BROKER_FILES_FILE_TABLE_H_

#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/unique_fd.h"
#include "broker/files/file_state.h"
#include "broker/files/written_ranges.h"
#include "guest/abi/abi.h"
#include "hotcell/engine.h"
#include "protos/report.pb.h"

namespace hotcell::broker {

// What FLUSH and WRITE promise about stable storage.
enum class Durability {
  kNone,        // FLUSH does nothing
  kOnFlush,     // FLUSH is fdatasync()
  kEveryWrite,  // each WRITE is synchronous (RWF_DSYNC), and so is FLUSH
};

// Whether READ and WRITE pass by the page cache.
enum class Access {
  kCached,
  kDirect,  // with O_DIRECT; see file_io.h
};

// A block device that gets a new image. A new file is all zeroes where nobody writes, and that is
// what the guest builds on; a device has old bytes there.
struct RenewedDevice {
  std::mutex mutex;       // held while gaps are filled, so that none is filled over a write
  WrittenRanges written;  // or about to be
  uint64_t size = 0;      // of the new image, bytes, as far as the guest has set it
};

// A file of the job. Everything but the atomics is fixed once the file is in its table.
struct JobFile {
  int fd = -1;
  UniqueFd owned;  // holds fd when the table opened it
  // Access::kDirect: the same file, opened once more with O_DIRECT. What goes through it begins and
  // ends at multiples of direct_alignment in the file and of direct_memory_alignment in memory,
  // both in bytes.
  UniqueFd direct;
  uint64_t direct_alignment = 0;
  uint64_t direct_memory_alignment = 0;
  std::unique_ptr<RenewedDevice> renewed;  // nullptr: the device or file is written as it is
  std::string name;                        // quoted and escaped, for messages
  std::optional<FileState> state;          // of an input on a file system, when it was added
  // Bytes, as qemu-img calls it: one that an image names is beside that image.
  std::string image_name;
  bool writable = false;
  bool block_device = false;
  Durability durability = Durability::kNone;
  dev_t device = 0;  // device and inode tell files apart; of block devices, the device they are
  ino_t inode = 0;
  std::atomic<bool> to_be_emptied = false;  // before anything else is done with it
  std::optional<uint32_t> referrer;         // slot of the image that names this one
  uint32_t depth = 1;                       // images from the job's source down to this one

  // Regular files that are written: writes that may grow the file hold it shared, what sets a size
  // holds it exclusively, so that setting a size never cuts off another lane's write.
  std::shared_mutex size_mutex;
  std::mutex write_mutex;                  // see WriteTurn
  std::atomic<uint64_t> size = 0;          // bytes
  std::atomic<uint64_t> written_end = 0;   // nothing but holes lies beyond; at most `size`
  std::atomic<uint64_t> output_taken = 0;  // bytes of the output quota
  std::atomic<uint64_t> cached_bytes = 0;  // written through the cache in spite of Access::kDirect
};

struct FileLimits {
  uint64_t bytes_read = 0;              // from all files together
  uint64_t output_bytes = 0;            // size of all written files together
  uint64_t bytes_written = UINT64_MAX;  // to all of them together
  uint64_t output_rate = 0;             // bytes a second to all of them; 0: no limit
  uint32_t chain_depth = 0;
  uint32_t references = 0;
};

// The files a job's guest may name, by slot, the quotas they share, and the first thing that went
// wrong with one of them. Find() and the quotas may be called by all lanes at once.
class FileTable {
 public:
  explicit FileTable(const FileLimits& limits) : limits_(limits) {}

  // `fd` is not owned and must outlive the table. `name` is for messages. Errors: neither a regular
  // file nor a block device; the descriptor's access mode does not fit; with Access::kDirect, that
  // the file cannot be accessed with O_DIRECT (kFailedPrecondition) or not be opened again.
  absl::StatusOr<uint32_t> AddInput(int fd, absl::string_view name,
                                    Access access = Access::kCached);
  // `fresh`: the file is to be emptied first, so that all of it is holes. That is done with the
  // guest's first request of it, so that a job which fails before leaves what was there.
  absl::StatusOr<uint32_t> AddOutput(int fd, absl::string_view name, Durability durability,
                                     bool fresh, Access access = Access::kCached);
  // The block device in `slot`, an output, gets a new image: what lies before the image's end and
  // is not written by the guest is written with zeroes when the guest flushes it, and what others
  // would know an old image by is wiped when it would empty a file.
  void Renew(uint32_t slot);
  // One more file that an image names is to be looked for, be it there or not. kResourceExhausted:
  // too many.
  absl::Status CountReference();
  // A file that the image in slot `referrer` names, accessed as that one is. Errors: too deep a
  // chain (kResourceExhausted), a cycle (kDataLoss), the job's own output (kPermissionDenied).
  // `image_name` is JobFile's.
  absl::StatusOr<uint32_t> AddReference(UniqueFd fd, absl::string_view name, uint32_t referrer,
                                        abi::ReferenceKind kind, std::string_view image_name = {});

  // The job's target, or an extent file of it, takes the place of this file, so that no reference
  // may lead to it. Errors: one does already (kPermissionDenied).
  absl::Status AddReplacedFile(const FileIdentity& file);

  // Empties a fresh output that nothing was done with yet. All lanes may call it.
  absl::Status EmptyOnce(JobFile& file);
  // Empties all fresh outputs that nothing was done with yet, unless writes are held: a job may end
  // well without a word about one.
  absl::Status EmptyOutputs();

  // From now on the guest may have extent files of the target made, which `open` does: it is
  // asked for each once and in order. They are written as the target is.
  void AllowExtentFiles(ExtentFileOpener open, Durability durability, Access access);
  // The output that is extent file `number`. Errors: they are not allowed (kPermissionDenied); too
  // many (kResourceExhausted); not the number that is next, which is the guest's fault
  // (FailureKind::kGuestContract); what the opener or AddOutput() says.
  absl::StatusOr<uint32_t> AddExtentFile(uint64_t number);

  // Decides, by what the guest found out about the job's source, whether the job may write.
  using WriteJudge = std::function<absl::Status(v1::Report& report)>;
  // Until `judge` has said OK nothing may be written. Call before any output is added.
  void HoldWrites(WriteJudge judge);
  // Nothing may be written yet.
  bool writes_held() const { return writes_held_; }
  // What the judge says, who may take the report apart; when it is OK writes are no longer held.
  // nullopt: nobody waits to be asked, or was asked before.
  std::optional<absl::Status> JudgeWrites(v1::Report& report);
  // Why the judge said no; OK: it did not, or was not asked.
  absl::Status refusal() const;

  // nullptr: no such slot.
  JobFile* Find(uint32_t slot) const;

  const FileLimits& limits() const { return limits_; }

  // Takes `bytes` of the read quota; false when it does not suffice. What was not read is returned.
  bool TakeReadQuota(uint64_t bytes);
  void ReturnReadQuota(uint64_t bytes) { quota_taken_ -= bytes; }
  uint64_t bytes_read() const { return quota_taken_; }
  // Takes `bytes` of the write quota; false when it does not suffice. Nothing is returned.
  bool TakeWriteQuota(uint64_t bytes);

  // Lets `file` grow to `end` bytes, out of what all written files share. What was taken is not
  // returned: a file that shrinks may grow again.
  bool TakeOutputQuota(JobFile& file, uint64_t end);

  // The inputs that changed since they were added. Devices do not show it.
  std::vector<ChangedFile> ChangedInputs() const;

  // Keeps the first error; later ones are dropped.
  void RecordError(absl::Status error);
  // Keeps the first error of what was to be written to an output: the job has failed then, whatever
  // the guest makes of it.
  void RecordOutputError(absl::Status error);
  // The error of a call on `file`, an output's where it is one: kUnavailable, or kResourceExhausted
  // where space is what lacks: "cannot <action>: <strerror>".
  void RecordIoError(const JobFile& file, int error_number, absl::string_view action);
  absl::Status error() const;
  // The first error of an output.
  absl::Status output_error() const;

 private:
  static constexpr uint32_t kMaxSlots = 512;

  absl::StatusOr<uint32_t> Add(std::unique_ptr<JobFile> file);

  const FileLimits limits_;
  mutable std::mutex mutex_;  // guards adding and error_
  uint32_t references_ = 0;
  std::vector<FileIdentity> replaced_;
  absl::Status error_;
  absl::Status output_error_;
  std::array<std::unique_ptr<JobFile>, kMaxSlots> files_;
  std::atomic<uint32_t> count_ = 0;        // published after the file is in place
  std::atomic<uint64_t> quota_taken_ = 0;  // of bytes_read
  std::atomic<uint64_t> write_quota_taken_ = 0;

  std::mutex empty_mutex_;  // guards emptying

  std::mutex output_quota_mutex_;  // guards output_taken_ and writes of JobFile::output_taken
  uint64_t output_taken_ = 0;

  mutable std::mutex judge_mutex_;  // guards what follows but writes_held_; taken before mutex_
  WriteJudge write_judge_;
  absl::Status refusal_;
  std::atomic<bool> writes_held_ = false;

  std::mutex extent_files_mutex_;  // guards what follows; taken before mutex_
  ExtentFileOpener open_extent_file_;
  Durability extent_file_durability_ = Durability::kNone;
  Access extent_file_access_ = Access::kCached;
  uint32_t next_extent_file_ = 0;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_FILES_FILE_TABLE_H_
