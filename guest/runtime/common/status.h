// Errors of guest code: what kind, and a sentence for the image's owner. The guest has no
// absl::Status (it does not link without an operating system); this is the part of it that is
// needed.
//
//   Result<uint64_t> size = ReadSize(...);
//   if (!size.ok()) return size.status();
#ifndef HOTCELL_GUEST_RUNTIME_COMMON_STATUS_H_
#define HOTCELL_GUEST_RUNTIME_COMMON_STATUS_H_

#include <cstdint>
#include <string>
#include <utility>

#include "base/expected.h"

namespace hotcell::guest {

// Values are those of hotcell.v1.ErrorCode, where kOk stands for no error.
enum class Code : uint8_t {
  kOk = 0,
  kCorruptImage = 1,
  kUnsupported = 2,
  kInvalidArgument = 3,
  kLimit = 4,
  kIo = 5,
  kReferenceRefused = 6,
  kNotFound = 7,
  kOutOfMemory = 8,
};

// What can be done about an error. Values are those of hotcell.v1.Remedy; the words for them are
// those of the program that tells of the error.
enum class Remedy : uint8_t {
  kNone = 0,
  kRaiseVirtualSize = 1,
  kRaiseChainDepth = 2,
  kRaiseReportBytes = 3,
  kRemoveBitmaps = 4,
  kSeeUsage = 5,
  kMakeAnew = 6,
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Code code, std::string message, Remedy remedy = Remedy::kNone)
      : code_(code), remedy_(remedy), message_(std::move(message)) {}

  bool ok() const { return code_ == Code::kOk; }
  Code code() const { return code_; }
  Remedy remedy() const { return remedy_; }
  const std::string& message() const { return message_; }

  // The same error, with other words for it.
  Status WithMessage(std::string message) const {
    return Status(code_, std::move(message), remedy_);
  }

 private:
  Code code_ = Code::kOk;
  Remedy remedy_ = Remedy::kNone;
  std::string message_;
};

inline Status OkStatus() { return Status(); }
inline Status CorruptImage(std::string message) {
  return Status(Code::kCorruptImage, std::move(message));
}
inline Status Unsupported(std::string message, Remedy remedy = Remedy::kNone) {
  return Status(Code::kUnsupported, std::move(message), remedy);
}
inline Status InvalidArgument(std::string message, Remedy remedy = Remedy::kNone) {
  return Status(Code::kInvalidArgument, std::move(message), remedy);
}
inline Status LimitExceeded(std::string message, Remedy remedy = Remedy::kNone) {
  return Status(Code::kLimit, std::move(message), remedy);
}

// A value or the reason why there is none. Precondition of value(): ok().
template <typename T>
class [[nodiscard]] Result : public Expected<T, Status> {
 public:
  using Expected<T, Status>::Expected;
  const Status& status() const { return this->error(); }
};

#define HOTCELL_RETURN_IF_ERROR(expression)                                             \
  do {                                                                                  \
    if (::hotcell::guest::Status hotcell_status_ = (expression); !hotcell_status_.ok()) \
      return hotcell_status_;                                                           \
  } while (false)

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_RUNTIME_COMMON_STATUS_H_
