// A value or the error that there is in its place, for code that does not throw.
#ifndef HOTCELL_BASE_EXPECTED_H_
#define HOTCELL_BASE_EXPECTED_H_

#include <optional>
#include <utility>

namespace hotcell {

// Each domain has an error of its own, and names its own type by this: Result<T>. Precondition of
// value(): ok(). Precondition of error(): !ok().
template <typename T, typename Error>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : value_(std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Expected(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  const Error& error() const { return error_; }
  T& value() { return *value_; }
  const T& value() const { return *value_; }
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  Error error_{};
  std::optional<T> value_;
};

}  // namespace hotcell

#endif  // HOTCELL_BASE_EXPECTED_H_
