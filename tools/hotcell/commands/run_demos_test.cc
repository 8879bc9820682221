// The programs of guest/programs, through the built command.
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/hotcell/testing/program.h"

namespace hotcell::cli {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::StartsWith;

class RunDemos : public testing::Test {
 protected:
  void SetUp() override {
    const std::string why = WhyNoKvm();
    if (!why.empty()) GTEST_SKIP() << why;
  }
};

TEST_F(RunDemos, LongModeNarratesEveryStep) {
  const Outcome outcome =
      Hotcell({"run", "--mode", "long", "--load", "0x10000", "--verbose", Demo("long_hello.bin")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "Hello from KVM guest!\n");
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("KVM API version 12\n"), ContainsRegex("[Mm]emory: [0-9]+ MiB"),
                    ContainsRegex("GDT at 0x1000"), ContainsRegex("Page tables at 0x2000"),
                    ContainsRegex("Code: [0-9]+ bytes at 0x10000"), HasSubstr("vCPU 0: 64-bit"),
                    ContainsRegex("RIP=0x10000 RSP=0x2fff8"), HasSubstr("Hello from KVM guest!\\n"),
                    HasSubstr("HLT")));
}

TEST_F(RunDemos, RealModeSumsAndShowsWhatItWrote) {
  const Outcome outcome = Hotcell({"run", "--mode", "real", "--load", "0x1000", "--dirty-pages",
                                   "--verbose", Demo("real_sum.bin")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("result: 210 (0xd2)\n"), HasSubstr("0x3000 to 0x3fff: 1 page\n")));
}

TEST_F(RunDemos, RealModeEchoesSerialInputAndExitsWithACode) {
  const Outcome outcome = Hotcell(
      {"run", "--mode", "real", "--load", "0", "--serial-input", "-", Demo("real_serial.bin")},
      "ping\n");
  EXPECT_EQ(outcome.status, 42) << outcome.err;
  EXPECT_EQ(outcome.out, "Hello from real mode!\nping\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(RunDemos, RealModeWithoutSerialInputFindsNone) {
  const Outcome outcome =
      Hotcell({"run", "--mode", "real", "--load", "0", Demo("real_serial.bin")}, "ignored");
  EXPECT_EQ(outcome.status, 42) << outcome.err;
  EXPECT_EQ(outcome.out, "Hello from real mode!\n");
}

TEST_F(RunDemos, RealModeWritesVgaText) {
  const Outcome outcome = Hotcell(
      {"run", "--mode", "real", "--load", "0x1000", "--registers", "--vga", Demo("real_vga.bin")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "Hello from KVM!\n");
  EXPECT_THAT(outcome.err,
              AllOf(StartsWith("registers before:\n  rax 0000000000000000"),
                    HasSubstr("rip 0000000000001000"),
                    HasSubstr("registers after:\n  rax 0000000000000700"), HasSubstr("es b800")));
}

TEST_F(RunDemos, RealModePrintsThroughBx) {
  const Outcome outcome = Hotcell({"run", "--mode", "real", "--load", "0", Demo("real_hello.bin")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "Hello, KVM!\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(RunDemos, LongModeElfTurnsInputIntoOutput) {
  const ScratchDirectory scratch;
  WriteFile(scratch.Path("in"), "Some text, 123.\n");
  const Outcome outcome = Hotcell({"run", "--mode", "long", "--input", scratch.Path("in"),
                                   "--output", scratch.Path("out"), Demo("long_upper.elf")});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(ReadFile(scratch.Path("out")), "SOME TEXT, 123.\n");
}

TEST_F(RunDemos, OutputThatDoesNotFitLeavesTheOldFile) {
  const ScratchDirectory scratch;
  WriteFile(scratch.Path("in"), std::string(100000, 'x'));
  WriteFile(scratch.Path("out"), "old");
  const Outcome outcome =
      Hotcell({"run", "--input", scratch.Path("in"), "--output", scratch.Path("out"),
               "--output-capacity", "4k", Demo("long_upper.elf")});
  EXPECT_EQ(outcome.status, 1) << outcome.err;
  EXPECT_EQ(ReadFile(scratch.Path("out")), "old");
}

TEST_F(RunDemos, UnknownPortEndsWith121) {
  const Outcome outcome = Hotcell({"run", "--mode", "real", Demo("real_unknown_port.bin")});
  EXPECT_EQ(outcome.status, 121);
  EXPECT_THAT(outcome.err, AllOf(StartsWith("hotcell: run: "), HasSubstr("port 0x1234"),
                                 HasSubstr("RIP 0x100")));
}

TEST_F(RunDemos, MmioOutsideDevicesEndsWith122) {
  const Outcome outcome = Hotcell({"run", "--mem", "5M", Demo("long_mmio_outside.bin")});
  EXPECT_EQ(outcome.status, 122);
  EXPECT_THAT(outcome.err, AllOf(StartsWith("hotcell: run: "), HasSubstr("0x580000")));
}

TEST_F(RunDemos, TripleFaultEndsWith123) {
  const Outcome outcome = Hotcell({"run", Demo("long_triple_fault.bin")});
  EXPECT_EQ(outcome.status, 123);
  EXPECT_THAT(outcome.err, AllOf(StartsWith("hotcell: run: "), HasSubstr("triple fault")));
}

TEST_F(RunDemos, EndlessLoopsEndWith124) {
  for (const char* mode : {"real", "long"}) {
    const Outcome outcome = Hotcell(
        {"run", "--mode", mode, "--timeout", "0.3", Demo(std::string(mode) + "_endless_loop.bin")});
    EXPECT_EQ(outcome.status, 124) << mode;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("hotcell: run: "), HasSubstr("300ms"))) << mode;
  }
}

TEST_F(RunDemos, WhatCannotBeStartedEndsWith120) {
  const ScratchDirectory scratch;
  WriteFile(scratch.Path("empty"), "");
  EXPECT_EQ(Hotcell({"run", scratch.Path("none")}).status, 120);
  EXPECT_EQ(Hotcell({"run", scratch.Path("empty")}).status, 120);
  EXPECT_EQ(Hotcell({"run", "--mode", "payload", Demo("real_hello.bin")}).status, 120);
  EXPECT_EQ(Hotcell({"run", "--mode", "payload", Demo("long_upper.elf")}).status, 120);
  EXPECT_EQ(Hotcell({"run", "--nonsense", Demo("real_hello.bin")}).status, 120);
}

TEST_F(RunDemos, WithoutKvmItEndsWith126) {
  EXPECT_EQ(Hotcell({"run", "--kvm", "/dev/null", Demo("real_hello.bin")}).status, 126);
  EXPECT_EQ(Hotcell({"run", "--kvm", "/dev/none", Demo("real_hello.bin")}).status, 126);
}

}  // namespace
}  // namespace hotcell::cli
