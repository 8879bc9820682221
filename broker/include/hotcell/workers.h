// The worker processes of this process, for programs that end while jobs are under way.
#ifndef HOTCELL_WORKERS_H_
#define HOTCELL_WORKERS_H_

namespace hotcell {

// Kills and reaps the workers of all of this process's engines, and no other child: for a process
// that is about to _exit() with jobs under way, whose workers die with it, but may have nobody then
// who reaps them. Those jobs fail. Thread-safe, but not for signal handlers.
void KillWorkers();

}  // namespace hotcell

#endif  // HOTCELL_WORKERS_H_
