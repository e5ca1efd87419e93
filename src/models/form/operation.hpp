#pragma once
// The steps of a sampling form: frozen functions of one tensor, each with its vector-Jacobian product written by hand.
// Images are [n, C, H, W] in channels-last memory, features [n, k].
#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

namespace ddls {

// What a forward leaves for its pull, last in, first out; and the labels of the chains.
class Tape {
 public:
  // `keep` false: nothing will be pulled, so nothing is kept. `labels`: [n] int64, or undefined.
  Tape(at::Tensor labels, bool keep) : labels_(std::move(labels)), keep_(keep) {}

  const at::Tensor& labels() const;  // throws Error(internal) without labels
  void push(const at::Tensor& value);
  at::Tensor pop();
  int64_t largest_row_bytes() const;  // of what is kept, per chain

 private:
  at::Tensor labels_;
  bool keep_;
  std::vector<at::Tensor> kept_;
};

// Both calls take their tensor by value: one that nobody else holds may be written to.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual at::Tensor forward(at::Tensor x, Tape& tape) const = 0;
  // dy has the shape of forward's result; gives the gradient with respect to x. Pops what forward pushed.
  virtual at::Tensor pull(at::Tensor dy, Tape& tape) const = 0;
};

using OperationPtr = std::unique_ptr<const Operation>;
using Operations = std::vector<OperationPtr>;

at::Tensor forward_through(const Operations& operations, at::Tensor x, Tape& tape);
at::Tensor pull_through(const Operations& operations, at::Tensor dy, Tape& tape);

// Whether the caller's handle is the only one to this memory.
bool sole_owner(const at::Tensor& t);

}  // namespace ddls
