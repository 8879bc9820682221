#include "guest/runtime/native/native_channel.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hotcell::guest {
namespace {

[[noreturn]] void ContractBroken(const char* how) {
  std::fprintf(stderr, "IoChannel contract broken: %s\n", how);
  std::abort();
}

}  // namespace

NativeChannel::NativeChannel(NativeFiles& files, size_t buffer_count, size_t buffer_size)
    : files_(files),
      buffer_size_(buffer_size),
      memory_(std::make_unique<std::byte[]>(buffer_count * buffer_size)) {
  for (size_t i = 0; i < buffer_count; ++i) buffers_.push_back(memory_.get() + i * buffer_size);
  free_buffers_.assign(buffers_.rbegin(), buffers_.rend());
}

void NativeChannel::CutBuffers(size_t size) {
  if (!std::has_single_bit(size) || size > buffer_size_) ContractBroken("a bad buffer size");
  if (free_buffers_.size() != buffers_.size()) ContractBroken("buffers are cut while one is taken");
  const size_t count = buffers_.size() * (buffer_size_ / size);
  buffers_.clear();
  for (size_t i = 0; i < count; ++i) buffers_.push_back(memory_.get() + i * size);
  free_buffers_.assign(buffers_.rbegin(), buffers_.rend());
  buffer_size_ = size;
}

NativeChannel::~NativeChannel() {
  if (!pending_.empty()) ContractBroken("a ticket was never waited for");
  if (free_buffers_.size() != buffers_.size()) ContractBroken("a buffer was never released");
}

void NativeChannel::CheckData(const NativeRequest& request, const std::byte* data) const {
  const std::byte* const begin = memory_.get();
  const std::byte* const end = begin + buffers_.size() * buffer_size_;
  if (request.length == 0) ContractBroken("an empty request");
  if (data < begin || data >= end) ContractBroken("data outside the channel's buffers");
  const size_t in_buffer = static_cast<size_t>(data - begin) % buffer_size_;
  if (request.length > buffer_size_ - in_buffer) ContractBroken("data leaves its buffer");
  for (const Pending& other : pending_) {
    // Two writes may share their source.
    if (request.opcode == abi::Opcode::kWrite && other.request.opcode == abi::Opcode::kWrite) {
      continue;
    }
    if (other.data != nullptr && data < other.data + other.request.length &&
        other.data < data + request.length) {
      ContractBroken("a buffer is used by two requests at once");
    }
  }
}

IoChannel::Ticket NativeChannel::Submit(const NativeRequest& request, const std::byte* data) {
  if (pending_.size() >= kMaxInFlight) ContractBroken("too many requests in flight");
  if (data != nullptr) CheckData(request, data);
  pending_.push_back(
      {.ticket = next_ticket_++, .request = request, .data = const_cast<std::byte*>(data)});
  return pending_.back().ticket;
}

IoChannel::Ticket NativeChannel::SubmitRead(uint32_t slot, uint64_t offset,
                                            std::span<std::byte> data) {
  return Submit(
      {.opcode = abi::Opcode::kRead, .slot = slot, .offset = offset, .length = data.size()},
      data.data());
}

IoChannel::Ticket NativeChannel::SubmitWrite(uint32_t slot, uint64_t offset,
                                             std::span<const std::byte> data) {
  return Submit(
      {.opcode = abi::Opcode::kWrite, .slot = slot, .offset = offset, .length = data.size()},
      data.data());
}

IoChannel::Ticket NativeChannel::SubmitWriteZeroes(uint32_t slot, uint64_t offset,
                                                   uint64_t length) {
  return Submit(
      {.opcode = abi::Opcode::kWriteZeroes, .slot = slot, .offset = offset, .length = length},
      nullptr);
}

IoChannel::Ticket NativeChannel::SubmitCopy(const CopySource& source, uint32_t slot,
                                            uint64_t offset, uint64_t length) {
  if (length == 0 || length > abi::kMaxCopy) ContractBroken("a copy of no or too many bytes");
  return Submit({.opcode = abi::Opcode::kCopy,
                 .slot = slot,
                 .offset = offset,
                 .length = length,
                 .source = source},
                nullptr);
}

IoResult NativeChannel::ExecuteCopy(const NativeRequest& request, NativeFile& target) {
  NativeFile* const source = files_.file(request.source.slot);
  if (source == nullptr) ContractBroken("an unknown slot");
  std::vector<std::byte> bytes(request.length);
  const IoResult read = source->Read(request.source.offset, bytes);
  if (!read.ok()) return read;
  return target.Write(request.offset, std::span(bytes).first(read.value));
}

IoResult NativeChannel::Execute(const NativeRequest& request, std::byte* data) {
  ++request_count_;
  NativeFile* const file = files_.file(request.slot);
  if (file == nullptr) ContractBroken("an unknown slot");
  if (files_.fault_hook_) {
    if (const auto fault = files_.fault_hook_(request)) return *fault;
  }
  switch (request.opcode) {
    case abi::Opcode::kRead:
      return file->Read(request.offset, {data, request.length});
    case abi::Opcode::kWrite:
      return file->Write(request.offset, {data, request.length});
    case abi::Opcode::kWriteZeroes:
      return file->WriteZeroes(request.offset, request.length);
    case abi::Opcode::kBlockStatus:
      return file->BlockStatus(request.offset, request.length);
    case abi::Opcode::kFlush:
      return file->Flush();
    case abi::Opcode::kSetSize:
      return file->SetSize(request.offset);
    case abi::Opcode::kCopy:
      return ExecuteCopy(request, *file);
    case abi::Opcode::kOpenReference:
    case abi::Opcode::kCreateExtentFile:
    case abi::Opcode::kProceed:
      break;
  }
  ContractBroken("an unknown request");
}

void NativeChannel::Drain(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Pending& pending = pending_[i];
    if (pending.done) continue;
    pending.result = Execute(pending.request, pending.data);
    pending.done = true;
  }
}

IoResult NativeChannel::Wait(Ticket ticket) {
  const auto found = std::find_if(pending_.begin(), pending_.end(),
                                  [&](const Pending& p) { return p.ticket == ticket; });
  if (found == pending_.end()) ContractBroken("a ticket that is not outstanding");
  const auto index = found - pending_.begin();
  Drain(static_cast<size_t>(index) + 1);
  const IoResult result = pending_[index].result;
  pending_.erase(pending_.begin() + index);
  return result;
}

IoResult NativeChannel::ExecuteInOrder(const NativeRequest& request) {
  if (pending_.size() >= kMaxInFlight) ContractBroken("too many requests in flight");
  Drain(pending_.size());
  return Execute(request, nullptr);
}

IoResult NativeChannel::BlockStatus(uint32_t slot, uint64_t offset, uint64_t length,
                                    std::span<abi::BlockRun> runs) {
  if (length == 0) ContractBroken("an empty request");
  IoResult run = ExecuteInOrder(
      {.opcode = abi::Opcode::kBlockStatus, .slot = slot, .offset = offset, .length = length});
  size_t count = 0;
  while (run.ok()) {
    runs[count++] = {.length = run.value, .is_data = run.value2};
    // A length that is not possible is for the caller to see.
    if (count == runs.size() || run.value == 0 || run.value >= length) break;
    offset += run.value;
    length -= run.value;
    run = files_.file(slot)->BlockStatus(offset, length);
  }
  return count == 0 ? run : IoResult{.value = count};
}

IoResult NativeChannel::Flush(uint32_t slot) {
  return ExecuteInOrder({.opcode = abi::Opcode::kFlush, .slot = slot});
}

IoResult NativeChannel::SetSize(uint32_t slot, uint64_t size) {
  return ExecuteInOrder({.opcode = abi::Opcode::kSetSize, .slot = slot, .offset = size});
}

IoResult NativeChannel::OpenReference(uint32_t from_slot, ReferenceKind kind,
                                      std::string_view name) {
  ++request_count_;
  Drain(pending_.size());
  if (files_.file(from_slot) == nullptr) ContractBroken("an unknown slot");
  if (name.size() > buffer_size_) ContractBroken("a name longer than a buffer");
  if (!files_.opener_) return {.status = IoStatus::kRefused};
  NativeFiles::Opened opened = files_.opener_(from_slot, kind, name);
  if (opened.status != IoStatus::kOk) return {.status = opened.status};
  const FileHandle handle = files_.Add(std::move(opened.file));
  return {.value = handle.slot, .value2 = handle.size};
}

IoResult NativeChannel::CreateExtentFile(uint32_t target_slot, uint32_t number) {
  ++request_count_;
  Drain(pending_.size());
  if (files_.file(target_slot) == nullptr) ContractBroken("an unknown slot");
  if (number != files_.next_extent_file_++) ContractBroken("an extent out of order");
  if (!files_.extent_file_opener_) return {.status = IoStatus::kRefused};
  std::unique_ptr<NativeFile> file = files_.extent_file_opener_(number);
  if (file == nullptr) return {.status = IoStatus::kIoError, .value = EIO};
  return {.value = files_.Add(std::move(file)).slot};
}

IoResult NativeChannel::Proceed(uint32_t slot, std::span<const std::byte> report) {
  ++request_count_;
  Drain(pending_.size());
  CheckData({.opcode = abi::Opcode::kProceed, .slot = slot, .length = report.size()},
            report.data());
  return {.status = files_.judge_ ? files_.judge_(slot, report) : IoStatus::kRefused};
}

std::byte* NativeChannel::AcquireBuffer() {
  if (free_buffers_.empty()) ContractBroken("no buffer is left");
  std::byte* const buffer = free_buffers_.back();
  free_buffers_.pop_back();
  return buffer;
}

void NativeChannel::ReleaseBuffer(std::byte* buffer) {
  if (std::find(buffers_.begin(), buffers_.end(), buffer) == buffers_.end()) {
    ContractBroken("a buffer of somebody else is released");
  }
  if (std::find(free_buffers_.begin(), free_buffers_.end(), buffer) != free_buffers_.end()) {
    ContractBroken("a buffer is released twice");
  }
  // A request may still use the buffer; its data must stay untouched until it is waited for.
  for (const Pending& pending : pending_) {
    if (pending.data >= buffer && pending.data < buffer + buffer_size_) {
      ContractBroken("a buffer is released while a request uses it");
    }
  }
  free_buffers_.push_back(buffer);
}

}  // namespace hotcell::guest
