#pragma once
// Tries a network that others made before work is built on it: is it a function of each row alone, at every batch size,
// with values and gradients that are finite numbers? What the numbers mean (images, scores, features) is the caller's
// part. No communication.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/foreign_network.hpp"

namespace ddls::tensor {

// Another way to call the network. The first that works says what is wrong with the call that fails.
struct Remedy {
  std::string cure;  // behind "forward fails on ...: "
  std::function<at::Tensor()> input;
  std::function<at::Tensor()> labels = {};  // empty: those of the probe
};

struct Probe {
  const ForeignNetwork& network;
  std::string of;                    // what a row of the input is: "latent", "sample", "image"
  std::vector<std::string> outputs;  // what the outputs are, plural: "samples", "scores"
  // Throws Error where type, shape or range of the outputs for n rows is wrong. Undefined outputs are passed over.
  std::function<void(const std::vector<at::Tensor>& outputs, int64_t n)> check;
  // Of how the network fails on these inputs; tried on the first two rows.
  std::function<std::vector<Remedy>(const at::Tensor& input, const at::Tensor& labels)> remedies = {};
};

// Rows that a probe is made on. labels undefined: none.
struct ProbeRows {
  at::Tensor input, labels;
  ProbeRows some(int64_t begin, int64_t count) const;
};

// One call, whose failure is explained and whose outputs are checked: type, device, shape, finite numbers.
std::vector<at::Tensor> checked_call(const Probe& probe, const ProbeRows& rows);

// The rest of what makes it a function of each row: the input stays as it is, so do the weights; the same rows give the
// same again, in other company (`others`: as many rows as `rows`, at least 4), and in batches of one and of several.
// Throws Error(data) naming file, cause and cure.
void check_function(const Probe& probe, const ProbeRows& rows, const at::Tensor& others);

// The gradient of the first output with respect to the input, by a backward pass. Returns the output.
at::Tensor check_gradient(const Probe& probe, const ProbeRows& rows);

// How far outputs may lie apart, in shares of the spread of all and of the largest.
//   Same batch, same places: the same kernels run on the same numbers, so that only sums in another order (atomic
//   additions on a GPU) may differ. Other companions: the same again; a thousandth of the spread is below what any
//   statistic of the batch does to a row. Another batch size: other kernels. Rounding of float32 through a deep network
//   is 1e-6 to 1e-5 of the values, of TF32 and bfloat16 inside a file up to a few hundredths of the spread; batch
//   statistics of one row, or a lost dimension, change all of it.
struct Tolerance {
  double of_spread, of_largest;
};
inline constexpr Tolerance again_tolerance{1e-4, 1e-5}, company_tolerance{1e-3, 1e-5}, size_tolerance{5e-2, 1e-4};

}  // namespace ddls::tensor
