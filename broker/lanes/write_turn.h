// Keeps the lanes of a job from spinning on the kernel's lock of a file that several of them write
// to.
#ifndef HOTCELL_BROKER_LANES_WRITE_TURN_H_
#define HOTCELL_BROKER_LANES_WRITE_TURN_H_

#include <mutex>

#include "broker/files/file_table.h"

namespace hotcell::broker {

// A lane's turn at writing to a file. File systems let one write(2) into a regular file at a time,
// and let the others spin meanwhile: for two lanes that was a quarter of a conversion's CPU time.
// Here the others sleep, and a lane keeps its turn for as long as its next request is a write to
// the same file, so that turns, and the wake-ups they cost, are few. Belongs to one thread.
class WriteTurn {
 public:
  WriteTurn() = default;
  ~WriteTurn() { End(); }
  WriteTurn(const WriteTurn&) = delete;
  WriteTurn& operator=(const WriteTurn&) = delete;

  // Waits for the turn at `file`, which outlives it; ends one at another file.
  void Take(JobFile& file) {
    if (file_ == &file) return;
    End();
    file.write_mutex.lock();
    file_ = &file;
  }

  void End() {
    if (file_ == nullptr) return;
    file_->write_mutex.unlock();
    file_ = nullptr;
  }

 private:
  JobFile* file_ = nullptr;
};

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_LANES_WRITE_TURN_H_
