// What a worker was doing when it failed, in words.
#ifndef HOTCELL_BROKER_WORKERS_STEPS_H_
#define HOTCELL_BROKER_WORKERS_STEPS_H_

#include <string>

#include "protos/control.pb.h"

namespace hotcell::broker {

// Follows "the worker failed to": "KVM_CREATE_VM", "load the program"; for a number that the
// protocol does not have "take step 99, which is not known".
std::string StepText(v1::Step step);

// Whether it is a call of KVM's.
bool IsKvmStep(v1::Step step);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_STEPS_H_
