#include "broker/workers/programs.h"

#include <gtest/gtest.h>

#include <fstream>
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

// As in a container over whose device a file was bound.
TEST(OpenKvmTest, TakesNoFileForTheDevice) {
  const TempDir dir;
  std::ofstream(dir.File("kvm")) << "";
  const absl::Status file = OpenKvm(dir.File("kvm")).status();
  EXPECT_EQ(FailureKindOf(file), FailureKind::kKvm);
  EXPECT_EQ(RemedyOf(file).value_or(RemedyNote()).remedy, Remedy::kLoadKvm);
  EXPECT_TRUE(OpenKvm("/dev/null").ok());  // the worker asks it whether it is KVM
}

}  // namespace
}  // namespace hotcell::broker
