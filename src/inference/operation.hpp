#pragma once
// The steps of an inference graph: frozen functions of one tensor, each with its vector-Jacobian product written by
// hand. Images are [n, C, H, W] in channels-last memory, features [n, k].
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "inference/work.hpp"

namespace ddls::inference {

class OperationObserver;  // inference/observer.hpp

// What a forward leaves for its vjp, last in, first out; and what inner layers take from the chains: labels, latents.
class Tape {
 public:
  // `keep` false: nothing will be differentiated, so nothing is kept. `labels`: [n] int64, or undefined. `observer`:
  // told of what runs with this tape, or null.
  Tape(at::Tensor labels, bool keep, OperationObserver* observer = nullptr)
      : labels_(std::move(labels)), keep_(keep), observer_(observer) {}

  const at::Tensor& labels() const;  // throws Error(internal) without labels

  // Of networks whose inner layers take latents (inference/modulation.hpp): [n, k], and the gradient with respect to
  // them, to which the VJPs of those layers add theirs, for columns from `begin` on. What is taken starts anew.
  void lend_latents(const at::Tensor& latents) { latents_ = latents; }
  const at::Tensor& latents() const { return latents_; }
  void add_latent_gradient(int64_t begin, const at::Tensor& gradient);
  at::Tensor take_latent_gradient() { return std::exchange(latent_gradient_, {}); }

  bool keeps() const { return keep_; }
  void push(const at::Tensor& value);
  at::Tensor pop();
  int64_t largest_row_bytes() const;  // of what is kept, per chain
  OperationObserver* observer() const { return observer_; }

 private:
  at::Tensor labels_, latents_, latent_gradient_;
  bool keep_;
  OperationObserver* observer_;
  std::vector<at::Tensor> kept_;
};

struct Part;

// Both calls take their tensor by value: one that nobody else holds may be written to.
class Operation {
 public:
  virtual ~Operation() = default;
  virtual at::Tensor forward(at::Tensor x, Tape& tape) const = 0;
  // dy has the shape of forward's result; gives the gradient with respect to x. Pops what forward pushed.
  virtual at::Tensor vjp(at::Tensor dy, Tape& tape) const = 0;
  // Of a call with x, or dy, of this shape; what its parts do is theirs.
  virtual OperationWork work(Pass pass, at::IntArrayRef input) const = 0;
  virtual std::vector<Part> parts() const;  // operations inside this one, in the order in which forward calls them
};

using OperationPtr = std::unique_ptr<const Operation>;
using Operations = std::vector<OperationPtr>;

struct Part {
  const char* name;
  const Operations& operations;
};

struct NamedOperation {
  std::string name;  // "generator.2", "generator.2.main.0": places in the list, from 0
  const Operation& operation;
};
// All of them, each before its parts.
std::vector<NamedOperation> named(const Operations& operations, const std::string& name);

at::Tensor forward_through(const Operations& operations, at::Tensor x, Tape& tape);
at::Tensor vjp_through(const Operations& operations, at::Tensor dy, Tape& tape);

// Whether the caller's handle is the only one to this memory.
bool sole_owner(const at::Tensor& t);

}  // namespace ddls::inference
