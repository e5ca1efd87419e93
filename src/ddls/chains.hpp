#pragma once
// A block of chains as a value: everything that decides how it goes on, so that it can be saved between two steps.
#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "base/blocks.hpp"
#include "ddls/target.hpp"
#include "tensor/noise.hpp"

namespace ddls::sampling {

struct Chains {
  IdRange ids;
  at::Tensor z;            // [n, k], in the coordinates of prior.hpp
  Evaluation now;          // at `z`, carried so that a step costs one new gradient; never stale
  at::Tensor labels = {};  // [n] int64; undefined: unconditional
  // What else a method carries from step to step (momenta, replicas). First dimension n, so that one chain can start
  // anew.
  std::map<std::string, at::Tensor> extra = {};
  // [n] each: the method's rates of the last step ("acceptance": the probability, not the outcome).
  std::map<std::string, at::Tensor> rates = {};
};

// z ~ p0 for the given ids, on the target's device, evaluated. `draw` counts the starts of a chain: 0 is its first.
Chains start_chains(IdRange ids, const Target& target, const tensor::Noise& noise, int64_t draw = 0);

// Chains in `mask` ([n] bool) go to z and its evaluation; the others stay where they are, with the evaluation they had.
void move_where(const at::Tensor& mask, const at::Tensor& z, const Evaluation& there, Chains& chains);

// Where only some chains of a block have a candidate: rows [m] int64, m >= 1, filled up with the first of them to
// `size`, so that networks meet few batch shapes.
at::Tensor padded_rows(const at::Tensor& rows, int64_t size);

struct Candidates {
  at::Tensor z;
  Evaluation there;
};
// z: [size, k], of the chains padded_rows(rows, size). Evaluated, and put in the places of their chains; the others'
// candidates are where they are now.
Candidates evaluate_rows(const Chains& chains, const at::Tensor& rows, const at::Tensor& padded, const at::Tensor& z,
                         const Target& target);

// [n, k] noise of a step, on the device. `u`: [n] in (0, 1).
at::Tensor normal_of(const Chains& chains, const tensor::Noise& noise, int64_t step, Stream stream);
at::Tensor uniform_of(const Chains& chains, const tensor::Noise& noise, int64_t step, Stream stream);

// min(1, e^{log_a}), and 0 where log_a is not finite: such a proposal is rejected.
at::Tensor acceptance_of(const at::Tensor& log_a);

}  // namespace ddls::sampling
