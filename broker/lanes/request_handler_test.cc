#include "broker/lanes/request_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/testing/temp_dir.h"

namespace hotcell::broker {
namespace {

using abi::IoStatus;
using abi::Opcode;
using testing::HasSubstr;

constexpr FileLimits kLimits = {.bytes_read = 100,
                                .output_bytes = 1000,
                                .bytes_written = 10'000'000,
                                .chain_depth = 3,
                                .references = 3};

// Slot 0 is the input "in", slot 1 the output "out", whose requests come from lane 0 of 2.
class RequestHandlerTest : public testing::Test {
 protected:
  RequestHandlerTest() : arena_(*Arena::Create({.lanes = 2, .report_capacity = 4096})) {
    dir_.Write("in", "0123456789");
    dir_.Write("images/base", "base");
    in_ = dir_.Open("in", O_RDONLY);
    out_ = dir_.Open("out", O_RDWR | O_CREAT);
    EXPECT_TRUE(files_.AddInput(in_.get(), "in").ok());
    EXPECT_TRUE(files_.AddOutput(out_.get(), "out", Durability::kNone, true).ok());
    references_ = std::make_unique<ReferenceResolver>(
        *ReferenceResolver::Create(ReferencePolicy().FollowBelow(dir_.File("images"))));
    handler_ = std::make_unique<RequestHandler>(arena_, files_, *references_, stop_);
    void* data = mmap(nullptr, arena_.header().arena_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                      arena_.fd(), 0);
    guest_ = Mapping(data, arena_.header().arena_size);
  }

  uint64_t Buffer(uint32_t lane = 0) const {
    return arena_.header().buffers_offset + lane * kBuffersPerLane * kBufferSize;
  }
  void Fill(const std::string& text) {
    std::memcpy(guest_.data() + Buffer(), text.data(), text.size());
  }
  std::string Filled(size_t size) const {
    return {reinterpret_cast<const char*>(guest_.data() + Buffer()), size};
  }
  absl::StatusOr<abi::Completion> Handle(Opcode opcode, uint32_t slot, uint64_t offset,
                                         uint64_t length, uint64_t buffer = 0, uint32_t flags = 0) {
    return handler_->Handle(0,
                            {.opcode = static_cast<uint32_t>(opcode),
                             .slot = slot,
                             .offset = offset,
                             .length = length,
                             .buffer = buffer,
                             .user_data = 77,
                             .flags = flags},
                            turn_);
  }
  absl::StatusOr<abi::Completion> TryCopy(uint32_t source, uint64_t source_offset, uint32_t slot,
                                          uint64_t offset, uint64_t length) {
    return handler_->Handle(0,
                            {.opcode = static_cast<uint32_t>(Opcode::kCopy),
                             .slot = slot,
                             .offset = offset,
                             .length = length,
                             .user_data = 77,
                             .source_slot = source,
                             .source_offset = source_offset},
                            turn_);
  }
  abi::Completion Copy(uint32_t source, uint64_t source_offset, uint32_t slot, uint64_t offset,
                       uint64_t length) {
    return *TryCopy(source, source_offset, slot, offset, length);
  }
  abi::Completion Complete(Opcode opcode, uint32_t slot, uint64_t offset, uint64_t length,
                           uint64_t buffer = 0, uint32_t flags = 0) {
    const auto completion = Handle(opcode, slot, offset, length, buffer, flags);
    EXPECT_TRUE(completion.ok()) << completion.status();
    return completion.value_or(abi::Completion{});
  }
  abi::Completion OpenReference(const std::string& name) {
    Fill(name);
    return Complete(Opcode::kOpenReference, 0, 0, name.size(), Buffer(), 1);
  }
  static IoStatus StatusOf(const abi::Completion& completion) {
    return static_cast<IoStatus>(completion.status);
  }

  TempDir dir_;
  UniqueFd in_;
  void AllowExtentFiles() {
    files_.AllowExtentFiles(
        [this](uint32_t number) -> absl::StatusOr<ExtentFile> {
          const std::string name = absl::StrCat("extent", number);
          opened_.push_back(dir_.Open(name, O_RDWR | O_CREAT));
          return ExtentFile{.fd = opened_.back().get(), .name = name};
        },
        Durability::kNone, Access::kCached);
  }

  UniqueFd out_;
  std::vector<UniqueFd> opened_;  // extents
  Arena arena_;
  Mapping guest_;
  FileTable files_{kLimits};
  std::unique_ptr<ReferenceResolver> references_;
  std::atomic<bool> stop_ = false;
  std::unique_ptr<RequestHandler> handler_;
  WriteTurn turn_;
};

// Slot 2 is an output with something in it, of a job whose judge says `verdict`.
class JudgedRequestsTest : public RequestHandlerTest {
 protected:
  void Hold(const absl::Status& verdict) {
    files_.HoldWrites([this, verdict](v1::Report& report) {
      judged_.push_back(report.inspect().format());
      return verdict;
    });
    dir_.Write("held", "old");
    held_ = dir_.Open("held", O_RDWR);
    EXPECT_TRUE(files_.AddOutput(held_.get(), "held", Durability::kNone, true).ok());
  }
  absl::StatusOr<abi::Completion> Proceed() {
    v1::Report report;
    report.mutable_inspect()->set_format("qcow2");
    const std::string bytes = report.SerializeAsString();
    Fill(bytes);
    return Handle(Opcode::kProceed, 0, 0, bytes.size(), Buffer());
  }
  void ExpectHeld() {
    for (const auto& request :
         {Handle(Opcode::kWrite, 2, 0, 1, Buffer()), Handle(Opcode::kWriteZeroes, 2, 0, 1),
          Handle(Opcode::kSetSize, 2, 0, 0), Handle(Opcode::kFlush, 2, 0, 0),
          Handle(Opcode::kCreateExtentFile, 2, 0, 0), Handle(Opcode::kRead, 2, 0, 1, Buffer()),
          TryCopy(0, 0, 2, 0, 1)}) {
      EXPECT_EQ(request.status().code(), absl::StatusCode::kInternal);
      EXPECT_THAT(std::string(request.status().message()), HasSubstr("before the image was"));
    }
    EXPECT_EQ(StatusOf(OpenReference("base")), IoStatus::kRefused);
    EXPECT_EQ(dir_.Read("held"), "old");
  }

  UniqueFd held_;
  std::vector<std::string> judged_;
};

TEST_F(JudgedRequestsTest, NothingIsWrittenBeforeTheVerdict) {
  Hold(absl::OkStatus());
  ExpectHeld();
  EXPECT_EQ(Complete(Opcode::kRead, 0, 0, 4, Buffer()).result, 4u);

  EXPECT_EQ(StatusOf(*Proceed()), IoStatus::kOk);

  EXPECT_THAT(judged_, testing::ElementsAre("qcow2"));
  EXPECT_EQ(dir_.Read("held"), "old");
  Fill("n");
  EXPECT_EQ(StatusOf(Complete(Opcode::kWrite, 2, 0, 1, Buffer())), IoStatus::kOk);
  EXPECT_EQ(dir_.Read("held"), "n");
}

TEST_F(JudgedRequestsTest, NothingIsWrittenAfterARefusal) {
  Hold(absl::FailedPreconditionError("not safe"));
  EXPECT_EQ(StatusOf(*Proceed()), IoStatus::kRefused);
  EXPECT_EQ(files_.refusal().message(), "not safe");
  EXPECT_EQ(files_.error().message(), "not safe");
  ExpectHeld();
}

TEST_F(JudgedRequestsTest, OneVerdictIsGiven) {
  EXPECT_THAT(std::string(Proceed().status().message()), HasSubstr("nobody waits"));
  Hold(absl::FailedPreconditionError("not safe"));
  EXPECT_TRUE(Proceed().ok());
  EXPECT_THAT(std::string(Proceed().status().message()), HasSubstr("nobody waits"));
  EXPECT_EQ(judged_.size(), 1u);
}

TEST_F(JudgedRequestsTest, WhatIsNoReportEndsTheJob) {
  Hold(absl::OkStatus());
  Fill("\xff\xff\xff\xff");
  EXPECT_THAT(std::string(Handle(Opcode::kProceed, 0, 0, 4, Buffer()).status().message()),
              HasSubstr("no well-formed report"));
  EXPECT_THAT(std::string(Handle(Opcode::kProceed, 0, 0, 4097, Buffer()).status().message()),
              HasSubstr("a report of 4097 bytes"));
  EXPECT_THAT(judged_, testing::IsEmpty());
  ExpectHeld();
}

TEST_F(RequestHandlerTest, ReadsIntoTheBuffer) {
  const abi::Completion completion = Complete(Opcode::kRead, 0, 4, 100, Buffer());
  EXPECT_EQ(StatusOf(completion), IoStatus::kOk);
  EXPECT_EQ(completion.result, 6u);
  EXPECT_EQ(completion.user_data, 77u);
  EXPECT_EQ(Filled(6), "456789");
}

TEST_F(RequestHandlerTest, WritesFromTheBuffer) {
  Fill("hello");
  const abi::Completion completion = Complete(Opcode::kWrite, 1, 3, 5, Buffer());
  EXPECT_EQ(completion.result, 5u);
  EXPECT_EQ(dir_.Read("out"), std::string("\0\0\0hello", 8));
  EXPECT_EQ(handler_->bytes_written(), 5u);
}

// Slot 2 stands for a block device of 100 bytes that held something and gets a new image.
class RenewedDeviceTest : public RequestHandlerTest {
 protected:
  RenewedDeviceTest() {
    dir_.Write("device", std::string(100, 'o'));
    device_ = dir_.Open("device", O_RDWR);
    EXPECT_TRUE(files_.AddOutput(device_.get(), "device", Durability::kNone, false).ok());
    files_.Find(2)->renewed = std::make_unique<RenewedDevice>();
  }

  UniqueFd device_;
};

TEST_F(RenewedDeviceTest, WhatIsNotWrittenIsZeroOnceItIsFlushed) {
  Fill("data");
  EXPECT_EQ(StatusOf(Complete(Opcode::kWrite, 2, 10, 4, Buffer())), IoStatus::kOk);
  EXPECT_EQ(StatusOf(Complete(Opcode::kWrite, 2, 30, 4, Buffer())), IoStatus::kOk);
  EXPECT_EQ(dir_.Read("device"),
            std::string(10, 'o') + "data" + std::string(16, 'o') + "data" + std::string(66, 'o'));
  EXPECT_EQ(StatusOf(Complete(Opcode::kFlush, 2, 0, 0)), IoStatus::kOk);
  const std::string image =
      std::string(10, '\0') + "data" + std::string(16, '\0') + "data" + std::string(66, 'o');
  EXPECT_EQ(dir_.Read("device"), image);
  // The header, which comes after the flush.
  Fill("HEAD");
  EXPECT_EQ(StatusOf(Complete(Opcode::kWrite, 2, 0, 4, Buffer())), IoStatus::kOk);
  EXPECT_EQ(StatusOf(Complete(Opcode::kFlush, 2, 0, 0)), IoStatus::kOk);
  EXPECT_EQ(dir_.Read("device"), "HEAD" + image.substr(4));
}

TEST_F(RenewedDeviceTest, ZeroesGoToTheEndThatIsSet) {
  files_.Find(2)->renewed->size = 50;
  EXPECT_EQ(StatusOf(Complete(Opcode::kFlush, 2, 0, 0)), IoStatus::kOk);
  EXPECT_EQ(dir_.Read("device"), std::string(50, '\0') + std::string(50, 'o'));
}

TEST_F(RequestHandlerTest, WhateverWouldWriteAnInputEndsTheJob) {
  for (const auto& request :
       {Handle(Opcode::kWrite, 0, 0, 1, Buffer()), Handle(Opcode::kWriteZeroes, 0, 0, 1),
        Handle(Opcode::kSetSize, 0, 0, 0), Handle(Opcode::kFlush, 0, 0, 0)}) {
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(request.status().message()), HasSubstr("'in', which is an input"));
  }
  EXPECT_EQ(dir_.Read("in"), "0123456789");
}

TEST_F(RequestHandlerTest, UnknownSlotsEndTheJob) {
  for (const uint32_t slot : {2u, 255u, 256u, UINT32_MAX}) {
    EXPECT_FALSE(Handle(Opcode::kRead, slot, 0, 1, Buffer()).ok());
    EXPECT_FALSE(Handle(Opcode::kBlockStatus, slot, 0, 1).ok());
  }
}

TEST_F(RequestHandlerTest, BuffersOutsideTheLanesOwnEndTheJob) {
  const uint64_t end = Buffer() + kBuffersPerLane * kBufferSize;
  for (const uint64_t buffer : {uint64_t{0}, Buffer() - 1, end - 3, end, Buffer(1),
                                arena_.header().arena_size, UINT64_MAX - 2}) {
    EXPECT_FALSE(Handle(Opcode::kRead, 0, 0, 4, buffer).ok()) << buffer;
    EXPECT_FALSE(Handle(Opcode::kWrite, 1, 0, 4, buffer).ok()) << buffer;
    EXPECT_FALSE(Handle(Opcode::kOpenReference, 0, 0, 4, buffer, 1).ok()) << buffer;
    EXPECT_FALSE(Handle(Opcode::kBlockStatus, 0, 0, 4, buffer).ok()) << buffer;
  }
}

TEST_F(RequestHandlerTest, TheReadQuotaIsKeptAndNamed) {
  EXPECT_EQ(StatusOf(Complete(Opcode::kRead, 0, 0, 101, Buffer())), IoStatus::kQuota);
  EXPECT_THAT(std::string(files_.error().message()), HasSubstr("`bytes-read` of 100"));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(StatusOf(Complete(Opcode::kRead, 0, 0, 10, Buffer())), IoStatus::kOk);
  }
  EXPECT_EQ(StatusOf(Complete(Opcode::kRead, 0, 0, 1, Buffer())), IoStatus::kQuota);
  EXPECT_EQ(files_.bytes_read(), 100u);
}

TEST_F(RequestHandlerTest, TheOutputQuotaIsKeptAndNamed) {
  Fill("x");
  EXPECT_EQ(StatusOf(Complete(Opcode::kWrite, 1, 999, 1, Buffer())), IoStatus::kOk);
  EXPECT_EQ(StatusOf(Complete(Opcode::kWrite, 1, 1000, 1, Buffer())), IoStatus::kQuota);
  EXPECT_EQ(StatusOf(Complete(Opcode::kWriteZeroes, 1, 0, 1001)), IoStatus::kQuota);
  EXPECT_EQ(StatusOf(Complete(Opcode::kSetSize, 1, 1001, 0)), IoStatus::kQuota);
  EXPECT_EQ(files_.Find(1)->size, 1000u);
  EXPECT_THAT(std::string(files_.error().message()), HasSubstr("`output-bytes` is 1000"));
  EXPECT_EQ(files_.output_error(), files_.error());
}

TEST_F(RequestHandlerTest, TheWriteQuotaCountsWhatIsWrittenAgain) {
  Fill("x");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(StatusOf(Complete(Opcode::kWrite, 1, 0, 1, Buffer())), IoStatus::kOk);
    EXPECT_EQ(StatusOf(Complete(Opcode::kWriteZeroes, 1, 0, 1000)), IoStatus::kOk);
  }
  for (int i = 0; files_.output_error().ok() && i < 1000; ++i) {
    Complete(Opcode::kFlush, 1, 0, 0);
  }
  EXPECT_EQ(StatusOf(Complete(Opcode::kFlush, 1, 0, 0)), IoStatus::kQuota);
  EXPECT_THAT(std::string(files_.output_error().message()),
              HasSubstr("its limit `bytes-written` of 10000000 bytes"));
  EXPECT_EQ(StatusOf(Complete(Opcode::kRead, 0, 0, 1, Buffer())), IoStatus::kOk);
}

TEST_F(RequestHandlerTest, CopiesFromAnInputUpToItsEnd) {
  const abi::Completion completion = Copy(0, 4, 1, 3, 100 - 10);
  EXPECT_EQ(StatusOf(completion), IoStatus::kOk);
  EXPECT_EQ(completion.result, 6u);
  EXPECT_EQ(dir_.Read("out"), std::string("\0\0\0"
                                          "456789",
                                          9));
  EXPECT_EQ(files_.Find(1)->size, 9u);
  EXPECT_EQ(handler_->bytes_written(), 6u);
  EXPECT_EQ(files_.bytes_read(), 6u);
  EXPECT_EQ(Copy(0, 10, 1, 0, 5).result, 0u);
}

TEST_F(RequestHandlerTest, CopiesFromWhatIsNoInputOrToWhatIsNoOutputEndTheJob) {
  for (const auto& [source, target] : {std::pair(1, 1), std::pair(2, 1), std::pair(-1, 1),
                                       std::pair(0, 0), std::pair(1, 0), std::pair(0, 2)}) {
    const auto request = TryCopy(static_cast<uint32_t>(source), 0, target, 0, 1);
    EXPECT_EQ(request.status().code(), absl::StatusCode::kInternal) << source << ' ' << target;
  }
  EXPECT_EQ(dir_.Read("in"), "0123456789");
  EXPECT_EQ(dir_.Read("out"), "");
}

TEST_F(RequestHandlerTest, CopiesKeepTheQuotas) {
  EXPECT_EQ(StatusOf(Copy(0, 0, 1, 0, 101)), IoStatus::kQuota);
  EXPECT_THAT(std::string(files_.error().message()), HasSubstr("`bytes-read` of 100"));
  EXPECT_EQ(StatusOf(Copy(0, 0, 1, 991, 10)), IoStatus::kQuota);
  EXPECT_EQ(StatusOf(Copy(0, 0, 1, 990, 10)), IoStatus::kOk);
  EXPECT_EQ(files_.bytes_read(), 10u);
  EXPECT_EQ(files_.Find(1)->size, 1000u);
}

TEST_F(RequestHandlerTest, ZeroesSizesAndFlushesReachTheFile) {
  Fill("abcdef");
  Complete(Opcode::kWrite, 1, 0, 6, Buffer());
  EXPECT_EQ(Complete(Opcode::kWriteZeroes, 1, 1, 2).result, 2u);
  EXPECT_EQ(Complete(Opcode::kSetSize, 1, 5, 0).result, 5u);
  EXPECT_EQ(StatusOf(Complete(Opcode::kFlush, 1, 0, 0)), IoStatus::kOk);
  EXPECT_EQ(dir_.Read("out"), std::string("a\0\0de", 5));
  EXPECT_EQ(Complete(Opcode::kBlockStatus, 1, 0, 100, Buffer()).result, 2u);
  abi::BlockRun runs[2];
  std::memcpy(runs, Filled(sizeof(runs)).data(), sizeof(runs));
  EXPECT_EQ(runs[0].length, 5u);
  EXPECT_EQ(runs[0].is_data, 1u);
  EXPECT_EQ(runs[1].length, 95u);
  EXPECT_EQ(runs[1].is_data, 0u);
}

TEST_F(RequestHandlerTest, AnIoErrorCarriesTheErrnoAndIsRecorded) {
  out_.reset(open("/dev/full", O_RDWR | O_CLOEXEC));
  Fill("x");
  const int number = files_.Find(1)->fd;
  ASSERT_EQ(dup2(out_.get(), number), number);
  const abi::Completion completion = Complete(Opcode::kWrite, 1, 0, 1, Buffer());
  EXPECT_EQ(StatusOf(completion), IoStatus::kNoSpace);
  EXPECT_EQ(completion.result, static_cast<uint64_t>(ENOSPC));
  EXPECT_EQ(files_.error().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(files_.error().message(), "cannot write 'out' at offset 0: No space left on device");
}

TEST_F(RequestHandlerTest, OpensAllowedReferencesReadOnly) {
  const abi::Completion completion = OpenReference("base");
  EXPECT_EQ(StatusOf(completion), IoStatus::kOk);
  EXPECT_EQ(completion.result, 2u);
  EXPECT_EQ(completion.result2, 4u);
  EXPECT_EQ(Complete(Opcode::kRead, 2, 0, 10, Buffer()).result, 4u);
  EXPECT_EQ(Filled(4), "base");
  EXPECT_FALSE(Handle(Opcode::kWrite, 2, 0, 1, Buffer()).ok());
}

TEST_F(RequestHandlerTest, ExtentsAreMadeInOrderAndWrittenAsTheTargetIs) {
  AllowExtentFiles();
  EXPECT_EQ(Complete(Opcode::kCreateExtentFile, 1, 0, 0).result, 2u);
  EXPECT_EQ(Complete(Opcode::kCreateExtentFile, 1, 1, 0).result, 3u);
  Fill("second");
  EXPECT_EQ(StatusOf(Complete(Opcode::kWrite, 3, 0, 6, Buffer())), IoStatus::kOk);
  EXPECT_EQ(dir_.Read("extent0"), "");
  EXPECT_EQ(dir_.Read("extent1"), "second");
}

TEST_F(RequestHandlerTest, ExtentsOfATargetThatIsOneFileAreRefused) {
  EXPECT_EQ(StatusOf(Complete(Opcode::kCreateExtentFile, 1, 0, 0)), IoStatus::kRefused);
  EXPECT_EQ(files_.error().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(files_.Find(2), nullptr);
}

TEST_F(RequestHandlerTest, ExtentsAskedForTwiceOrOutOfOrderEndTheJob) {
  AllowExtentFiles();
  EXPECT_FALSE(Handle(Opcode::kCreateExtentFile, 1, 1, 0).ok());
  EXPECT_TRUE(Handle(Opcode::kCreateExtentFile, 1, 0, 0).ok());
  EXPECT_FALSE(Handle(Opcode::kCreateExtentFile, 1, 0, 0).ok());
  EXPECT_FALSE(Handle(Opcode::kCreateExtentFile, 1, 2, 0).ok());
  EXPECT_EQ(opened_.size(), 1u);
}

TEST_F(RequestHandlerTest, ExtentsOfAnInputEndTheJob) {
  AllowExtentFiles();
  EXPECT_FALSE(Handle(Opcode::kCreateExtentFile, 0, 0, 0).ok());
  EXPECT_FALSE(Handle(Opcode::kCreateExtentFile, 2, 0, 0).ok());
  EXPECT_TRUE(opened_.empty());
}

TEST_F(RequestHandlerTest, ThereAreNoMoreExtentsThanTheLimit) {
  AllowExtentFiles();
  for (uint64_t number = 0; number < abi::kMaxExtentFiles; ++number) {
    ASSERT_EQ(StatusOf(Complete(Opcode::kCreateExtentFile, 1, number, 0)), IoStatus::kOk) << number;
  }
  EXPECT_EQ(StatusOf(Complete(Opcode::kCreateExtentFile, 1, abi::kMaxExtentFiles, 0)),
            IoStatus::kQuota);
  EXPECT_EQ(StatusOf(Complete(Opcode::kCreateExtentFile, 1, INT64_MAX, 0)), IoStatus::kQuota);
  EXPECT_EQ(opened_.size(), abi::kMaxExtentFiles);
}

TEST_F(RequestHandlerTest, AllOutputsShareTheQuota) {
  AllowExtentFiles();
  Complete(Opcode::kCreateExtentFile, 1, 0, 0);
  EXPECT_EQ(StatusOf(Complete(Opcode::kSetSize, 1, 400, 0)), IoStatus::kOk);
  EXPECT_EQ(StatusOf(Complete(Opcode::kSetSize, 2, 601, 0)), IoStatus::kQuota);
  EXPECT_EQ(StatusOf(Complete(Opcode::kSetSize, 2, 600, 0)), IoStatus::kOk);
  EXPECT_EQ(StatusOf(Complete(Opcode::kSetSize, 1, 401, 0)), IoStatus::kQuota);
  EXPECT_THAT(std::string(files_.error().message()), HasSubstr("`output-bytes` is 1000"));
}

TEST_F(RequestHandlerTest, AnExtentThatCannotBeMadeIsTold) {
  files_.AllowExtentFiles([](uint32_t) { return absl::UnavailableError("no room for it"); },
                          Durability::kNone, Access::kCached);
  EXPECT_EQ(StatusOf(Complete(Opcode::kCreateExtentFile, 1, 0, 0)), IoStatus::kIoError);
  EXPECT_EQ(files_.error().message(), "no room for it");
}

TEST_F(RequestHandlerTest, ReferencesAreCountedWhetherFoundOrNot) {
  EXPECT_EQ(StatusOf(OpenReference("missing")), IoStatus::kNotFound);
  EXPECT_EQ(StatusOf(OpenReference("/etc/passwd")), IoStatus::kRefused);
  EXPECT_EQ(StatusOf(OpenReference("base")), IoStatus::kOk);
  for (const char* name : {"base", "missing", "/etc/passwd"}) {
    EXPECT_EQ(StatusOf(OpenReference(name)), IoStatus::kQuota);
  }
}

TEST_F(RequestHandlerTest, TheLimitOfReferencesIsNamed) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(StatusOf(OpenReference("base")), IoStatus::kOk);
  EXPECT_EQ(StatusOf(OpenReference("base")), IoStatus::kQuota);
  EXPECT_THAT(std::string(files_.error().message()),
              HasSubstr("more than 3 files, found or not; the limit is `references`"));
}

TEST_F(RequestHandlerTest, RefusedAndMissingReferencesAreTold) {
  EXPECT_EQ(StatusOf(OpenReference("missing")), IoStatus::kNotFound);
  EXPECT_EQ(StatusOf(OpenReference("/etc/passwd")), IoStatus::kRefused);
  EXPECT_EQ(files_.error().code(), absl::StatusCode::kNotFound) << "the first one is kept";
}

}  // namespace
}  // namespace hotcell::broker
