#include "tools/hotcell/report/convert_stats.h"

#include <sys/resource.h>
#include <unistd.h>

#include <string_view>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "tools/hotcell/common/escape.h"
#include "tools/hotcell/common/size.h"
#include "tools/hotcell/common/text.h"
#include "tools/hotcell/report/layers.h"

namespace hotcell::cli {
namespace {

constexpr double kMebibyte = 1 << 20;

uint64_t PeakMemory(int who) {
  struct rusage usage = {};
  if (getrusage(who, &usage) != 0) return 0;
  return static_cast<uint64_t>(usage.ru_maxrss) << 10;
}

// How often the guest left KVM_RUN for each MiB that moved in either direction.
double ExitsPerMebibyte(const WorkerReport& worker) {
  const double moved =
      static_cast<double>(worker.bytes_read) + static_cast<double>(worker.bytes_written);
  if (moved == 0) return 0;
  return static_cast<double>(worker.end.exits.total) / (moved / kMebibyte);
}

struct Step {
  std::string_view name;
  absl::Duration JobTimes::*time;
};
constexpr Step kSteps[] = {{"spawned", &JobTimes::spawned},
                           {"confined", &JobTimes::confined},
                           {"ready", &JobTimes::ready},
                           {"finished", &JobTimes::finished},
                           {"stopped", &JobTimes::stopped}};

std::string StepsLine(const JobTimes& times) {
  std::string out = "steps:         ";
  for (const Step& step : kSteps) {
    Append(out, " ", step.name, " ", absl::ToInt64Microseconds(times.*step.time), ",");
  }
  out.pop_back();
  return out + " us after the job came\n";
}

Json StepsJson(const JobTimes& times) {
  Json steps = Json::Object();
  for (const Step& step : kSteps) {
    steps.SetReal(step.name, absl::ToDoubleMicroseconds(times.*step.time));
  }
  return steps;
}

std::string SizeLine(std::string_view name, uint64_t bytes) {
  return absl::StrFormat("%-15s %s (%d bytes)\n", name, FormatSize(bytes), bytes);
}

}  // namespace

JobCost MeasureCost(double seconds) {
  return {seconds, PeakMemory(RUSAGE_SELF), PeakMemory(RUSAGE_CHILDREN)};
}

std::string StatsText(const WorkerReport& worker, const JobCost& cost) {
  const ExitCounters& exits = worker.end.exits;
  std::string out;
  Append(out, "processes:      broker ", getpid(), ", worker ", worker.pid, "\n");
  out += SizeLine("read:", worker.bytes_read);
  out += SizeLine("written:", worker.bytes_written);
  Append(out, "requests:       ", worker.requests, "\n");
  Append(out, "doorbells:      ", worker.doorbells, "\n");
  out += absl::StrFormat(
      "VM exits:       %d (%.3f per MiB moved): %d waits, %d port I/O, %d MMIO, %d interrupted\n",
      exits.total, ExitsPerMebibyte(worker), exits.waits, exits.port_io, exits.mmio,
      exits.interrupted);
  out += absl::StrFormat("time:           %.3f s\n", cost.seconds);
  out += StepsLine(worker.times);
  Append(out, "peak memory:    ", FormatSize(cost.peak_memory + cost.worker_peak_memory),
         " (broker ", FormatSize(cost.peak_memory), ", worker and guest ",
         FormatSize(cost.worker_peak_memory), ")\n");
  Append(out, "confinement:    ", DescribeLayers(worker.layers), "\n");
  return out;
}

Json StatsJson(const WorkerReport& worker, const JobCost& cost) {
  const ExitCounters& counters = worker.end.exits;
  Json exits = Json::Object();
  exits.SetNumber("total", counters.total)
      .SetNumber("waits", counters.waits)
      .SetNumber("port-io", counters.port_io)
      .SetNumber("mmio", counters.mmio)
      .SetNumber("interrupted", counters.interrupted);
  Json stats = Json::Object();
  stats.SetNumber("broker-pid", static_cast<uint64_t>(getpid()))
      .SetNumber("worker-pid", static_cast<uint64_t>(worker.pid))
      .SetNumber("bytes-read", worker.bytes_read)
      .SetNumber("bytes-written", worker.bytes_written)
      .SetNumber("requests", worker.requests)
      .SetNumber("doorbells", worker.doorbells)
      .Set("exits", std::move(exits))
      .SetReal("exits-per-mebibyte", ExitsPerMebibyte(worker))
      .SetReal("seconds", cost.seconds)
      .Set("steps-us", StepsJson(worker.times))
      .SetNumber("peak-memory", cost.peak_memory + cost.worker_peak_memory)
      .SetNumber("broker-peak-memory", cost.peak_memory)
      .SetNumber("worker-peak-memory", cost.worker_peak_memory)
      .Set("confinement", LayersJson(worker.layers));
  return stats;
}

std::string ConvertStatsText(const ConvertReply& reply, const JobCost& cost) {
  std::string out;
  Append(out, "source format:  ", Escape(reply.result.source_format), "\n");
  out += SizeLine("virtual size:", reply.result.virtual_size);
  out += SizeLine("zeroes:", reply.result.zero_bytes);
  return out + StatsText(reply.worker, cost);
}

std::string ConvertReplyJson(const ConvertReply& reply, const JobCost& cost, bool stats,
                             const InspectReport* verdict) {
  Json warnings = Json::Array();
  for (const std::string& warning : reply.warnings) warnings.AppendString(warning);
  Json convert = Json::Object();
  convert.SetString("source-format", reply.result.source_format)
      .SetNumber("virtual-size", reply.result.virtual_size)
      .SetNumber("zero-bytes", reply.result.zero_bytes)
      .Set("warnings", std::move(warnings));
  if (stats) convert.Set("stats", StatsJson(reply.worker, cost));
  Json document = Json::Object();
  document.Set("convert", std::move(convert));
  if (verdict != nullptr) document.Set("inspect", InspectValue(*verdict));
  return document.Dump();
}

}  // namespace hotcell::cli
