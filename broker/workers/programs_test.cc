#include "broker/workers/programs.h"

#include <gtest/gtest.h>

#include <string>

#include "broker/testing/temp_dir.h"
#include "hotcell/failure.h"
#include "hotcell/remedy.h"

namespace hotcell::broker {
namespace {

TEST(OpenKvmTest, TellsWhatGivesTheDeviceBeforeTheReason) {
  const TempDir dir;
  const absl::Status absent = OpenKvm(dir.File("kvm")).status();
  EXPECT_EQ(FailureKindOf(absent), FailureKind::kKvm);
  const RemedyNote note = RemedyOf(absent).value_or(RemedyNote());
  EXPECT_EQ(note.remedy, Remedy::kLoadKvm);
  EXPECT_EQ(std::string(absent.message()).substr(note.place), ": No such file or directory");

  const absl::Status odd = OpenKvm("/proc/self/exe/kvm").status();
  EXPECT_EQ(RemedyOf(odd).value_or(RemedyNote()).remedy, Remedy::kExamineKvm);
}

}  // namespace
}  // namespace hotcell::broker
