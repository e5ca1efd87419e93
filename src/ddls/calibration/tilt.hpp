#pragma once
// The tilt: r(x, y) = slope_y d(x, y) + sum (a . t(x) + t(x) . B t(x)) + offset_y, a sum over kinds of features, with t
// the principal components of a kind in units of their deviation, each bounded by b tanh(c / b): samples far out, of
// which the data say nothing, get no weight beyond measure. An exponential family over p_g: fitted by maximum
// likelihood (tilt_fit.hpp), p_g e^r has the data's means of everything in the sum (docs/algorithm.md, equations 70 and
// 71).
#include <string>
#include <vector>

#include "ddls/calibration/sample_features.hpp"
#include "ddls/feature_components.hpp"
#include "ddls/ratio_correction.hpp"
#include "tensor/npz.hpp"

namespace ddls::sampling {

inline constexpr double tilt_bound = 2;

// What one kind of features gives to the sum.
struct TiltTerms {
  FeatureComponents components;  // scaled to deviation 1 among the reals
  int64_t products = 0;          // of pairs of the first of them, in each group
  bool squares = true;
  std::vector<int64_t> groups = {};  // counts of components that add up to theirs; empty: one group

  int64_t columns() const;                          // k = c [+ c] + products (products - 1) / 2 of each group
  at::Tensor of(const at::Tensor& features) const;  // t, t^2, t_i t_j for i < j. float32 or float64 [n, f] -> [n, k]
  at::Tensor linear(const at::Tensor& w) const;     // of weights of these columns [k]: a [c]
  at::Tensor quadratic(const at::Tensor& w) const;  // and B [c, c], symmetric
};

struct TiltPart {
  std::string name;  // of its features
  FeatureComponents components;
  double bound;                  // 0: none
  at::Tensor linear, quadratic;  // [c]; [c, c], or [c] of a diagonal; float64, CPU
};

struct Tilt {
  at::Tensor slopes, offsets;  // [1] or [classes], float64, CPU
  std::vector<TiltPart> parts;
};

tensor::NamedTensors tensors_of(const Tilt& tilt,
                                const std::vector<SampleFeatures>& features);  // "0.mean", "0.features.NAME", ...
// What tensors_of kept; the names of the parts in its order.
Tilt tilt_of(const tensor::NamedTensors& tensors, const std::vector<std::string>& names);
tensor::NamedTensors kept_features(const tensor::NamedTensors& tensors, size_t part);

// As what a target takes; `features` of each part, in its order.
RatioCorrection correction_of(const Tilt& tilt, const std::vector<SampleFeatures>& features, c10::Device device);

}  // namespace ddls::sampling
