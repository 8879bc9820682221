#include "tools/hotcell/commands/doctor_checks.h"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

#include "hotcell/layers.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/files.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"

namespace hotcell::cli {
namespace {

constexpr uint64_t kComfortableMemory = 256 << 20;  // broker, worker and guest of one job, twice

// The first bytes of a small file of /proc or /sys, without the newline; nothing when it is not
// there.
std::optional<std::string> ReadSmall(const HostPaths& paths, std::string_view path) {
  const std::string full = Cat(paths.root, path);
  const File file(open(full.c_str(), O_RDONLY | O_CLOEXEC), {});
  if (file.fd() < 0) return std::nullopt;
  char buffer[4096];
  const ssize_t size = read(file.fd(), buffer, sizeof(buffer));
  if (size < 0) return std::nullopt;
  std::string text(buffer, static_cast<size_t>(size));
  text.erase(text.find_last_not_of('\n') + 1);
  return text;
}

bool Exists(const HostPaths& paths, std::string_view path) {
  struct stat info = {};
  return stat(Cat(paths.root, path).c_str(), &info) == 0;
}

Check KvmNotThere(const HostPaths& paths) {
  Check check{"KVM device", CheckState::kProblem, Cat(Escape(paths.kvm), " is not there"), ""};
  const bool loaded = Exists(paths, "/sys/module/kvm");
  check.remedy =
      loaded
          ? "the module is loaded: in a container, pass the device on (--device /dev/kvm)"
          : "modprobe kvm_intel or kvm_amd; if that fails, enable VT-x or AMD-V in the firmware, "
            "or nested virtualization for this virtual machine";
  return check;
}

Check KvmNotAllowed(const HostPaths& paths, int error) {
  return {"KVM device", CheckState::kProblem,
          Cat("cannot open ", Escape(paths.kvm), ": ", std::strerror(error)),
          Cat("let this user in: usermod -aG kvm USER and log in again, or setfacl -m u:USER:rw ",
              Escape(paths.kvm))};
}

struct Capability {
  int number;
  std::string_view name;
};

// Without these no guest is started.
constexpr Capability kNeeded[] = {
    {KVM_CAP_USER_MEMORY, "USER_MEMORY"},
    {KVM_CAP_IOEVENTFD, "IOEVENTFD"},
    {KVM_CAP_SYNC_REGS, "SYNC_REGS"},
    {KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
    {KVM_CAP_XCRS, "XCRS"},
};

std::string MissingCapabilities(int kvm) {
  std::string missing;
  for (const Capability& capability : kNeeded) {
    if (ioctl(kvm, KVM_CHECK_EXTENSION, capability.number) > 0) continue;
    Append(missing, missing.empty() ? "" : ", ", capability.name);
  }
  return missing;
}

}  // namespace

std::string_view StateName(CheckState state) {
  switch (state) {
    case CheckState::kOk:
      return "ok";
    case CheckState::kNote:
      return "note";
    case CheckState::kWarning:
      return "warning";
    case CheckState::kProblem:
      return "problem";
  }
  return "";
}

Check CheckKernel() {
  struct utsname name = {};
  (void)uname(&name);  // fails for bad pointers only
  Check check{"kernel", CheckState::kOk, Cat(name.sysname, " ", name.release, " ", name.machine),
              ""};
  if (std::string_view(name.machine) != "x86_64") {
    check.state = CheckState::kProblem;
    check.remedy = "guests are x86-64 programs and need an x86-64 machine";
  }
  return check;
}

Check CheckKvmDevice(const HostPaths& paths) {
  struct stat info = {};
  if (stat(paths.kvm.c_str(), &info) != 0 && errno == ENOENT) return KvmNotThere(paths);
  const File kvm(open(paths.kvm.c_str(), O_RDWR | O_CLOEXEC), {});
  if (kvm.fd() < 0) {
    const int error = errno;
    return error == ENOENT || error == ENXIO || error == ENODEV ? KvmNotThere(paths)
                                                                : KvmNotAllowed(paths, error);
  }
  const int version = ioctl(kvm.fd(), KVM_GET_API_VERSION, 0);
  if (version != KVM_API_VERSION) {
    return {"KVM device", CheckState::kProblem,
            version < 0 ? Cat(Escape(paths.kvm), " is not KVM: ", std::strerror(errno))
                        : Cat("KVM API version ", version, ", not ", KVM_API_VERSION),
            "name the device that kvm_intel or kvm_amd makes, /dev/kvm: this is another one"};
  }
  const std::string missing = MissingCapabilities(kvm.fd());
  if (!missing.empty()) {
    return {
        "KVM device", CheckState::kProblem, Cat("KVM has no ", missing),
        "use a kernel of 5.4 or later; for XCRS, a processor or virtual machine with XSAVE, and no "
        "noxsave on the kernel's command line"};
  }
  return {"KVM device", CheckState::kOk, Cat(Escape(paths.kvm), " opens, API version ", version),
          ""};
}

Check CheckKvmModule(const HostPaths& paths) {
  constexpr std::string_view kModules[] = {"kvm_intel", "kvm_amd", "kvm_pvm"};
  for (const std::string_view module : kModules) {
    if (!Exists(paths, Cat("/sys/module/", module))) continue;
    Check check{"KVM module", CheckState::kOk, std::string(module), ""};
    if (module == "kvm_pvm") {
      check.state = CheckState::kNote;
      check.finding +=
          ": no hardware virtualization; payloads run at full speed, real mode and "
          "CPL 0 code is emulated and slow";
    }
    return check;
  }
  return {"KVM module", CheckState::kNote, "none of kvm_intel, kvm_amd, kvm_pvm is listed",
          "modprobe kvm_intel or kvm_amd, unless KVM is built into the kernel"};
}

Check CheckNested(const HostPaths& paths) {
  const std::optional<std::string> cpu = ReadSmall(paths, "/proc/cpuinfo");
  const bool is_guest = cpu.has_value() && cpu->find(" hypervisor") != std::string::npos;
  std::string finding = is_guest ? "this machine is itself a guest" : "this machine is not a guest";
  for (const std::string_view module : {"kvm_intel", "kvm_amd"}) {
    const std::optional<std::string> nested =
        ReadSmall(paths, Cat("/sys/module/", module, "/parameters/nested"));
    if (!nested.has_value()) continue;
    const bool on = *nested == "1" || *nested == "Y" || *nested == "y";
    Append(finding, on ? "; its guests may have guests" : "; its guests may not have guests");
  }
  return {"nesting", is_guest ? CheckState::kNote : CheckState::kOk, finding, ""};
}

Check CheckHugePages(const HostPaths& paths) {
  const std::optional<std::string> text =
      ReadSmall(paths, "/sys/kernel/mm/transparent_hugepage/enabled");
  if (!text.has_value()) {
    return {"huge pages", CheckState::kWarning, "this kernel has no transparent huge pages",
            "a kernel with CONFIG_TRANSPARENT_HUGEPAGE starts guests faster"};
  }
  if (text->find("[never]") != std::string::npos) {
    return {"huge pages", CheckState::kWarning, "transparent huge pages are off",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"};
  }
  const bool always = text->find("[always]") != std::string::npos;
  return {"huge pages", CheckState::kOk,
          always ? "transparent huge pages: always" : "transparent huge pages: on request", ""};
}

Check CheckUserNamespaces(const HostPaths& paths) {
  constexpr std::string_view kName = "user namespaces";
  Check off{std::string(kName), CheckState::kWarning, "", ""};
  if (!Exists(paths, "/proc/self")) {
    off.finding = "not known: /proc is not mounted";
    off.remedy = "mount -t proc proc /proc";
    return off;
  }
  if (!Exists(paths, "/proc/self/ns/user")) {
    off.finding = "this kernel has none";
    off.remedy = "a kernel with CONFIG_USER_NS confines the worker better";
    return off;
  }
  if (ReadSmall(paths, "/proc/sys/user/max_user_namespaces") == "0") {
    off.finding = "turned off";
    off.remedy = "sysctl user.max_user_namespaces=10000";
    return off;
  }
  const bool root = geteuid() == 0;
  if (!root && ReadSmall(paths, "/proc/sys/kernel/unprivileged_userns_clone") == "0") {
    off.finding = "root only";
    off.remedy = "sysctl kernel.unprivileged_userns_clone=1";
    return off;
  }
  if (!root && ReadSmall(paths, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
    off.finding = "restricted by AppArmor";
    off.remedy =
        "an AppArmor profile for hotcell-worker with 'userns,', or sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0";
    return off;
  }
  return {std::string(kName), CheckState::kOk, "allowed", ""};
}

Check CheckMemory(const HostPaths& paths) {
  constexpr std::string_view kKey = "MemAvailable:";
  const std::optional<std::string> text = ReadSmall(paths, "/proc/meminfo");
  const size_t found = text.has_value() ? text->find(kKey) : std::string::npos;
  if (found == std::string::npos) {
    return {"memory", CheckState::kNote, "/proc/meminfo does not tell how much is available", ""};
  }
  const size_t digits = text->find_first_not_of(' ', found + kKey.size());
  uint64_t kibibytes = 0;
  (void)std::from_chars(text->data() + digits, text->data() + text->size(), kibibytes);
  const uint64_t available = kibibytes << 10;
  Check check{"memory", CheckState::kOk, Cat(FormatSize(available), " available"), ""};
  if (available < kComfortableMemory) {
    check.state = CheckState::kWarning;
    check.remedy = Cat("a job takes up to ", FormatSize(kComfortableMemory / 2),
                       "; --memory gives its guest less");
  }
  return check;
}

Check CheckMemfdSealing() {
  const File memory(memfd_create("hotcell-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING), {});
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  if (memory.fd() < 0 || fcntl(memory.fd(), F_ADD_SEALS, kSeals) != 0) {
    return {"memfd sealing", CheckState::kProblem, std::strerror(errno),
            "a kernel of 3.17 or later, and a container policy that allows memfd_create"};
  }
  return {"memfd sealing", CheckState::kOk, "works", ""};
}

Check CheckInheritedLimits() {
  constexpr struct {
    __rlimit_resource resource;
    std::string_view name;
    std::string_view unit;
    rlim_t usual;  // this much is nothing to speak of
  } kLimits[] = {
      {RLIMIT_CPU, "RLIMIT_CPU", " s", RLIM_INFINITY},
      {RLIMIT_AS, "RLIMIT_AS", " bytes", RLIM_INFINITY},
      {RLIMIT_DATA, "RLIMIT_DATA", " bytes", RLIM_INFINITY},
      {RLIMIT_FSIZE, "RLIMIT_FSIZE", " bytes", RLIM_INFINITY},
      {RLIMIT_STACK, "RLIMIT_STACK", " bytes", 1 << 20},
      {RLIMIT_NOFILE, "RLIMIT_NOFILE", "", 256},
      {RLIMIT_NPROC, "RLIMIT_NPROC", "", 256},
  };
  Check check{"resource limits", CheckState::kOk, "leave room", ""};
  std::string low;
  for (const auto& limit : kLimits) {
    rlimit value;
    if (getrlimit(limit.resource, &value) != 0 || value.rlim_cur >= limit.usual) continue;
    Append(low, low.empty() ? "" : ", ", limit.name, " is ", value.rlim_cur, limit.unit);
  }
  if (!low.empty()) {
    check.state = CheckState::kNote;
    check.finding = Cat(low, "; a job and its worker have no more");
  }
  return check;
}

std::vector<Check> CheckLayers(const std::vector<LayerResult>& layers) {
  std::vector<Check> checks;
  for (const LayerResult& layer : layers) {
    Check check{LayerName(layer.layer), CheckState::kOk, "confines the worker", ""};
    if (layer.state != LayerState::kAchieved) {
      const bool failed = layer.state == LayerState::kFailed;
      check.state = failed ? CheckState::kProblem : CheckState::kWarning;
      check.finding = failed ? "failed" : "unavailable";
      if (layer.error != 0) Append(check.finding, ": ", std::strerror(layer.error));
      check.remedy = LayerRemedy(layer.layer);
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace hotcell::cli
