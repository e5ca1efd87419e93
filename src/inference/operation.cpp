#include "inference/operation.hpp"

#include <ATen/ATen.h>

#include "base/error.hpp"
#include "inference/observer.hpp"

namespace ddls::inference {

const at::Tensor& Tape::labels() const {
  ensure(labels_.defined(), "a conditional network was called without labels");
  return labels_;
}

void Tape::add_latent_gradient(int64_t begin, const at::Tensor& gradient) {
  if (!latent_gradient_.defined()) latent_gradient_ = at::zeros_like(latents_);
  latent_gradient_.narrow(1, begin, gradient.size(1)).add_(gradient);
}

void Tape::push(const at::Tensor& value) {
  if (keep_) kept_.push_back(value);
}

at::Tensor Tape::pop() {
  ensure(!kept_.empty(), "an inference graph was differentiated backwards that kept nothing");
  at::Tensor value = std::move(kept_.back());
  kept_.pop_back();
  if (observer_ != nullptr) observer_->recalls(value);
  return value;
}

int64_t Tape::largest_row_bytes() const {
  int64_t largest = 0;
  for (const at::Tensor& t : kept_) largest = std::max(largest, static_cast<int64_t>(t.nbytes()) / t.size(0));
  return largest;
}

std::vector<Part> Operation::parts() const { return {}; }

std::vector<NamedOperation> named(const Operations& operations, const std::string& name) {
  std::vector<NamedOperation> all;
  for (size_t i = 0; i < operations.size(); ++i) {
    const std::string own = fmt::format("{}.{}", name, i);
    all.push_back({own, *operations[i]});
    for (const Part& part : operations[i]->parts())
      for (const NamedOperation& inner : named(part.operations, own + "." + part.name)) all.push_back(inner);
  }
  return all;
}

at::Tensor forward_through(const Operations& operations, at::Tensor x, Tape& tape) {
  for (const OperationPtr& operation : operations) {
    if (tape.observer() != nullptr) tape.observer()->begins(*operation, Pass::forward, x);
    x = operation->forward(std::move(x), tape);
    if (tape.observer() != nullptr) tape.observer()->ends(x);
  }
  return x;
}

at::Tensor vjp_through(const Operations& operations, at::Tensor dy, Tape& tape) {
  for (auto operation = operations.rbegin(); operation != operations.rend(); ++operation) {
    if (tape.observer() != nullptr) tape.observer()->begins(**operation, Pass::vjp, dy);
    dy = (*operation)->vjp(std::move(dy), tape);
    if (tape.observer() != nullptr) tape.observer()->ends(dy);
  }
  return dy;
}

// A view, or a tensor under it, counts as another owner; so do the repeated elements of an expanded one.
bool sole_owner(const at::Tensor& t) {
  return t.use_count() == 1 && t.storage().use_count() == 1 && t.is_non_overlapping_and_dense();
}

}  // namespace ddls::inference
