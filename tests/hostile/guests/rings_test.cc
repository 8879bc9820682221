// Attacks on the broker through a lane's rings: requests that break the contract, rings that cannot
// be, and fields that change while they are read.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/hostile/guests/fixture.h"

namespace hotcell::hostile {
namespace {

using abi::Opcode;
using abi::Submission;

constexpr uint64_t kLaneBuffers = 24 << 20;  // bytes
constexpr uint64_t kMaxTransfer = 2 << 20;
constexpr uint64_t kMaxOffset = INT64_MAX;
constexpr uint64_t kExabyte = 1ull << 60;
// Limits of the jobs here.
constexpr uint64_t kOutputBytes = 1 << 20;
constexpr uint64_t kBytesRead = 8 << 20;

Submission Request(Opcode opcode, uint32_t slot, uint64_t offset = 0, uint64_t length = 0,
                   uint64_t buffer = 0) {
  return {.opcode = static_cast<uint32_t>(opcode),
          .slot = slot,
          .offset = offset,
          .length = length,
          .buffer = buffer};
}
Submission Read(uint64_t offset, uint64_t length, uint64_t buffer = kInBuffers) {
  return Request(Opcode::kRead, kInputSlot, offset, length, buffer);
}
Submission Write(uint64_t offset, uint64_t length, uint64_t buffer = kInBuffers) {
  return Request(Opcode::kWrite, kOutputSlot, offset, length, buffer);
}
Submission Copy(uint64_t from_slot, uint64_t from, uint32_t slot, uint64_t offset,
                uint64_t length) {
  Submission request = Request(Opcode::kCopy, slot, offset, length);
  request.source_slot = from_slot;
  request.source_offset = from;
  return request;
}
Submission With(Submission request, auto change) {
  change(request);
  return request;
}

// A request that was served as it should, or refused with a status of its own.
End Served(uint64_t result) {
  return Told(absl::StrCat("status 0, result ", result, ", result2 0"));
}
End Quota() { return Told("status 3, result 0, result2 0"); }

struct RequestCase {
  std::string name;
  std::vector<Submission> requests;
  End end;
  std::string guest = "requests";
  uint32_t lanes = 1;
};
void PrintTo(const RequestCase& request_case, std::ostream* out) { *out << request_case.name; }

class HostileRequests : public HostileGuestTest, public testing::WithParamInterface<RequestCase> {
 protected:
  void SetUp() override {
    HostileGuestTest::SetUp();
    options_.limits.output_bytes = kOutputBytes;
    options_.limits.bytes_read = kBytesRead;
  }
};

TEST_P(HostileRequests, EndAsStated) {
  SetRequests(GetParam().requests);
  ExpectConvertEnds({GetParam().guest, 0, 0, GetParam().lanes}, GetParam().end);
}

const RequestCase kOpcodes[] = {
    {"OpcodeZero", {{}}, BrokeTheRings("unknown opcode \\(0x0\\)")},
    {"OpcodeEleven", {{.opcode = 11}}, BrokeTheRings("unknown opcode \\(0xb\\)")},
    {"OpcodeHuge", {{.opcode = UINT32_MAX}}, BrokeTheRings("unknown opcode \\(0xffffffff\\)")},
    {"ReservedIsSet",
     {With(Read(0, 512), [](Submission& r) { r.reserved0 = 1; })},
     BrokeTheRings("reserved0 is not zero")},
    {"FlagsOfARead",
     {With(Read(0, 512), [](Submission& r) { r.flags = 1; })},
     BrokeTheRings("flags are not zero")},
    {"SourceSlotOfARead",
     {With(Read(0, 512), [](Submission& r) { r.source_slot = 1; })},
     BrokeTheRings("a source slot is not used")},
    {"SourceOffsetOfAWrite",
     {With(Write(0, 512), [](Submission& r) { r.source_offset = 1; })},
     BrokeTheRings("a source offset is not used")},
    {"SlotOfNoFile", {Request(Opcode::kRead, 2, 0, 512, kInBuffers)}, BrokeTheRings(".*slot 2,")},
    {"SlotHuge",
     {Request(Opcode::kRead, UINT32_MAX, 0, 512, kInBuffers)},
     BrokeTheRings(".*slot 4294967295, which is none of the job's files")},
    {"FlushOfNoFile", {Request(Opcode::kFlush, 7)}, BrokeTheRings(".*slot 7,")},
    {"FlushWithLength",
     {Request(Opcode::kFlush, kOutputSlot, 0, 1)},
     BrokeTheRings("a length is not used")},
    {"FlushWithOffset",
     {Request(Opcode::kFlush, kOutputSlot, 1)},
     BrokeTheRings("an offset is not used")},
    {"SetSizeWithBuffer",
     {Request(Opcode::kSetSize, kOutputSlot, 0, 0, 4096)},
     BrokeTheRings("a buffer is not used")},
    {"BlockStatusOfNothing",
     {Request(Opcode::kBlockStatus, kInputSlot, 0, 0, kInBuffers)},
     BrokeTheRings("the length is zero")},
    {"CreateExtentFileUnasked",
     {Request(Opcode::kCreateExtentFile, kOutputSlot)},
     Told("status 4, result 0, result2 0")},
    {"CreateExtentFileOfAnInput",
     {Request(Opcode::kCreateExtentFile, kInputSlot)},
     BrokeTheRings("opcode 9 would write to 'input.raw'")},
};

const RequestCase kInputs[] = {
    {"Write",
     {Request(Opcode::kWrite, kInputSlot, 0, 512, kInBuffers)},
     BrokeTheRings("opcode 2 would write to 'input.raw', which is an input")},
    {"WriteZeroes",
     {Request(Opcode::kWriteZeroes, kInputSlot, 0, 512)},
     BrokeTheRings("opcode 3 would write to 'input.raw'")},
    {"Flush",
     {Request(Opcode::kFlush, kInputSlot)},
     BrokeTheRings("opcode 5 would write to 'input.raw'")},
    {"SetSize",
     {Request(Opcode::kSetSize, kInputSlot)},
     BrokeTheRings("opcode 6 would write to 'input.raw'")},
    {"CopyOverIt",
     {Copy(kInputSlot, 0, kInputSlot, 4096, 4096)},
     BrokeTheRings("opcode 8 would write to 'input.raw'")},
    {"CopyFromOutput",
     {Write(0, 512), Copy(kOutputSlot, 0, kOutputSlot, 4096, 512)},
     BrokeTheRings("opcode 8 would copy from slot 1, which is none of the job's inputs")},
    {"CopyFromNoFile",
     {Copy(2, 0, kOutputSlot, 0, 512)},
     BrokeTheRings("opcode 8 would copy from slot 2,")},
    {"CopyFromTruncatedSlot",
     {Copy(1ull << 32, 0, kOutputSlot, 0, 512)},
     BrokeTheRings("the source slot is out of range \\(0x100000000\\)")},
    {"CopyOfNothing",
     {Copy(kInputSlot, 0, kOutputSlot, 0, 0)},
     BrokeTheRings("the length is out of range \\(0x0\\)")},
    {"CopyOfTooMuch",
     {Copy(kInputSlot, 0, kOutputSlot, 0, abi::kMaxCopy + 1)},
     BrokeTheRings("the length is out of range \\(0x1000001\\)")},
    {"CopySourceOverflows",
     {Copy(kInputSlot, kMaxOffset, kOutputSlot, 0, 512)},
     BrokeTheRings("source offset \\+ length overflows")},
    {"CopyFromBeyondTheEnd", {Copy(kInputSlot, kExabyte, kOutputSlot, 0, 512)}, Served(0)},
    {"OutputMayBeReadBack",
     {Write(0, 512), Request(Opcode::kRead, kOutputSlot, 256, 512, kInBuffers)},
     Served(256)},
    {"ReadAtTheEnd", {Read(kScriptSize + (256 << 10) - 100, 512)}, Served(100)},
    {"ReadBeyondTheEnd", {Read(kExabyte, 512)}, Served(0)},
    {"ReadAtTheLastOffset", {Read(kMaxOffset - 512, 512)}, Served(0)},
};

const RequestCase kLengths[] = {
    {"ReadOfNothing", {Read(0, 0)}, BrokeTheRings("the length is not within a buffer \\(0x0\\)")},
    {"ReadOfAll",
     {Read(0, UINT64_MAX)},
     BrokeTheRings("offset \\+ length overflows, offset \\(0x0\\)")},
    {"ReadOfTooMuch",
     {Read(0, kMaxTransfer + 1)},
     BrokeTheRings("the length is not within a buffer \\(0x200001\\)")},
    {"ReadOfMost", {Read(0, kMaxTransfer)}, Served(kScriptSize + (256 << 10))},
    {"OffsetNegative", {Read(1ull << 63, 512)}, BrokeTheRings("offset \\+ length overflows")},
    {"OffsetPlusLengthOverflows", {Read(kMaxOffset, 1)}, BrokeTheRings("offset \\+ length")},
    {"OffsetPlusLengthWraps", {Write(UINT64_MAX - 511, 512)}, BrokeTheRings("offset \\+ length")},
    {"WriteOfNothing", {Write(0, 0)}, BrokeTheRings("the length is not within a buffer")},
    {"ZeroesOfNothing",
     {Request(Opcode::kWriteZeroes, kOutputSlot)},
     BrokeTheRings("the length is zero")},
    {"BlockStatusOfAll",
     {Request(Opcode::kBlockStatus, kInputSlot, 0, kMaxOffset, kInBuffers)},
     Told("status 0, result [1-9][0-9]*, result2 0")},
};

// The message names the bytes, and the place where the guest wanted them.
End NotInBuffers(const std::string& size = "512") {
  return BrokeTheRings(size + " bytes at arena offset 0x[0-9a-f]+ are not within lane 0's buffers");
}
const RequestCase kBuffers[] = {
    {"Header", {Read(0, 512, 0)}, NotInBuffers()},
    {"Job", {Read(0, 512, 8192)}, NotInBuffers()},
    {"JustBeforeTheBuffers", {Read(0, 512, kInBuffers - 1)}, NotInBuffers()},
    {"LaneControl", {Read(0, 512, kInRings)}, NotInBuffers()},
    {"SubmissionRing", {Read(0, 512, kInRings | abi::kSubmissionRingOffset)}, NotInBuffers()},
    {"CompletionRing", {Read(0, 512, kInRings | abi::kCompletionRingOffset)}, NotInBuffers()},
    {"AnotherLanes", {Read(0, 512, kInBuffers | kLaneBuffers)}, NotInBuffers(), "requests", 2},
    {"FirstLanesFromLast",
     {Read(0, 512, kInBuffers)},
     BrokeTheRings("512 bytes at arena offset 0x[0-9a-f]+ are not within lane 1's buffers"),
     "requests_on_last_lane",
     2},
    {"AcrossTheLanesEnd",
     {Read(0, 512, kInBuffers | (kLaneBuffers - 256))},
     NotInBuffers(),
     "requests",
     2},
    {"UpToTheLanesEnd", {Read(0, 512, kInBuffers | (kLaneBuffers - 512))}, Served(512)},
    {"AcrossTheArenasEnd", {Read(0, 512, kBeforeEnd | 256)}, NotInBuffers()},
    {"AtTheArenasEnd", {Read(0, 512, kBeforeEnd)}, NotInBuffers()},
    {"Last", {Read(0, 512, UINT64_MAX)}, NotInBuffers()},
    {"Wraps", {Read(0, 512, UINT64_MAX - 255)}, NotInBuffers()},
    {"WriteFromHeader", {Write(0, 512, 0)}, NotInBuffers()},
    {"BlockStatusIntoRings",
     {Request(Opcode::kBlockStatus, kInputSlot, 0, 512, kInRings)},
     NotInBuffers("4096")},
    {"NameInHeader",
     {With(Request(Opcode::kOpenReference, kInputSlot, 0, 64, 0),
           [](Submission& r) { r.flags = 1; })},
     NotInBuffers("64")},
    {"Overlapping", std::vector<Submission>(abi::kRingEntries, Read(0, 4096)), Served(4096),
     "requests_at_once"},
    {"OverlappingReadsAndWrites",
     {Read(0, 4096), Write(0, 4096, kInBuffers | 64), Read(512, 4096, kInBuffers | 128),
      Write(4096, 4096, kInBuffers | 32)},
     Served(4096),
     "requests_at_once"},
};

const RequestCase kQuotas[] = {
    {"LastByte", {Write(kOutputBytes - 512, 512)}, Served(512)},
    {"WriteBeyond", {Write(kOutputBytes - 511, 512)}, Quota()},
    {"WriteFarBeyond", {Write(kMaxOffset - 512, 512)}, Quota()},
    {"SetSizeBeyond", {Request(Opcode::kSetSize, kOutputSlot, kOutputBytes + 1)}, Quota()},
    {"SetSizeHuge", {Request(Opcode::kSetSize, kOutputSlot, kMaxOffset)}, Quota()},
    {"ZeroesOfExabytes", {Request(Opcode::kWriteZeroes, kOutputSlot, 0, 4 * kExabyte)}, Quota()},
    {"ZeroesFarBeyond", {Request(Opcode::kWriteZeroes, kOutputSlot, 4 * kExabyte, 512)}, Quota()},
    {"CopyBeyond", {Copy(kInputSlot, 0, kOutputSlot, kOutputBytes, 512)}, Quota()},
    // What shrinks and grows again takes nothing more.
    {"GrowingAgain",
     {Request(Opcode::kSetSize, kOutputSlot, kOutputBytes), Request(Opcode::kSetSize, kOutputSlot),
      Request(Opcode::kSetSize, kOutputSlot, kOutputBytes)},
     Served(kOutputBytes)},
    // 384 KiB each: the twenty-third does not fit in any more.
    {"ReadsBeyond", std::vector<Submission>(100, Read(0, kMaxTransfer)), Quota()},
    {"ReadsOfNothingTakeNothing", std::vector<Submission>(100, Read(kExabyte, kMaxTransfer)),
     Served(0)},
};

#define HOTCELL_REQUESTS(subject, cases)                                       \
  INSTANTIATE_TEST_SUITE_P(subject, HostileRequests, testing::ValuesIn(cases), \
                           [](const auto& requests) { return requests.param.name; })
HOTCELL_REQUESTS(Opcodes, kOpcodes);
HOTCELL_REQUESTS(Inputs, kInputs);
HOTCELL_REQUESTS(Lengths, kLengths);
HOTCELL_REQUESTS(Buffers, kBuffers);
HOTCELL_REQUESTS(Quotas, kQuotas);

End TooMany(uint32_t requests) {
  return BrokeTheRings(absl::StrCat(requests, " requests in a submission ring of 128"));
}
const GuestCase kRings[] = {
    {"TailOneTooFar", {"move_tail", 129}, TooMany(129)},
    {"TailFar", {"move_tail", 0x8000'0000}, TooMany(0x8000'0000)},
    {"TailBackwards", {"move_tail", UINT32_MAX}, TooMany(UINT32_MAX)},
    {"TailBackwardsLater", {"move_tail", UINT32_MAX, 100}, TooMany(UINT32_MAX)},
    {"TailOverEntriesNeverWritten", {"move_tail", 128}, BrokeTheRings("unknown opcode \\(0x0\\)")},
    {"FullRing", {"full_ring", 10}, Served(512)},
    {"CompletionsNotTaken",
     {"take_no_completions"},
     BrokeTheRings("no room in a completion ring of 128 \\(cq_tail 128, cq_head 0\\)")},
    {"CompletionHeadAhead",
     {"move_completion_head", 1},
     BrokeTheRings("no room in a completion ring of 128 \\(cq_tail 0, cq_head 1\\)")},
    {"CompletionHeadFarBehind",
     {"move_completion_head", UINT32_MAX - 127},
     BrokeTheRings("no room in a completion ring")},
    {"BrokersWordsOverwritten", {"overwrite_broker_words"}, Served(512)},
    {"LiesAboutWaiting", {"wake_lies"}, Served(512)},
    {"HeaderAndJobOverwritten", {"overwrite_header"}, Served(512)},
    {"CompletionRingAsBuffer",
     {"read_into_completion_ring"},
     BrokeTheRings("512 bytes at arena offset 0x[0-9a-f]+ are not within lane 0's buffers")},
    // Whatever the broker finds in it, the guest that did this has no word more to say.
    {"AllOfTheArenaOverwritten",
     {"overwrite_arena"},
     {absl::StatusCode::kInternal,
      "4294967295 requests in a submission ring|the guest exited with code"}},
};
HOTCELL_HOSTILE_GUESTS(Rings, kRings);

// Two vCPUs: one submits, one changes what was submitted. Either value may be what the broker
// reads, and it acts on that one: the input's bytes never change.
constexpr uint64_t kRounds = 200;
End WentOnOr(const std::string& what) {
  return {absl::StatusCode::kInternal,
          absl::StrCat("^the guest (exited with code 90$|broke the ring protocol: ", what, ")")};
}
const GuestCase kRaces[] = {
    {"UserData", {"race_user_data", 100 * kRounds, 0, 2}, Told("good yes, bad yes, other no")},
    {"Slot", {"race_slot", kRounds, 0, 2}, WentOnOr("opcode 2 would write to 'input.raw'")},
    {"Opcode", {"race_opcode", kRounds, 0, 2}, WentOnOr("opcode 2 would write to 'input.raw'")},
    {"OffsetOverflows", {"race_offset", kRounds, kMaxOffset, 2}, WentOnOr("offset \\+ length")},
    {"OffsetBeyondQuota", {"race_offset", kRounds, kExabyte, 2}, WentOn()},
    {"LengthHuge", {"race_length", kRounds, UINT64_MAX, 2}, WentOnOr("offset \\+ length")},
    {"LengthZero", {"race_length", kRounds, 0, 2}, WentOnOr("the length is not within a buffer")},
    {"BufferInHeader",
     {"race_buffer", kRounds, 0, 2},
     WentOnOr("512 bytes at arena offset 0x0 are not within lane 0's buffers")},
    {"Tail", {"race_tail", 0, 0, 2}, BrokeTheRings("[0-9]+ requests in a submission ring|unknown")},
};
class HostileRace : public HostileGuestTest, public testing::WithParamInterface<GuestCase> {};
TEST_P(HostileRace, EndsInOneOfTwoWays) {
  options_.limits.output_bytes = kOutputBytes;
  ExpectConvertEnds(GetParam().job, GetParam().end);
}
INSTANTIATE_TEST_SUITE_P(Fields, HostileRace, testing::ValuesIn(kRaces),
                         [](const auto& race) { return race.param.name; });

// Quotas of what a file may grow to do not see it.
TEST_F(HostileGuestTest, WritingTheSamePlaceAgainAndAgainIsLimited) {
  options_.limits.output_bytes = kOutputBytes;
  constexpr uint64_t kPiece = 128 << 10;
  SetRequests(std::vector<Submission>(1000, Write(0, kPiece)));
  ExpectConvertEnds({"requests"}, Quota());
  SetRequests(std::vector<Submission>(1000, Request(Opcode::kWriteZeroes, kOutputSlot, 0, kPiece)));
  ExpectConvertEnds({"requests"}, Quota());
  SetRequests(std::vector<Submission>(1000, Copy(kInputSlot, 0, kOutputSlot, 0, kPiece)));
  ExpectConvertEnds({"requests"}, Quota());
  SetRequests(std::vector<Submission>(1000, Request(Opcode::kFlush, kOutputSlot)));
  ExpectConvertEnds({"requests"}, Quota());
  SetRequests(std::vector<Submission>(500, Write(0, kPiece)));
  ExpectConvertEnds({"requests"}, Served(kPiece));
}

// Where neither value ends the job there are thousands of tries at making the broker check one and
// act on the other: the output's size would show it.
TEST_F(HostileGuestTest, NoRaceMakesTheOutputLonger) {
  options_.limits.output_bytes = kOutputBytes;
  ExpectConvertEnds({"race_offset", kRounds, 1 << 30, 2}, WentOn());
  EXPECT_LE(std::filesystem::file_size(dir().File("output.raw")), kOutputBytes);
  ExpectConvertEnds({"race_length", kRounds, kOutputBytes + 1, 2}, WentOn());
  EXPECT_LE(std::filesystem::file_size(dir().File("output.raw")), kOutputBytes);
}

// Without a quota the file system has the last word, and neither takes long.
TEST_F(HostileGuestTest, ExabytesOfZeroesTakeNoTime) {
  options_.limits.output_bytes = UINT64_MAX;
  options_.limits.wall_time = absl::Seconds(5);
  const Submission requests[] = {
      Write(0, 512), Request(Opcode::kWriteZeroes, kOutputSlot, 0, 7 * kExabyte),
      Request(Opcode::kSetSize, kOutputSlot, kMaxOffset), Request(Opcode::kSetSize, kOutputSlot)};
  SetRequests(requests);
  ExpectConvertEnds({"requests"}, Served(0));
}

TEST_F(HostileGuestTest, ExtentsAreMadeInOrderAndOnceOnly) {
  const UniqueFd extent = dir().Open("extent", O_RDWR | O_CREAT);
  open_extent_file_ = [&](uint32_t) { return ExtentFile{.fd = extent.get(), .name = "extent"}; };
  const Submission skipping[] = {Request(Opcode::kCreateExtentFile, kOutputSlot, 5)};
  SetRequests(skipping);
  ExpectConvertEnds({"requests"},
                    BrokeTheRings("extent 5 of the target is to be made, but the next is 0"));
  const Submission twice[] = {Request(Opcode::kCreateExtentFile, kOutputSlot, 0),
                              Request(Opcode::kCreateExtentFile, kOutputSlot, 0)};
  SetRequests(twice);
  ExpectConvertEnds({"requests"},
                    BrokeTheRings("extent 0 of the target is to be made, but the next is 1"));
  const Submission too_many[] = {
      Request(Opcode::kCreateExtentFile, kOutputSlot, abi::kMaxExtentFiles)};
  SetRequests(too_many);
  ExpectConvertEnds({"requests"}, Quota());
}

}  // namespace
}  // namespace hotcell::hostile
