// Fields of a decoded job as the guest's code has them.
#ifndef HOTCELL_GUEST_OPS_JOB_FIELDS_H_
#define HOTCELL_GUEST_OPS_JOB_FIELDS_H_

#include <string_view>

#include "guest/formats/common/format.h"
#include "protos/job.pb.h"

namespace hotcell::guest {

// What one of nanopb's arrays of bytes holds, as long as it does.
template <typename Bytes>
std::string_view TextOf(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.bytes), bytes.size};
}

// The internal snapshot that a ConvertJob or a MeasureJob asks for.
template <typename Operation>
SnapshotSelector SnapshotOf(const Operation& job) {
  SnapshotSelector selector;
  if (!job.has_snapshot) return selector;
  if (job.snapshot.has_id) selector.id = TextOf(job.snapshot.id);
  if (job.snapshot.has_name) selector.name = TextOf(job.snapshot.name);
  if (job.snapshot.has_id_or_name) selector.id_or_name = TextOf(job.snapshot.id_or_name);
  return selector;
}

}  // namespace hotcell::guest

#endif  // HOTCELL_GUEST_OPS_JOB_FIELDS_H_
