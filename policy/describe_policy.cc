// Runs while the project is built: prints the rules and layers as JSON, for those that may not
// include them: the command shows it to users, tests compare it with what workers do.
// Usage: describe_policy > policy.json
#include <linux/seccomp.h>
#include <linux/securebits.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "guest/abi/abi.h"
#include "nlohmann/json.hpp"
#include "policy/filters.h"
#include "policy/layers.h"
#include "policy/rule_words.h"
#include "policy/rules.h"

namespace hotcell::policy {
namespace {

using Json = nlohmann::ordered_json;

std::string MatchName(Match match) {
  switch (match) {
    case Match::kNone:
      break;
    case Match::kEquals:
      return "equals";
    case Match::kMasked:
      return "masked";
    case Match::kLaneFd:
      return "lane";
    case Match::kOwnTgid:
      return "own-tgid";
  }
  std::abort();
}

Json Describe(const Rule& rule, const Condition& condition) {
  Json json = {{"argument", condition.argument}, {"match", MatchName(condition.match)}};
  if (condition.match != Match::kOwnTgid) json["value"] = condition.value;
  if (condition.match == Match::kMasked) json["mask"] = condition.mask;
  json["words"] = ConditionWords(rule.number, condition);
  return json;
}

Json Describe(const Rule& rule) {
  Json json = {{"call", CallName(rule.number)},
               {"number", rule.number},
               {"action", rule.action == Action::kAllow ? "allow" : "ENOSYS"},
               {"caller", rule.caller},
               {"reason", rule.reason}};
  json["conditions"] = Json::array();
  for (const Condition& condition : rule.conditions) {
    if (condition.match != Match::kNone) json["conditions"].push_back(Describe(rule, condition));
  }
  return json;
}

Json Table(const char* name, const char* when, std::span<const Rule> rules) {
  Json json = {{"name", name}, {"when", when}, {"rules", Json::array()}};
  for (const Rule& rule : rules) json["rules"].push_back(Describe(rule));
  return json;
}

// `instructions` has one element for each number of vCPUs, from one on, or one for all.
Json RunFilterOf(const char* name, RunExtra extra, std::vector<std::string> tables) {
  Json instructions = Json::array();
  for (uint32_t vcpus = 1; vcpus <= abi::kMaxLanes; ++vcpus) {
    instructions.push_back(RunFilter(vcpus, extra).size());
  }
  return {{"name", name},
          {"phase", "run"},
          {"tables", std::move(tables)},
          {"instructions", std::move(instructions)}};
}

Json Filters() {
  return {{{"name", "set-up"},
           {"phase", "set-up"},
           {"tables", {"run", "dirty-log", "doorbells", "set-up"}},
           {"instructions", {SetupFilter().size()}}},
          RunFilterOf("run", RunExtra::kNothing, {"run"}),
          RunFilterOf("run-dirty-log", RunExtra::kDirtyLog, {"run", "dirty-log"}),
          RunFilterOf("run-doorbells", RunExtra::kDoorbells, {"run", "doorbells"})};
}

// "trap": the worker reports the call. "kill": the kernel kills the worker.
std::string RefusalName(uint32_t refusal) {
  switch (refusal & SECCOMP_RET_ACTION_FULL) {
    case SECCOMP_RET_TRAP:
      return "trap";
    case SECCOMP_RET_KILL_PROCESS:
      return "kill";
    default:
      std::abort();
  }
}

std::string PhaseName(LayerPhase phase) {
  switch (phase) {
    case LayerPhase::kBirth:
      return "birth";
    case LayerPhase::kConfinement:
      return "confinement";
    case LayerPhase::kSetup:
      return "set-up";
    case LayerPhase::kRun:
      return "run";
  }
  std::abort();
}

Json Layers() {
  Json json = Json::array();
  for (const LayerSpec& layer : kLayers) {
    json.push_back({{"name", layer.name},
                    {"phase", PhaseName(layer.phase)},
                    {"required", layer.required},
                    {"does", layer.does},
                    {"against", layer.why}});
  }
  return json;
}

Json Limits(std::span<const LimitSpec> limits, const char* phase) {
  Json json = Json::array();
  for (const LimitSpec& limit : limits) {
    Json entry = {{"name", limit.name}, {"phase", phase}};
    if (limit.from == LimitValue::kFixed) {
      entry["value"] = limit.value;
    } else {
      entry["value"] = "of the job";
    }
    entry["reason"] = limit.reason;
    json.push_back(std::move(entry));
  }
  return json;
}

Json AllLimits() {
  Json json = Limits(kConfinementLimits, "confinement");
  for (Json& limit : Limits(kRunLimits, "run")) json.push_back(std::move(limit));
  return json;
}

Json Capabilities() {
  Json json = Json::array();
  for (const CapabilitySpec& capability : kConfinementCapabilities) {
    json.push_back({{"name", capability.name}, {"reason", capability.reason}});
  }
  return json;
}

Json Securebits() {
  constexpr std::pair<unsigned, const char*> kNames[] = {
      {SECBIT_NOROOT, "noroot"},
      {SECBIT_NOROOT_LOCKED, "noroot-locked"},
      {SECBIT_NO_SETUID_FIXUP, "no-setuid-fixup"},
      {SECBIT_NO_SETUID_FIXUP_LOCKED, "no-setuid-fixup-locked"},
      {SECBIT_KEEP_CAPS, "keep-caps"},
      {SECBIT_KEEP_CAPS_LOCKED, "keep-caps-locked"},
      {SECBIT_NO_CAP_AMBIENT_RAISE, "no-cap-ambient-raise"},
      {SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED, "no-cap-ambient-raise-locked"},
  };
  Json json = Json::array();
  for (const auto& [bit, name] : kNames) {
    if ((kSecurebits & bit) != 0) json.push_back(name);
  }
  return json;
}

Json Speculation() {
  Json json = Json::array();
  for (const SpeculationSpec& control : kSpeculation) json.push_back(control.name);
  return json;
}

Json Landlock() {
  Json json = Json::array();
  for (const LandlockSpec& version : kLandlock) {
    json.push_back({{"abi", version.abi}, {"denies", version.adds}});
  }
  return json;
}

Json Policy() {
  Json json;
  json["default"] = {{"set-up", RefusalName(kSetupRefusal)},
                     {"run", RefusalName(kRunRefusal)},
                     {"architecture", "kill"}};
  json["filters"] = Filters();
  json["tables"] = {
      Table("run", "while the guest runs, and before", kRunRules),
      Table("dirty-log", "in addition, for a job that asks which pages its guest wrote",
            kDirtyLogRules),
      Table("doorbells", "in addition, for a job of a few requests, which does without ioeventfds",
            kDoorbellRules),
      Table("set-up", "in addition, until the guest runs", kSetupRules)};
  json["layers"] = Layers();
  json["limits"] = AllLimits();
  json["capabilities"] = Capabilities();
  json["securebits"] = Securebits();
  json["speculation"] = Speculation();
  json["landlock"] = Landlock();
  return json;
}

}  // namespace
}  // namespace hotcell::policy

int main() {
  std::puts(hotcell::policy::Policy().dump(1).c_str());
  return 0;
}
