// The jobs of the load test, with what each of them must say.
#ifndef HOTCELL_TESTS_LOAD_JOBS_H_
#define HOTCELL_TESTS_LOAD_JOBS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "hotcell/engine.h"

namespace hotcell::load {

struct LoadJob {
  std::string name;
  // Does the job, with a file of that name as its target if it has one, and says what came of it.
  // Leaves no file. Any number run at the same time.
  std::function<std::string(const Engine& engine, const std::string& target)> run;
  std::string expected;  // what the outcome contains
};

// Images, sound and damaged, in a directory, and jobs on them whose outcome is known: that of a
// sound one from the data the image was made of.
class JobMix {
 public:
  // Makes the images below `directory`, with `engine`, and tries each job once.
  static absl::StatusOr<JobMix> Make(const Engine& engine, const std::string& directory);

  // Job number `i` of a run: every third one is hostile.
  const LoadJob& job(size_t i) const;

 private:
  std::vector<LoadJob> sound_;
  std::vector<LoadJob> hostile_;
};

}  // namespace hotcell::load

#endif  // HOTCELL_TESTS_LOAD_JOBS_H_
