#include "broker/workers/native_end.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <climits>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hotcell/layers.h"

namespace hotcell::broker {
namespace {

using testing::ElementsAre;
using testing::Field;

// "LAYER_NO_NEW_PRIVS" as users write it.
std::string Named(v1::Layer layer) {
  std::string name = v1::Layer_Name(layer).substr(std::string("LAYER_").size());
  for (char& letter : name) letter = letter == '_' ? '-' : static_cast<char>(std::tolower(letter));
  return name;
}

TEST(LayersTest, AreThoseOfTheWorkersMessages) {
  size_t known = 0;
  for (int number = v1::Layer_MIN; number <= v1::Layer_MAX; ++number) {
    if (number == v1::LAYER_UNSPECIFIED || !v1::Layer_IsValid(number)) continue;
    const std::string name = Named(static_cast<v1::Layer>(number));
    const Layer layer = static_cast<Layer>(number);
    EXPECT_EQ(LayerName(layer), name);
    EXPECT_EQ(LayerFromName(name), layer) << name;
    EXPECT_EQ(std::ranges::count(KnownLayers(), layer), 1) << name;
    ++known;
  }
  EXPECT_EQ(KnownLayers().size(), known);
  EXPECT_EQ(LayerFromName("layer-99"), std::nullopt);
  EXPECT_EQ(LayerName(Layer{}), "layer-0");
}

TEST(LayersTest, AreHandedOnWithTheirStatesAndErrors) {
  v1::Confined confined;
  v1::LayerResult& result = *confined.add_layers();
  result.set_layer(v1::LAYER_LANDLOCK);
  result.set_state(v1::LAYER_STATE_UNAVAILABLE);
  result.set_error(38);
  EXPECT_THAT(ToNative(confined),
              ElementsAre(testing::AllOf(Field(&LayerResult::layer, Layer::kLandlock),
                                         Field(&LayerResult::state, LayerState::kUnavailable),
                                         Field(&LayerResult::error, 38))));
}

TEST(GuestEndTest, AReasonIsOneOfThoseOfTheMessageOrUnknown) {
  v1::Finished finished;
  for (const int number : {-1, 0, v1::EndReason_MAX + 1, INT_MAX, INT_MIN}) {
    finished.set_reason(static_cast<v1::EndReason>(number));
    EXPECT_EQ(ToNative(finished).reason, EndReason::kUnknown) << number;
  }
  for (int number = 1; number <= v1::EndReason_MAX; ++number) {
    finished.set_reason(static_cast<v1::EndReason>(number));
    EXPECT_EQ(static_cast<int>(ToNative(finished).reason), number);
  }
}

TEST(GuestEndTest, WhatTheWorkerDoesNotSayIsNotThere) {
  const GuestEnd end = ToNative(v1::Finished());
  EXPECT_FALSE(end.fault.has_value());
  EXPECT_FALSE(end.result.has_value());
}

TEST(GuestEndTest, HasAllThatTheWorkerSays) {
  v1::Finished finished;
  finished.set_exit_code(1);
  finished.set_vcpu(2);
  finished.mutable_fault()->set_vector(3);
  finished.mutable_fault()->set_error_code(4);
  finished.set_kvm_exit_reason(5);
  finished.set_address(6);
  finished.set_access_size(7);
  finished.set_is_write(true);
  finished.set_detail("words");
  finished.mutable_exits()->set_total(8);
  finished.mutable_exits()->set_waits(9);
  finished.mutable_exits()->set_port_io(10);
  finished.mutable_exits()->set_mmio(11);
  finished.mutable_exits()->set_interrupted(12);
  finished.add_dirty_pages()->set_first(13);
  finished.mutable_dirty_pages(0)->set_count(14);
  finished.set_vga_text("screen");
  finished.set_result_port_value(15);
  finished.set_has_result(true);
  finished.mutable_registers()->set_rip(16);
  finished.mutable_initial_registers()->set_rip(17);
  const GuestEnd end = ToNative(finished);
  EXPECT_EQ(end.exit_code, 1u);
  EXPECT_EQ(end.vcpu, 2u);
  EXPECT_EQ(end.fault.value().vector, 3u);
  EXPECT_EQ(end.fault.value().error_code, 4u);
  EXPECT_EQ(end.kvm_exit_reason, 5u);
  EXPECT_EQ(end.address, 6u);
  EXPECT_EQ(end.access_size, 7u);
  EXPECT_TRUE(end.is_write);
  EXPECT_EQ(end.detail, "words");
  const ExitCounters& exits = end.exits;
  EXPECT_THAT((std::vector{exits.total, exits.waits, exits.port_io, exits.mmio, exits.interrupted}),
              ElementsAre(8, 9, 10, 11, 12));
  ASSERT_EQ(end.dirty_pages.size(), 1u);
  EXPECT_EQ(end.dirty_pages[0].first, 13u);
  EXPECT_EQ(end.dirty_pages[0].count, 14u);
  EXPECT_EQ(end.vga_text, "screen");
  EXPECT_EQ(end.result, 15u);
  EXPECT_EQ(end.registers.rip, 16u);
  EXPECT_EQ(end.initial_registers.rip, 17u);
}

// A message whose fields are all of 64 bits or 32, each with its number for a value.
TEST(GuestEndTest, EachRegisterIsItself) {
  std::string bytes;
  for (uint32_t field = 1; field <= 27; ++field) {
    const uint32_t tag = field << 3;
    if (tag >= 0x80) bytes += static_cast<char>((tag & 0x7f) | 0x80);
    bytes += static_cast<char>(tag >= 0x80 ? tag >> 7 : tag);
    bytes += static_cast<char>(field);
  }
  v1::Registers registers;
  ASSERT_TRUE(registers.ParseFromString(bytes));
  const Registers r = ToNative(registers);
  EXPECT_THAT(
      (std::vector<uint64_t>{r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rsp, r.rbp, r.r8,
                             r.r9,  r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip, r.rflags,
                             r.cs,  r.ds,  r.es,  r.ss,  r.cr0, r.cr2, r.cr3, r.cr4, r.efer}),
      ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                  24, 25, 26, 27));
}

}  // namespace
}  // namespace hotcell::broker
