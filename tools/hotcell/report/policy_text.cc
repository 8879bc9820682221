#include "tools/hotcell/report/policy_text.h"

#include <algorithm>
#include <cstdint>

#include "nlohmann/json.hpp"
#include "tools/hotcell/common/exit_codes.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/report/text_table.h"

extern "C" const char hotcell_policy_json[];
extern "C" const char hotcell_policy_json_end[];

namespace hotcell::cli {
namespace {

using Policy = nlohmann::ordered_json;

constexpr size_t kWidth = 100;

std::string Words(const Policy& value) { return value.get<std::string>(); }

// "fd is ..., request is ...", or "always".
std::string Conditions(const Policy& rule) {
  std::string text;
  for (const Policy& condition : rule["conditions"]) {
    Append(text, text.empty() ? "" : ", ", Words(condition["words"]));
  }
  return text.empty() ? "always" : text;
}

std::string Purpose(const Policy& rule) {
  std::string text = Words(rule["reason"]);
  if (rule["action"] != "allow") Append(text, " (answered ", Words(rule["action"]), ")");
  return text;
}

std::string RulesText(const Policy& rules) {
  TextTable table({15, 34, 16, 27});
  table.AddRow({"CALL", "WHEN", "BY", "TO"});
  for (const Policy& rule : rules) {
    table.AddRow({Words(rule["call"]), Conditions(rule), Words(rule["caller"]), Purpose(rule)});
  }
  return table.text();
}

std::string TablesText(const Policy& policy) {
  std::string text;
  for (const Policy& table : policy["tables"]) {
    Append(text, "System calls ", Words(table["when"]), " (", table["rules"].size(),
           table["rules"].size() == 1 ? " rule" : " rules", ")\n", RulesText(table["rules"]), "\n");
  }
  return text;
}

// "36 to 51 instructions, by the number of vCPUs".
std::string Length(const Policy& instructions) {
  const auto least = std::ranges::min_element(instructions)->get<uint64_t>();
  const auto most = std::ranges::max_element(instructions)->get<uint64_t>();
  if (least == most) return Cat(least, " instructions");
  return Cat(least, " to ", most, " instructions, by the number of vCPUs");
}

std::string FiltersText(const Policy& policy) {
  TextTable table({15, 10, 32, 35});
  table.AddRow({"FILTER", "PHASE", "RULES", "LENGTH"});
  for (const Policy& filter : policy["filters"]) {
    std::string tables;
    for (const Policy& name : filter["tables"]) {
      Append(tables, tables.empty() ? "" : ", ", Words(name));
    }
    table.AddRow(
        {Words(filter["name"]), Words(filter["phase"]), tables, Length(filter["instructions"])});
  }
  return table.text();
}

std::string LayersText(const Policy& policy) {
  TextTable table({22, 12, 30, 28});
  table.AddRow({"LAYER", "SINCE", "IN FORCE", "AGAINST"});
  for (const Policy& layer : policy["layers"]) {
    table.AddRow({Cat(Words(layer["name"]), layer["required"].get<bool>() ? " *" : ""),
                  Words(layer["phase"]), Words(layer["does"]), Words(layer["against"])});
  }
  return table.text();
}

std::string LimitsText(const Policy& policy) {
  TextTable table({15, 12, 20, 45});
  table.AddRow({"LIMIT", "SINCE", "VALUE", "FOR"});
  for (const Policy& limit : policy["limits"]) {
    const Policy& value = limit["value"];
    table.AddRow({Words(limit["name"]), Words(limit["phase"]),
                  value.is_string() ? Words(value) : Cat(value.get<uint64_t>()),
                  Words(limit["reason"])});
  }
  return table.text();
}

std::string Listed(const Policy& names) {
  std::string text;
  for (const Policy& name : names) Append(text, text.empty() ? "" : ", ", Words(name));
  return text;
}

std::string CapabilitiesText(const Policy& policy) {
  TextTable table({15, 79});
  for (const Policy& capability : policy["capabilities"]) {
    table.AddRow({Words(capability["name"]), Words(capability["reason"])});
  }
  return table.text();
}

std::string LandlockText(const Policy& policy) {
  TextTable table({6, 88});
  table.AddRow({"ABI", "DENIES, WITH WHAT IS ABOVE"});
  for (const Policy& version : policy["landlock"]) {
    table.AddRow({Cat(version["abi"].get<uint64_t>()), Words(version["denies"])});
  }
  return table.text();
}

std::string Paragraph(std::string_view text) {
  std::string out;
  for (const std::string& line : WrapWords(text, kWidth)) Append(out, line, "\n");
  return out;
}

}  // namespace

std::string_view PolicyDescription() {
  return {hotcell_policy_json, static_cast<size_t>(hotcell_policy_json_end - hotcell_policy_json)};
}

std::string PolicyText(std::string_view description) {
  const Policy policy = Policy::parse(description);
  return Cat(
      Paragraph(
          Cat("What is not listed ends the worker, and hotcell exits with ", kExitViolation,
              ". Until the guest runs, the kernel's filter raises SIGSYS, and the worker reports "
              "the call and its arguments. From then on the kernel kills the worker at once, as "
              "it does for calls of another architecture (i386, x32) before: no thread of it "
              "can hide the call, but which one it was stands in the kernel's log only.")),
      "\n", TablesText(policy), "Filters\n", FiltersText(policy),
      "\nLayers of confinement (* no job runs without)\n", LayersText(policy),
      "\nResource limits, at most\n", LimitsText(policy),
      "\nLandlock, as far as the kernel has it\n", LandlockText(policy),
      "\nCapabilities, in its own user namespace, until it is confined\n", CapabilitiesText(policy),
      "\n", Paragraph(Cat("Secure bits: ", Listed(policy["securebits"]))), "\n",
      Paragraph(Cat("Speculation that is off: ", Listed(policy["speculation"]))));
}

std::string PolicyJson(std::string_view description) { return Policy::parse(description).dump(4); }

}  // namespace hotcell::cli
