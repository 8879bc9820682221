// Running one worker on each lane.
#ifndef HOTCELL_GUEST_OPS_PIPELINE_RUN_WORKERS_H_
#define HOTCELL_GUEST_OPS_PIPELINE_RUN_WORKERS_H_

#include <memory>
#include <vector>

#include "guest/runtime/common/lanes.h"

namespace hotcell::guest {

// Calls workers[i]->Process(channel of lane i) on all lanes at once; returns when all have
// returned. Precondition: workers.size() == lanes.count().
template <typename Worker>
void RunWorkers(Lanes& lanes, const std::vector<std::unique_ptr<Worker>>& workers) {
  class Body : public Lanes::Body {
   public:
    explicit Body(const std::vector<std::unique_ptr<Worker>>& workers) : workers_(workers) {}
    void Run(uint32_t lane, IoChannel& io) override { workers_[lane]->Process(io); }

   private:
    const std::vector<std::unique_ptr<Worker>>& workers_;
  };
  Body body(workers);
  lanes.RunOnAll(body);
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_PIPELINE_RUN_WORKERS_H_
