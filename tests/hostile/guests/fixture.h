// Runs hostile guests as real jobs, with an input, an output, limits and a policy, and holds the
// broker to this after each: its next jobs succeed, nothing beside the output has changed, and no
// descriptor, thread or process is left.
#ifndef HOTCELL_TESTS_HOSTILE_GUESTS_FIXTURE_H_
#define HOTCELL_TESTS_HOSTILE_GUESTS_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/unique_fd.h"
#include "broker/testing/temp_dir.h"
#include "hotcell/engine.h"
#include "hotcell/remedy.h"
#include "tests/hostile/guests/script.h"

namespace hotcell::hostile {

// One HOSTILE_GUEST of program/ and the job that it is to take over.
struct AttackJob {
  std::string guest;
  uint64_t first = 0;
  uint64_t second = 0;
  uint32_t lanes = 1;
};

// How a job must end: the status's code, an extended regular expression that its message contains,
// and its remedy, where that is of interest.
struct End {
  absl::StatusCode code = absl::StatusCode::kInternal;
  std::string message;
  std::optional<Remedy> remedy = std::nullopt;
};

// An exception at CPL 3, told by the fault stubs. `vectors` is an expression: "13", "(6|13)".
End Fault(const std::string& vectors, const std::string& error_code = "0x0", uint32_t vcpu = 0);
inline End Fault(uint32_t vector) { return Fault(std::to_string(vector)); }
// A page fault. Bits of `error_code`: below.
End PageFault(uint64_t error_code, uint64_t address);
inline constexpr uint64_t kPresent = 1;
inline constexpr uint64_t kWriting = 2;
inline constexpr uint64_t kUser = 4;
inline constexpr uint64_t kFetching = 16;
// An exit to the worker for which there is no device.
End UnexpectedOut(uint16_t port, uint32_t size);
End UnexpectedIn(uint16_t port, uint32_t size);
// Tell(`text`).
End Told(const std::string& text);
// The attack did nothing that ends a guest.
End WentOn();
End ExitedWith(uint32_t code);
// The broker says what is wrong with a request or a ring.
End BrokeTheRings(const std::string& what);

// One guest, one end.
struct GuestCase {
  std::string name;
  AttackJob job;
  End end;
};
void PrintTo(const GuestCase& guest_case, std::ostream* out);
void PrintTo(const AttackJob& job, std::ostream* out);

class HostileGuestTest : public testing::Test {
 protected:
  HostileGuestTest();

  void SetUp() override;
  void TearDown() override;

  // What the guest finds at the start of its input.
  void SetScript(const std::string& bytes);
  void SetRequests(std::span<const abi::Submission> requests);

  // A conversion of the input to the output that the guest takes over.
  absl::StatusOr<ConvertReply> Convert(const AttackJob& job) { return ConvertWith(*engine_, job); }
  absl::StatusOr<ConvertReply> ConvertWith(const Engine& engine, const AttackJob& job);
  absl::StatusOr<InfoReply> Info(const AttackJob& job);
  absl::Status Map(const AttackJob& job);
  // The files' state before a job; those above see to it themselves.
  void TakeNote() { files_ = Files(); }
  static void ExpectEnd(const absl::Status& status, const End& end);
  void ExpectConvertEnds(const AttackJob& job, const End& end) {
    ExpectEnd(Convert(job).status(), end);
  }

  // What a broker must be like after a guest; TearDown() expects it too.
  void ExpectOrdinaryJobsSucceed() const { ExpectOrdinaryJobsSucceedWith(*engine_); }
  void ExpectOrdinaryJobsSucceedWith(const Engine& engine) const;

  const Engine& engine() const { return *engine_; }
  const broker::TempDir& dir() const { return dir_; }
  // Bytes of the input behind the script.
  static std::string InputData();

  // What the jobs to come are to have.
  JobOptions options_;
  ReferencePolicy references_;
  ExtentFileOpener open_extent_file_;
  std::optional<InspectFirst> inspect_;

 private:
  struct Resources {
    size_t descriptors = 0;
    size_t threads = 0;
    bool operator==(const Resources&) const = default;
  };
  static Resources Count();
  // All that is below the directory but the output: path to size, times, inode and contents.
  std::map<std::string, std::string> Files() const;
  static std::string Selector(const AttackJob& job);

  const broker::TempDir dir_;
  UniqueFd input_;
  UniqueFd output_;
  std::unique_ptr<Engine> engine_;
  Resources resources_;
  std::map<std::string, std::string> files_;
};

// Instantiate with GuestCases.
class HostileGuest : public HostileGuestTest, public testing::WithParamInterface<GuestCase> {};
#define HOTCELL_HOSTILE_GUESTS(subject, cases)                              \
  INSTANTIATE_TEST_SUITE_P(subject, HostileGuest, testing::ValuesIn(cases), \
                           [](const auto& guest) { return guest.param.name; })

}  // namespace hotcell::hostile

#endif  // HOTCELL_TESTS_HOSTILE_GUESTS_FIXTURE_H_
