#pragma once
// The programs of a .pt2 archive (pt2_gan.hpp), loaded: as functions with a gradient, and held against the archive's
// own self-test.
#include <memory>
#include <string>

#include "ddls/pt2_description.hpp"
#include "tensor/pt2_archive.hpp"

namespace ddls::sampling {

struct Pt2Programs {
  std::string file = {};
  std::string compiled = {};  // the instruction set of those that are native code; empty: none is
  tensor::Pt2Program decode;
  tensor::Pt2Program ratio, ratio_grad;  // both, or neither
  tensor::Pt2Program decode_vjp;
  tensor::Pt2Program score, score_grad;  // both, or neither

  bool of_samples() const { return score && decode_vjp; }
};
using Pt2ProgramsPtr = std::shared_ptr<const Pt2Programs>;

// Portable ones, which pt2_choice.hpp tries. For chains on the archive alone: decode, ratio and ratio_grad, and the
// three of samples, all or none. Throws Error(data) naming what is missing.
Pt2Programs load_gan_programs(const tensor::Pt2Archive& archive);
// For a ratio of ours: decode and decode_vjp, and score and score_grad where they are there.
Pt2Programs load_generator_programs(const tensor::Pt2Archive& archive);

// Those that are loaded, against what they gave where they were written. Throws Error(data).
void run_self_test(const Pt2Programs& programs, const Pt2Description& about, c10::Device device);

// Samples of z [n, k], differentiable with respect to it where decode_vjp is loaded; scores [n] of samples.
at::Tensor pt2_samples(const Pt2ProgramsPtr& programs, const at::Tensor& z, const at::Tensor& labels);
at::Tensor pt2_scores(const Pt2ProgramsPtr& programs, const at::Tensor& x, const at::Tensor& labels);

at::Tensor require_finite_samples(const at::Tensor& samples, const std::string& file);  // throws Error(data)

}  // namespace ddls::sampling
