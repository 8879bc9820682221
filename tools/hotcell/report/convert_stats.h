// What `--stats` tells of a job.
#ifndef HOTCELL_TOOLS_HOTCELL_REPORT_CONVERT_STATS_H_
#define HOTCELL_TOOLS_HOTCELL_REPORT_CONVERT_STATS_H_

#include <cstdint>
#include <string>

#include "hotcell/engine.h"
#include "tools/hotcell/report/json.h"
#include "tools/hotcell/report/verdict_report.h"

namespace hotcell::cli {

// What the machine gave a job. Memory in bytes; each process's own peak.
struct JobCost {
  double seconds = 0;
  uint64_t peak_memory = 0;         // of this process
  uint64_t worker_peak_memory = 0;  // of the worker, guest RAM included
};

// The peaks so far, of this process and of the largest child it has waited for.
JobCost MeasureCost(double seconds);

std::string StatsText(const WorkerReport& worker, const JobCost& cost);
Json StatsJson(const WorkerReport& worker, const JobCost& cost);

// StatsText and StatsJson with what a conversion adds.
std::string ConvertStatsText(const ConvertReply& reply, const JobCost& cost);
// {"convert": {...}}; with `stats`, all of the above in it; with a verdict, as well what `inspect`
// has under "inspect".
std::string ConvertReplyJson(const ConvertReply& reply, const JobCost& cost, bool stats,
                             const InspectReport* verdict = nullptr);

}  // namespace hotcell::cli

#endif  // HOTCELL_TOOLS_HOTCELL_REPORT_CONVERT_STATS_H_
