// What a worker says of its layers and of its guest's end, as clients get it: without the messages
// of the control pipe.
#ifndef HOTCELL_BROKER_WORKERS_NATIVE_END_H_
#define HOTCELL_BROKER_WORKERS_NATIVE_END_H_

#include <vector>

#include "hotcell/guest_end.h"
#include "hotcell/layers.h"
#include "protos/control.pb.h"

namespace hotcell::broker {

// A reason that is none is kUnknown.
GuestEnd ToNative(const v1::Finished& finished);
Registers ToNative(const v1::Registers& registers);

// Precondition: CheckLayers() has found them to make sense.
std::vector<LayerResult> ToNative(const v1::Confined& confined);

v1::GuestMode ToWire(GuestMode mode);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_WORKERS_NATIVE_END_H_
