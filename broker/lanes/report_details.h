// A format's details as a guest reports them: a list in which each says how deep it lies.
#ifndef HOTCELL_BROKER_LANES_REPORT_DETAILS_H_
#define HOTCELL_BROKER_LANES_REPORT_DETAILS_H_

#include <cstddef>

#include "protos/report.pb.h"

namespace hotcell::broker {

inline constexpr size_t kMaxDetailDepth = 8;
// Of a dictionary, whose keys are compared with each other here and when it is printed.
inline constexpr size_t kMaxDetailKeys = 64;

// Whether these make a tree that can be printed: each lies in the list or dictionary before it,
// has a value that there is, and a key if and only if it is not in a list; keys differ.
bool AreDetails(const google::protobuf::RepeatedPtrField<v1::Detail>& details);

// Escapes what is the guest's own words. Names stay the bytes that stand in the image.
void MakeDetailsPrintable(google::protobuf::RepeatedPtrField<v1::Detail>& details);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_LANES_REPORT_DETAILS_H_
