#include "models/form/operation.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"

namespace ddls {

const at::Tensor& Tape::labels() const {
  ensure(labels_.defined(), "a conditional network was called without labels");
  return labels_;
}

void Tape::push(const at::Tensor& value) {
  if (keep_) kept_.push_back(value);
}

at::Tensor Tape::pop() {
  ensure(!kept_.empty(), "a sampling form was pulled that kept nothing");
  at::Tensor value = std::move(kept_.back());
  kept_.pop_back();
  return value;
}

int64_t Tape::largest_row_bytes() const {
  int64_t largest = 0;
  for (const at::Tensor& t : kept_) largest = std::max(largest, static_cast<int64_t>(t.nbytes()) / t.size(0));
  return largest;
}

at::Tensor forward_through(const Operations& operations, at::Tensor x, Tape& tape) {
  for (const OperationPtr& operation : operations) x = operation->forward(std::move(x), tape);
  return x;
}

at::Tensor pull_through(const Operations& operations, at::Tensor dy, Tape& tape) {
  for (auto operation = operations.rbegin(); operation != operations.rend(); ++operation)
    dy = (*operation)->pull(std::move(dy), tape);
  return dy;
}

// A view, or a tensor under it, counts as another owner; so do the repeated elements of an expanded one.
bool sole_owner(const at::Tensor& t) {
  return t.use_count() == 1 && t.storage().use_count() == 1 && t.is_non_overlapping_and_dense();
}

}  // namespace ddls
