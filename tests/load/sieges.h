// Jobs that would never end: each by another way of keeping the worker or the broker busy.
#ifndef HOTCELL_TESTS_LOAD_SIEGES_H_
#define HOTCELL_TESTS_LOAD_SIEGES_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hotcell/engine.h"

namespace hotcell::load {

struct Siege {
  std::string name;
  bool burns_cpu = false;  // a whole processor
  std::function<absl::Status(const JobOptions& options)> run;
};

class Sieges {
 public:
  // Opens the real worker and the scripted one.
  static absl::StatusOr<Sieges> Make();

  const std::vector<Siege>& all() const { return all_; }

 private:
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Engine> scripted_;  // of workers that attack the broker
  std::vector<Siege> all_;
};

}  // namespace hotcell::load

#endif  // HOTCELL_TESTS_LOAD_SIEGES_H_
