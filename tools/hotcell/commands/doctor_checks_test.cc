#include "tools/hotcell/commands/doctor_checks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include "gtest/gtest.h"

namespace hotcell::cli {
namespace {

// A machine of files.
class DoctorChecksTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "hotcell_doctor_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    paths_.root = name;
    paths_.kvm = name + "/dev/kvm";
  }
  void TearDown() override { std::filesystem::remove_all(paths_.root); }

  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path full = paths_.root + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }

  HostPaths paths_;
};

TEST_F(DoctorChecksTest, NamesTheRemedyForAMissingDevice) {
  const Check check = CheckKvmDevice(paths_);
  EXPECT_EQ(check.state, CheckState::kProblem);
  EXPECT_EQ(check.finding, paths_.kvm + " is not there");
  EXPECT_NE(check.remedy.find("modprobe kvm_intel or kvm_amd"), std::string::npos);
}

TEST_F(DoctorChecksTest, SuspectsAContainerWhenTheModuleIsLoaded) {
  Put("/sys/module/kvm/refcnt", "0\n");
  EXPECT_NE(CheckKvmDevice(paths_).remedy.find("--device /dev/kvm"), std::string::npos);
}

TEST_F(DoctorChecksTest, RecognisesAFileThatIsNotKvm) {
  Put("/dev/kvm", "");
  const Check check = CheckKvmDevice(paths_);
  EXPECT_EQ(check.state, CheckState::kProblem);
  EXPECT_NE(check.finding.find("is not KVM"), std::string::npos) << check.finding;
}

TEST_F(DoctorChecksTest, NamesTheRemedyForMissingPermission) {
  Put("/dev/kvm", "");
  ASSERT_EQ(chmod(paths_.kvm.c_str(), 0), 0);
  constexpr uid_t kNobody = 65534;
  const uid_t user = geteuid();
  if (user == 0) {
    ASSERT_EQ(seteuid(kNobody), 0);  // root may open everything
  }
  const Check check = CheckKvmDevice(paths_);
  if (user == 0) {
    ASSERT_EQ(seteuid(user), 0);
  }
  EXPECT_EQ(check.state, CheckState::kProblem);
  EXPECT_NE(check.remedy.find("usermod -aG kvm"), std::string::npos) << check.remedy;
}

TEST_F(DoctorChecksTest, NamesTheKvmModule) {
  EXPECT_EQ(CheckKvmModule(paths_).state, CheckState::kNote);
  Put("/sys/module/kvm_amd/refcnt", "0\n");
  EXPECT_EQ(CheckKvmModule(paths_).finding, "kvm_amd");
  EXPECT_EQ(CheckKvmModule(paths_).state, CheckState::kOk);
}

TEST_F(DoctorChecksTest, TellsWhetherTheMachineIsAGuest) {
  Put("/proc/cpuinfo", "flags\t\t: fpu vme\n");
  EXPECT_EQ(CheckNested(paths_).finding, "this machine is not a guest");
  Put("/proc/cpuinfo", "flags\t\t: fpu vme hypervisor\n");
  Put("/sys/module/kvm_intel/parameters/nested", "Y\n");
  EXPECT_EQ(CheckNested(paths_).finding,
            "this machine is itself a guest; its guests may have guests");
}

TEST_F(DoctorChecksTest, WarnsOfMissingHugePages) {
  EXPECT_EQ(CheckHugePages(paths_).state, CheckState::kWarning);
  Put("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
  EXPECT_EQ(CheckHugePages(paths_).state, CheckState::kWarning);
  EXPECT_FALSE(CheckHugePages(paths_).remedy.empty());
  Put("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  EXPECT_EQ(CheckHugePages(paths_).state, CheckState::kOk);
}

TEST_F(DoctorChecksTest, WarnsWhenUserNamespacesAreOff) {
  EXPECT_EQ(CheckUserNamespaces(paths_).finding, "not known: /proc is not mounted");
  Put("/proc/self/status", "");
  EXPECT_EQ(CheckUserNamespaces(paths_).finding, "this kernel has none");
  Put("/proc/self/ns/user", "");
  EXPECT_EQ(CheckUserNamespaces(paths_).state, CheckState::kOk);
  Put("/proc/sys/user/max_user_namespaces", "0\n");
  const Check check = CheckUserNamespaces(paths_);
  EXPECT_EQ(check.state, CheckState::kWarning);
  EXPECT_EQ(check.remedy, "sysctl user.max_user_namespaces=10000");
}

TEST_F(DoctorChecksTest, WarnsOfLittleMemory) {
  Put("/proc/meminfo", "MemTotal:  8000000 kB\nMemAvailable:    1048576 kB\n");
  EXPECT_EQ(CheckMemory(paths_).finding, "1 GiB available");
  EXPECT_EQ(CheckMemory(paths_).state, CheckState::kOk);
  Put("/proc/meminfo", "MemAvailable:    65536 kB\n");
  EXPECT_EQ(CheckMemory(paths_).state, CheckState::kWarning);
}

TEST(CheckLayersTest, TellsUnavailableFromFailed) {
  std::vector<LayerResult> layers(3);
  layers[0].layer = Layer::kSeccomp;
  layers[0].state = LayerState::kAchieved;
  layers[1].layer = Layer::kLandlock;
  layers[1].state = LayerState::kUnavailable;
  layers[1].error = ENOSYS;
  layers[2].layer = Layer::kRlimits;
  layers[2].state = LayerState::kFailed;
  const std::vector<Check> checks = CheckLayers(layers);
  ASSERT_EQ(checks.size(), 3u);
  EXPECT_EQ(checks[0].state, CheckState::kOk);
  EXPECT_EQ(checks[1].state, CheckState::kWarning);
  EXPECT_EQ(checks[1].finding, "unavailable: Function not implemented");
  EXPECT_EQ(checks[2].state, CheckState::kProblem);
}

}  // namespace
}  // namespace hotcell::cli
