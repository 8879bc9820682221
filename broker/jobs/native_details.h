#ifndef HOTCELL_BROKER_JOBS_NATIVE_DETAILS_H_
#define HOTCELL_BROKER_JOBS_NATIVE_DETAILS_H_

#include <vector>

#include "hotcell/image_info.h"
#include "protos/report.pb.h"

namespace hotcell::broker {

// A format's details as the public API has them, each in the one that holds it. Takes them out of
// the message. Precondition: AreDetails() of report_details.h.
std::vector<Detail> TakeDetails(google::protobuf::RepeatedPtrField<v1::Detail>& details);

}  // namespace hotcell::broker

#endif  // HOTCELL_BROKER_JOBS_NATIVE_DETAILS_H_
